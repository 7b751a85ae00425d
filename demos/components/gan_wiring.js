// Goes on from gan_views.js: the buttons, what the server says, and the start.
// --- the buttons ---
function row(box, entries, click, role = "radio") {
  box.replaceChildren(...entries.map(([value, text]) => {
    const made = make("button", { type: "button", value, textContent: text });
    made.setAttribute("role", role);
    made.onclick = () => click(value);
    return made;
  }));
}
const VIEWS = [["between", "A to B"], ["corners", "Four corners"], ["sums", "Arithmetic"], ["training", "Training"]];
function open(name) {
  view = name;
  root.dataset.view = name;
  F.set("gan", "view", name);
  for (const [value] of VIEWS) $(`section.${value}`).hidden = value !== name;
  for (const button of $(".tabs").children) button.setAttribute("aria-selected", String(button.value === name));
  if (name === "sums" && !SETS.includes(target)) aim("first");
  if (name !== "sums" && SETS.includes(target)) aim("A");
  if (name !== "between") stop();
  for (const what of name === "between" ? ["between", "strips", "bubble"] : [name]) later(what);
  ask();
}
row($(".targets"), [...LETTERS.map((letter) => [letter, letter])], aim);
row($(".tabs"), VIEWS, open, "tab");
row($(".ways"), [["lerp", "bilinear"], ["slerp", "spherical"]], (value) => { F.gan.way = value; F.set("gan", "way", value); labelCorners(); ask(); });
const runs = (name) => { F.gan.run = name; F.set("gan", "run", name); for (const button of $(".runs").children) button.setAttribute("aria-checked", String(button.value === name)); };
row($(".runs"), props.runs, (value) => { runs(value); ask(); });
$(".clear").onclick = () => { for (const letter of LETTERS) { pins[letter] = ""; F.set("gan", letter.toLowerCase(), "-"); } aim("A"); changed(); };
const fetched = async (file, name) => { if (file) F.save(await (await fetch(file.url)).blob(), name); };
const named = (what, ending) => `${(model || "gan").replace("@", "-")}-${what}.${ending}`;
$(".save-grid").onclick = () => sample && fetched(sample.x, named(`seed-${sample.seed}`, "png"));
$(".save-z").onclick = () => sample && fetched(sample.files[0], named(`seed-${sample.seed}-z`, "npy"));
$(".save-gif").onclick = () => way && fetched(way.files[0], named("a-to-b", "gif"));
$(".save-way").onclick = () => way && fetched(way.files[1], named("a-to-b-z", "npy"));
$(".save-corners").onclick = () => grid && fetched(grid.x, named("corners", "png"));
$(".save-corners-z").onclick = () => grid && fetched(grid.files[0], named("corners-z", "npy"));
$(".save-sum").onclick = () => sum && $(".answer").toBlob((blob) => F.save(blob, named("result", "png")));
$(".save-sum-z").onclick = () => sum && fetched(sum.files[0], named("result-z", "npy"));

// --- what the server says ---
const heard = {
  async sample({ x, files, report }) {
    const image = await F.picture(x), other = model !== report.model;
    current(report);
    sample = { ...report, x, files };
    remember(image, 10, report);
    root.dataset.seed = report.seed;
    root.dataset.state = "ready";
    paintSamples();
    paintFound();
    if (other) last = "";
    changed();
  },
  async points({ x, report }) {
    const image = await F.picture(x);
    if (report.model !== model || report.truncation !== truncation) return;
    remember(image, report.points.length, report);
    paintPins();
    paintSets();
    askPoints();
  },
  async found({ x, report }) {
    const image = await F.picture(x);
    if (report.model !== model || report.truncation !== truncation) return;
    remember(image, report.points.length, report);
    found = report;
    paintFound();
  },
  async between({ x, files, report }) {
    const image = await F.picture(x);
    if (report.model !== model || report.start !== pins.A || report.end !== pins.B) return;
    const fresh = way?.dimensions !== report.dimensions;
    way = { ...report, files, pictures: report.scores.map((_, i) => cut(image, i, report.frames, report.size)) };
    if (fresh && !Number(asked("dims"))) $(".dims").value = report.dimensions;
    root.dataset.between = `${report.model} ${report.start} ${report.end} ${report.truncation}`;
    later("between"); later("strips"); later("bubble");
  },
  async corners({ x, files, report }) {
    const image = await F.picture(x);
    if (report.model !== model || report.corners.join() !== LETTERS.map((letter) => pins[letter]).join() || report.n !== F.gan.n || report.way !== F.gan.way) return;
    grid = { ...report, x, files, image };
    root.dataset.corners = `${report.model} ${report.corners} ${report.n} ${report.way} ${report.truncation}`;
    later("corners");
  },
  async sums({ x, files, report }) {
    const image = await F.picture(x);
    if (report.model !== model || SETS.some((name) => report[name].join() !== sets[name].join())) return;
    sum = { ...report, files, pictures: report.scores.map((_, i) => cut(image, i, report.scores.length, report.size)) };
    root.dataset.sums = SETS.map((name) => report[name]).join("|");
    later("sums");
  },
  async training({ x, report }) {
    const image = await F.picture(x), same = run?.run === report.run;
    if (report.run !== F.gan.run) return;
    run = { ...report, image };
    if (!same) { const old = report.epochs.indexOf(Number(asked("epoch"))); $(".epoch").value = old >= 0 ? old : report.epochs.length - 1; }
    root.dataset.run = report.run;
    later("training");
  },
  async bubble({ x, report }) {
    const { data, width, height } = F.pixels(await F.picture(x));
    bubble = Array.from({ length: height }, (_, r) => Array.from({ length: report.bins }, (_, i) => data[4 * (r * width + i)] * 256 + data[4 * (r * width + report.bins + i)]));
    later("bubble");
  },
};
F.hear("gan", async (message) => { if (message.report) { await heard[message.report.kind](message); if (root.dataset.state === "busy") root.dataset.state = "ready"; } });
F.hear("gan-set", ({ view: name, pins: given, t, run: wanted, sets: boxes, way: how, n }) => {
  if (given) for (const [letter, point] of Object.entries(given)) { pins[letter] = point; F.set("gan", letter.toLowerCase(), point); }
  if (boxes) for (const [key, points] of Object.entries(boxes)) { sets[key] = [...points]; F.set("gan", key, points.join(",")); }
  if (t !== undefined) { T.value = Math.round(t * 32); F.set("gan", "t", T.value); }
  if (wanted) runs(wanted);
  if (how) F.gan.way = how;
  if (n) $(".corners .n").value = F.gan.n = n;
  labelCorners();
  open(name);
  changed();
});
F.hear("idle", (what) => { if (String(what).startsWith("gan_") && root.dataset.state === "busy") { root.dataset.state = "ready"; last = ""; } });
F.hear("theme", () => { ground = null; later("bubble"); later("training"); });
new ResizeObserver(() => later("training")).observe($(".views"));
const start = (key, low, high, node) => { const old = Number(asked(key)); if (asked(key) !== null && Number.isInteger(old) && old >= low && old <= high) node.value = old; };
start("t", 0, 32, T);
start("dims", 1, 512, $(".dims"));
start("rows", 3, 15, $(".corners .n"));
F.gan.n = Number($(".corners .n").value);
runs(props.runs.some(([name]) => name === asked("run")) ? asked("run") : props.runs[0][0]);
labelCorners();
aim("A");
open(VIEWS.some(([name]) => name === asked("view")) ? asked("view") : "between");
// the first work is asked for when the tab is first opened (on a phone the figure lies below the controls)
new IntersectionObserver((entries, watcher) => { if (entries.some((e) => e.isIntersecting)) { watcher.disconnect(); trigger("seen"); trigger("bubble"); } }, { rootMargin: "3000px" }).observe(root.parentElement);
