// The panda figure, alive. value: {x, sheet, report}: the clean picture's file, the sign of the gradient or the attacked frames under
// one another, and the numbers of core.sweep.report; or {progress: [done, total]}. After that a drag of epsilon needs no server.
const $ = (selector) => element.querySelector(selector);
const root = $(".figure"), slider = $(".drag input"), F = window.FoolForge, percent = F.percent;
const COLORS = { clean: "#3b6fe0", won: "#d9480f" };
const [clean, change, attacked] = ["clean", "change", "attacked"].map((name) => $("canvas." + name));
let shown = null; // {report, width, height, x, sheet, signs, frames}
let wanted = (F.opened.get("tab") ?? "fgsm") === "fgsm" && F.opened.has("eps") ? Number(F.opened.get("eps")) : null;
let pending = false, loading = 0;

function budgetText(report, budget) {
  if (report.kind === "price") return `c = ${budget}`;
  return `${budget}/255 = ${(budget / 255).toFixed(3)}`;
}
async function receive() {
  const value = props.value;
  if (!value || !value.report) return;
  if (value.report.progress) {
    const [done, total] = value.report.progress;
    root.dataset.state = shown ? "busy" : "empty";
    $(".message").textContent = done ? `gradient ${done} of ${total} …` : "computing …";
    return;
  }
  const turn = ++loading;
  const [x, sheet] = (await Promise.all([value.x, value.sheet].map(F.picture))).map(F.pixels);
  if (turn !== loading) return;
  start(value.report, x, sheet);
}
function start(report, x, sheet) {
  const { width, height } = x;
  shown = { report, width, height, x, sheet, signs: report.kind === "sign", out: new ImageData(width, height), frames: [] };
  for (const canvas of [clean, change, attacked]) {
    canvas.width = width;
    canvas.height = height;
    canvas.classList.toggle("small", width < 100);
  }
  clean.getContext("2d").putImageData(x, 0, 0);
  if (shown.signs) change.getContext("2d").putImageData(sheet, 0, 0);
  const budgets = report.budgets;
  slider.max = budgets.length - 1;
  slider.disabled = false;
  slider.value = nearest(budgets, wanted ?? (report.kind === "price" ? budgets[report.fooled_at ?? budgets.length - 1] : report.size[0] === 1 ? 40 : 8));
  $(".drag .symbol").textContent = report.kind === "price" ? "price of distance" : "ε";
  $(".plus").textContent = shown.signs ? "+ ε ·" : "+";
  $(".smallest-name").textContent = report.kind === "price" ? "Fooled from" : report.targeted ? "Smallest ε that hits the target" : "Smallest ε that fools";
  bars($(".before"), report.clean.top);
  caption(clean, report.clean.top[0]);
  root.dataset.state = "ready";
  $(".message").textContent = note(report);
  draw();
  prepare(loading);
}
const nearest = (budgets, wish) => budgets.reduce((best, b, i) => (Math.abs(b - wish) < Math.abs(budgets[best] - wish) ? i : best), 0);

function note(report) {
  if (report.label && report.label !== report.class) {
    return `This picture is labelled “${report.label}”; the net already says “${report.class}”, so the attack starts from the net's own answer.`;
  }
  return "";
}
// x' = clip(x + eps * s) in whole 255ths: exactly the 8-bit picture that the server classified
function signed(eps) {
  const out = shown.out, from = shown.x.data, s = shown.sheet.data, to = out.data, size = from.length; // to is clamped to 0..255 by its type
  for (let i = 0; i < size; i += 4) {
    to[i] = from[i] + eps * ((s[i] > 128) - (s[i] < 127));
    to[i + 1] = from[i + 1] + eps * ((s[i + 1] > 128) - (s[i + 1] < 127));
    to[i + 2] = from[i + 2] + eps * ((s[i + 2] > 128) - (s[i + 2] < 127));
    to[i + 3] = 255;
  }
  return { out, factor: null };
}
// the frame that the server sent, and its difference from x, magnified; made once, while the hand rests or when it is needed first
function framed(k) {
  if (shown.frames[k]) return shown.frames[k];
  const { x, width, height } = shown, size = x.data.length, linf = shown.report.rungs[k].linf, factor = linf ? Math.max(1, Math.floor(127 / linf)) : 1;
  const out = new ImageData(shown.sheet.data.slice(k * size, (k + 1) * size), width, height), view = new ImageData(width, height);
  const from = x.data, frame = out.data, to = view.data;
  for (let i = 0; i < size; i += 4) {
    to[i] = 128 + factor * (frame[i] - from[i]);
    to[i + 1] = 128 + factor * (frame[i + 1] - from[i + 1]);
    to[i + 2] = 128 + factor * (frame[i + 2] - from[i + 2]);
    to[i + 3] = 255;
  }
  return (shown.frames[k] = { out, view, factor });
}
function prepare(turn, k = 0) {
  if (turn !== loading || shown.signs || k >= shown.report.budgets.length) return;
  framed(k);
  setTimeout(() => prepare(turn, k + 1), 30);
}
function draw() {
  pending = false;
  if (!shown) return;
  const k = Number(slider.value), { report } = shown, rung = report.rungs[k], [winner] = rung.top[0];
  const { out, view, factor } = shown.signs ? signed(report.budgets[k]) : framed(k);
  attacked.getContext("2d").putImageData(out, 0, 0);
  if (view) change.getContext("2d").putImageData(view, 0, 0);
  write(".drag output", report.kind === "price" ? budgetText(report, rung.budget) : `= ${budgetText(report, rung.budget)}`);
  const hit = report.targeted ? winner === report.target : winner !== report.class;
  root.dataset.fooled = String(winner !== report.class);
  write(".verdict", verdict(report, winner, hit));
  write(".what", factor === null ? (report.targeted ? "−sign ∇ₓJ(target)" : "sign ∇ₓJ") : "r = x′ − x");
  write(".factor", factor === null ? "" : `× ${factor}`);
  write(".note", factor === null ? "shown from −1 (black) to 1" : `magnified ${factor} times`);
  caption(attacked, rung.top[0]);
  bars($(".after"), rung.top);
  write(".linf", `${rung.linf}/255 = ${rung.linf_fraction.toFixed(4)}`);
  write(".l2", rung.l2.toFixed(2));
  write(".smallest", report.fooled_at === null ? "none of these" : budgetText(report, report.budgets[report.fooled_at]));
  write(".png", `${winner} ${percent(rung.top[0][1])}: lossless, the same`);
  write(".jpeg", rung.jpeg ? `${rung.jpeg[0]} ${percent(rung.jpeg[1])}${!hit ? "" : rung.jpeg[0] === winner ? ": survives" : ": the attack is gone"}` : "measuring …");
  curve(k);
  root.dataset.painted = Number(root.dataset.painted) + 1;
}
function verdict(report, winner, hit) {
  if (hit && report.targeted) return `The net now sees the target, ${report.target}.`;
  if (hit) return `Fooled: the net sees ${winner}, no longer ${report.class}.`;
  const where = report.fooled_at === null ? "no step of this slider reaches the aim: the attack fails here" : "not yet: drag further";
  return `${winner === report.class ? `The net still sees ${report.class}` : `The net sees ${winner}, not the target ${report.target}`}; ${where}.`;
}
function caption(canvas, [label, p]) {
  const box = canvas.parentElement;
  write(box.querySelector(".label"), label);
  write(box.querySelector(".p"), percent(p));
  canvas.setAttribute("aria-label", `${label}, ${percent(p)}`);
}
function bars(list, top) {
  while (list.children.length < top.length) {
    const row = document.createElement("li");
    row.innerHTML = '<span></span><div class="track"><i></i></div><span></span>';
    list.append(row);
  }
  top.forEach(([label, p], i) => {
    const row = list.children[i];
    const kind = label === shown.report.class ? "clean" : i === 0 ? "won" : "", [name, track, share] = row.children;
    if (row.className !== kind) row.className = kind;
    if (name.textContent !== label) name.textContent = name.title = label;
    track.firstElementChild.style.transform = `scaleX(${p})`;
    write(share, percent(p));
  });
}
function plot(k, width, height, colors, font) {
  const { report } = shown, winner = report.rungs[k].top[0][0], price = report.kind === "price";
  const xs = price ? report.budgets.map((_, i) => i) : report.budgets;
  const rival = winner !== report.class ? winner : report.target;
  const others = Object.keys(report.curves).filter((name) => name !== report.class && name !== rival);
  const series = [
    ...others.map((name) => ({ values: report.curves[name], color: colors.soft, width: 1.2, opacity: 0.5 })),
    { values: report.curves[report.class], color: COLORS.clean },
    ...(rival ? [{ values: report.curves[rival], color: COLORS.won }] : []),
  ];
  const dots = [{ y: report.curves[report.class][k], color: COLORS.clean }];
  if (rival) dots.push({ y: report.curves[rival][k], color: COLORS.won });
  const rule = report.fooled_at === null ? null : { at: xs[report.fooled_at], text: "fooled from here" };
  const ticks = price ? report.budgets.map((c, i) => [i, `c ${c}`]) : xs.filter((e) => e % (xs.at(-1) > 40 ? 10 : 4) === 0).map((e) => [e, String(e)]);
  const title = price ? "price of distance, from dear to cheap" : "epsilon in 255ths";
  return { rival, svg: F.plot({ width, height, xs, ticks, series, rule, marker: { at: xs[k], dots }, title, colors, font }) };
}
let drawn = null, wide = 0; // the curve that stands: a drag only moves its marker
function curve(k) {
  const { report } = shown, winner = report.rungs[k].top[0][0], rival = winner !== report.class ? winner : report.target;
  if (drawn && drawn.report === report && drawn.rival === rival && drawn.wide === wide) {
    const dots = [report.class, ...(rival ? [rival] : [])].map((name) => ({ y: report.curves[name][k] }));
    return F.mark($(".curve svg"), drawn.xs, { at: drawn.xs[k], dots });
  }
  $(".curve").innerHTML = plot(k, Math.max(wide, 240), 210, F.INK, 13).svg;
  const xs = report.kind === "price" ? report.budgets.map((_, i) => i) : report.budgets;
  drawn = { report, rival, wide, xs };
  const names = rival ? [report.class, rival] : [report.class];
  $(".legend").replaceChildren(...names.map((name, i) => Object.assign(document.createElement("span"), { textContent: name, className: i ? "won" : "" })));
}
const write = (selector, text) => { const node = typeof selector === "string" ? $(selector) : selector; if (node.textContent !== text) node.textContent = text; };
function later() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(draw);
}
slider.addEventListener("input", () => {
  wanted = shown.report.budgets[slider.value];
  F.set("fgsm", "eps", wanted);
  later();
});
new ResizeObserver(([entry]) => { wide = entry.contentRect.width; later(); }).observe($(".curve"));
F.hear("eps", (eps) => { wanted = eps; F.set("fgsm", "eps", eps); if (shown) { slider.value = nearest(shown.report.budgets, eps); later(); } });
F.hear("busy", (what) => { if (what === "fgsm_sweep" && shown) { root.dataset.state = "busy"; $(".message").textContent = "computing …"; } });
F.hear("idle", (what) => {
  if (what !== "fgsm_sweep") return;
  if (root.dataset.state === "busy") root.dataset.state = "ready";
  if (/^(gradient|computing)/.test($(".message").textContent)) $(".message").textContent = shown ? note(shown.report) : "";
});
if (wanted !== null) F.set("fgsm", "eps", wanted);
watch("value", receive);
receive();

const fileName = () => `${shown.report.method}-${shown.report.class}-${budgetText(shown.report, shown.report.budgets[slider.value]).split(" ")[0]}`.replace(/[^\w.-]+/g, "-");
const blobOf = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
function csv() {
  const { report } = shown, names = Object.keys(report.curves), quote = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const head = [report.kind === "price" ? "c" : "epsilon_255", "linf_255", "linf", "l2", "first", "confidence", "jpeg75_first", "jpeg75_confidence", ...names.map((n) => `p(${n})`)];
  const rows = report.rungs.map((r, k) => [r.budget, r.linf, r.linf_fraction, r.l2, quote(r.top[0][0]), r.top[0][1], quote(r.jpeg?.[0] ?? ""), r.jpeg?.[1] ?? "", ...names.map((n) => report.curves[n][k])]);
  return [head.map(quote), ...rows].map((row) => row.join(",")).join("\n") + "\n";
}
async function slide() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1600, height: 900 }), pen = canvas.getContext("2d");
  const k = Number(slider.value), { report } = shown, rung = report.rungs[k], ink = "#111", soft = "#555";
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, 1600, 900);
  pen.imageSmoothingEnabled = shown.width > 100;
  pen.textAlign = "center";
  const write = (text, x, y, font, color) => { pen.font = font; pen.fillStyle = color; pen.fillText(text, x, y, 470); };
  const captions = [["x", ...report.clean.top[0]], [$(".what").textContent, $(".factor").textContent || null], ["x′", ...rung.top[0]]];
  [clean, change, attacked].forEach((picture, i) => {
    const x = 30 + i * 540;
    pen.drawImage(picture, x, 30, 460, 460);
    const [name, label, p] = captions[i];
    write(name, x + 230, 525, "italic 28px Georgia, serif", soft);
    if (label) write(label, x + 230, 562, "600 32px system-ui, sans-serif", i === 2 && rung.top[0][0] !== report.class ? COLORS.won : ink);
    if (p !== undefined) write(percent(p), x + 230, 598, "26px system-ui, sans-serif", soft);
  });
  write(shown.signs ? `+ ${rung.budget}/255 ·` : "+", 530, 270, "34px Georgia, serif", ink);
  write("=", 1070, 270, "40px Georgia, serif", ink);
  const { svg } = plot(k, 1000, 250, { ink, soft, line: "#ddd", paper: "#fff" }, 18);
  const image = new Image();
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
  await image.decode();
  pen.drawImage(image, 30, 625);
  pen.textAlign = "left";
  [`${report.method}${report.kind === "sign" ? "" : `, ${report.steps} steps`}`, `${report.kind === "price" ? "" : "ε = "}${budgetText(report, rung.budget)}`, `L∞ ${rung.linf}/255   L2 ${rung.l2.toFixed(2)}`, report.model_title ?? ""].forEach((text, i) => write(text, 1070, 680 + 42 * i, "24px system-ui, sans-serif", soft));
  return canvas;
}
const deeds = {
  picture: async () => F.save(await blobOf(attacked), fileName() + ".png"),
  numbers: async () => F.save(new Blob([csv()], { type: "text/csv" }), fileName() + ".csv"),
  slide: async () => F.save(await blobOf(await slide()), fileName() + "-figure.png"),
  link: () => F.copy(F.link()),
  code: () => F.copy(props.code),
};
element.querySelector(".actions").addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button || !shown) return;
  const done = await deeds[button.dataset.do]();
  if (done === undefined) return;
  const name = button.textContent;
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = name; }, 1400);
});
