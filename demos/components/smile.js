// A face, its reconstruction and its edit under the hand. props.concepts: [[name, title]], props.labels: the 40 attributes.
// What the server gives comes as FoolForge.tell("smile", {x, report}); report.kind is "faces", "edit", "strip", "own" or "facts".
// What is asked stands in FoolForge.smile, by the names of the endpoints' parameters, when an event of the same name is triggered.
const $ = (selector) => element.querySelector(selector);
const root = $(".smile"), F = window.FoolForge, SIDE = 64, END = 2, FRAMES = 33, TITLES = Object.fromEntries(props.concepts);
const asked = (key) => (F.opened.get("tab") === "smile" ? F.opened.get(key) : null);
const make = (tag, more = {}) => Object.assign(document.createElement(tag), more);
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const fixed = (v, digits = 2) => v.toFixed(digits).replace("-", "−");
const signed = (v) => (v > 0 ? "+" : "") + fixed(v);
const strengths = Object.fromEntries(props.concepts.map(([name]) => [name, 0]));
const marks = new Map(); // number of a face on the sheet -> "yes" or "no"
const strips = new Map(); // what is asked -> {pictures, p}, of the face in hand
let sheet = null, face = "", photo = null, current = null, edited = null, hand = "smile", facts = null, mine = null, marking = "take", view = "moved";
let kind = "balanced", waiting = "", wished = "", clicks = [], dwell = 0, pending = false, dirty = {};
F.smile = {};

// --- what the server is asked ---
const others = (name) => Object.fromEntries(Object.entries(strengths).filter(([key, a]) => a && key !== name));
const named = () => Object.fromEntries(Object.entries(strengths).filter(([, a]) => a));
const keyOf = (name) => JSON.stringify([face, current?.code?.slice(0, 4), kind, name, others(name)]);
const underway = new Set(), state = () => { root.dataset.state = !sheet ? "empty" : underway.size ? "busy" : "ready"; };
function ask(what, wish = {}) {
  Object.assign(F.smile, { face: photo ? "" : face, eyes: null, which: 0 }, wish);
  underway.add(what);
  state();
  trigger(what);
}
function answered(what) {
  underway.delete(what);
  state();
}
function open(wish = {}) { // another face: everything of the old one goes when the new one is here
  waiting = "";
  ask("edit", { strengths: named(), code: null, ...wish });
}
function askStrip(name) { // the frames of the slider in hand, once; another wish waits until they are here
  if (!current || strips.has(keyOf(name))) return;
  if (waiting) { wished = name; return; }
  waiting = keyOf(name);
  ask("strip", { concept: name, strengths: others(name), code: current.code });
}
function askEdit() { // several strengths at once
  if (current) ask("edit", { strengths: named(), code: current.code });
}
function askOwn() {
  const [yes, no] = ["yes", "no"].map((side) => [...marks].filter(([, mark]) => mark === side).map(([number]) => number));
  if (view !== "own" || !current || yes.length < 2 || no.length < 2) return later("own");
  ask("own", { concept: hand, code: current.code, yes, no });
}

// --- pictures ---
async function cut(file, columns) { // a sheet of 64 x 64 tiles
  const image = new Image();
  image.src = file.url;
  await image.decode();
  return Array.from({ length: columns * Math.round(image.naturalHeight / SIDE) }, (_, i) => {
    const canvas = make("canvas", { width: SIDE, height: SIDE });
    canvas.getContext("2d").drawImage(image, (i % columns) * SIDE, Math.floor(i / columns) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
    return canvas;
  });
}
function show(canvas, picture, size = 256) { // enlarged smoothly, once
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, size, size);
}

// --- the faces that do not exist, and what a click on one does ---
function paintFaces() {
  $(".faces").replaceChildren(...sheet.pictures.map((picture, i) => {
    const button = make("button", { type: "button", title: sheet.faces[i] });
    button.setAttribute("aria-label", `face ${i + 1} of ${sheet.pictures.length}`);
    button.append(picture);
    button.onclick = () => (marking === "take" ? take(sheet.faces[i]) : mark(i));
    return button;
  }));
  markFaces();
}
function markFaces() {
  [...$(".faces").children].forEach((button, i) => {
    button.setAttribute("aria-pressed", String(!photo && sheet.faces[i] === face));
    if (marks.has(i) && view === "own") button.dataset.mark = marks.get(i); else delete button.dataset.mark;
  });
  const own = view === "own";
  write($(".told"), photo ? "" : own ? (sheet.source === "vae" ? `A click marks a face: ${TITLES[hand]} or not.` : "Labels are for faces drawn from the VAE: choose it at the left.")
    : `24 faces that nobody has, drawn from the ${sheet.source.toUpperCase()} with seed ${sheet.seed}. A click takes one.`);
}
function take(name) {
  if (photo) { photo = null; trigger("invent"); }
  face = name;
  F.set("smile", "face", name);
  showPhoto();
  open();
}
function mark(i) {
  if (marks.get(i) === marking) marks.delete(i); else marks.set(i, marking);
  F.set("smile", "marks", [...marks].map(([number, side]) => (side === "yes" ? "" : "-") + (number + 1)).join(","));
  markFaces();
  askOwn();
}
function aim(name) {
  marking = name;
  for (const button of $(".marks").children) button.setAttribute("aria-checked", String(button.value === name));
}

// --- a photo: its faces, and two clicks on the eyes ---
const whole = $(".whole");
function showPhoto() {
  $(".photo").hidden = !photo;
  $(".faces").hidden = Boolean(photo);
  $(".marks").hidden = view !== "own" || Boolean(photo);
  if (sheet) markFaces();
  later("photo");
}
function paintPhoto() {
  if (!photo) return;
  const scale = Math.min(1, 640 / Math.max(photo.naturalWidth, photo.naturalHeight)), pen = whole.getContext("2d");
  whole.width = Math.max(1, Math.round(photo.naturalWidth * scale));
  whole.height = Math.max(1, Math.round(photo.naturalHeight * scale));
  pen.drawImage(photo, 0, 0, whole.width, whole.height);
  const found = clicks.length ? [] : current?.found ?? [];
  pen.lineWidth = 3;
  found.forEach((one, i) => {
    const [left, top, right, bottom] = one.box.map((v) => v * scale);
    pen.strokeStyle = i === current.which ? "#22c55e" : "#ffffffcc";
    pen.strokeRect(left, top, right - left, bottom - top);
  });
  for (const [x, y] of clicks.length ? clicks : found[current?.which]?.eyes ?? []) {
    pen.strokeStyle = "#22c55e";
    pen.beginPath();
    pen.arc(x * scale, y * scale, 7, 0, 7);
    pen.stroke();
  }
  const turned = found[current?.which]?.turned ? " It looks to the side, which this net has not seen: expect less." : "";
  write($(".told"), clicks.length === 1 ? "Now the other eye." : clicks.length ? "Cut out by the two eyes that you clicked."
    : found.length > 1 ? `${found.length} faces: click on one of them, or on both eyes of another.${turned}`
    : found.length ? `One face found. To cut it out by hand, click both eyes.${turned}` : "No face found so far: click both eyes.");
}
whole.addEventListener("click", (event) => {
  const box = whole.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * photo.naturalWidth, y = ((event.clientY - box.top) / box.height) * photo.naturalHeight;
  const other = clicks.length ? -1 : (current?.found ?? []).findIndex(({ box: [l, t, r, b] }, i) => i !== current.which && x > l && x < r && y > t && y < b);
  if (other >= 0) return open({ which: other });
  clicks = clicks.length === 1 ? [...clicks, [x, y]] : [[x, y]];
  if (clicks.length === 2) open({ eyes: clicks });
  later("photo");
});
$(".auto").onclick = () => { clicks = []; open(); };
$(".leave").onclick = () => take(sheet?.faces[0] ?? "vae:0:0");
F.hear("smile-photo", async (file) => {
  if (!file?.url) { if (photo) take(sheet?.faces[0] ?? "vae:0:0"); return; }
  const image = new Image();
  image.src = file.url;
  clicks = [];
  try { await image.decode(); } catch { return open(); } // the server says what is wrong with it
  photo = image;
  current = current && { ...current, found: [], which: null };
  face = "photo " + file.url;
  F.set("smile", "face", "");
  showPhoto();
  open();
});

// --- the sliders ---
for (const [name, title] of props.concepts) {
  const label = make("label"), range = make("input", { type: "range", min: -END, max: END, step: (2 * END) / (FRAMES - 1), value: 0 });
  label.dataset.concept = name;
  range.setAttribute("aria-label", title);
  label.append(make("span", { textContent: title }), range, make("output", { textContent: "0.00" }));
  range.addEventListener("input", () => { grasp(name); strengths[name] = Number(range.value); F.set("smile", name, strengths[name] || ""); later("edit"); });
  for (const sign of ["pointerdown", "focus"]) range.addEventListener(sign, () => grasp(name));
  label.addEventListener("pointerenter", () => { clearTimeout(dwell); dwell = setTimeout(() => { if (!waiting) askStrip(name); }, 100); });
  label.addEventListener("dblclick", () => { strengths[name] = 0; range.value = 0; F.set("smile", name, ""); later("edit"); });
  $(".sliders").append(label);
}
function grasp(name) { // takes a slider in hand
  if (hand !== name) {
    hand = name;
    F.set("smile", "concept", name);
    for (const label of $(".sliders").children) label.dataset.hand = String(label.dataset.concept === name);
    marks.clear();
    mine = null;
    F.set("smile", "marks", "");
    words();
    later("row"); later("histogram"); later("bars"); later("own");
    if (sheet) markFaces();
  }
  askStrip(name);
}
function settle() { // the sliders show the strengths
  for (const label of $(".sliders").children) { label.querySelector("input").value = strengths[label.dataset.concept]; label.dataset.hand = String(label.dataset.concept === hand); }
}
const frameAt = (a) => Math.round(((a + END) / (2 * END)) * (FRAMES - 1));
const frame = () => { const strip = strips.get(keyOf(hand)), k = frameAt(strengths[hand]); return strip && { picture: strip.pictures[k], p: strip.p[k] }; };
function paintEdit() {
  if (!current) return;
  const now = frame();
  if (now) edited = now;
  if (edited) show($(".edit"), edited.picture);
  for (const label of $(".sliders").children) write(label.lastChild, fixed(strengths[label.dataset.concept]));
  const terms = Object.entries(named()).map(([name, a]) => `${a < 0 ? "−" : "+"} ${Math.abs(a).toFixed(2)} ${TITLES[name]}`);
  write($(".sum"), terms.length ? `z ${terms.join(" ")}` : "with the vectors: none yet");
  [...$(".row").children].forEach((button, i) => button.setAttribute("aria-checked", String(Math.abs(strengths[hand] - (i - 4) / 2) < 0.26)));
  root.dataset.strength = strengths[hand];
  root.dataset.frame = String(Boolean(now));
  paintBars();
  if (view === "stands") paintHistogram();
}
function paintRow() {
  const strip = strips.get(keyOf(hand));
  if (!strip || $(".row").dataset.key === keyOf(hand)) return;
  $(".row").dataset.key = keyOf(hand);
  $(".row").replaceChildren(...Array.from({ length: 9 }, (_, i) => {
    const button = make("button", { type: "button", textContent: "" }), a = (i - 4) / 2, picture = make("canvas");
    show(picture, strip.pictures[4 * i], 128);
    button.append(picture, a ? signed(a).replace(/0$/, "") : "0");
    button.setAttribute("aria-label", `${TITLES[hand]} ${fixed(a, 1)}`);
    button.onclick = () => { strengths[hand] = a; F.set("smile", hand, a || ""); settle(); later("edit"); };
    return button;
  }));
  later("edit");
}

// --- what else moved ---
let bars = null;
const pretty = (name) => name.replaceAll("_", " ").toLowerCase().replace("5 o clock", "5 o'clock");
function buildBars() {
  bars = facts.shown.map((name) => {
    const row = make("div", { className: "attribute", title: `the second net is right about it in ${Math.round(100 * facts.right[name])} of 100 (balanced)` }), track = make("span", { className: "track" });
    track.append(make("i"), make("b"));
    row.append(make("span", { textContent: pretty(name) }), track, make("span"));
    return { row, bar: track.firstChild, tick: track.lastChild, number: row.lastChild, index: props.labels.indexOf(name) };
  });
  $(".bars").replaceChildren(...bars.map(({ row }) => row));
}
const OF = { beard: "No_Beard", smile: "Smiling", eyeglasses: "Eyeglasses", male: "Male", young: "Young", blond: "Blond_Hair", black_hair: "Black_Hair", bangs: "Bangs", pale: "Pale_Skin", mouth_open: "Mouth_Slightly_Open" };
function paintBars() {
  if (!facts || !current || !edited || view !== "moved") return;
  if (!bars) buildBars();
  let most = null;
  for (const { row, bar, tick, number, index } of bars) {
    const before = current.before[index], after = edited.p[index], own = props.labels[index] === OF[hand];
    bar.style.transform = `scaleX(${after})`;
    tick.style.left = `${100 * before}%`;
    row.dataset.hand = String(own);
    row.dataset.changed = String(Math.abs(after - before) > 0.15);
    write(number, F.percent(after));
    if (!own && (!most || Math.abs(after - before) > Math.abs(most.by))) most = { name: pretty(props.labels[index]), by: after - before };
  }
  const used = Object.keys(named()).length;
  write($(".most"), !used ? "Move a slider: what moves beside it is what the vector carries along." : Math.abs(most.by) < 0.02 ? "Nothing else moved." :
    `Moved most beside it: ${most.name}, by ${signed(100 * most.by).split(".")[0]} points.${kind === "naive" ? " This vector is naive: switch to “balanced” at the left and look again." : ""}`);
}

// --- where the face stands on the vector in hand ---
function paintHistogram() {
  if (!facts || !current || view !== "stands") return;
  const k = props.concepts.findIndex(([name]) => name === hand), canvas = $(".histogram"), { counts, edges, duals, leans } = facts[kind];
  const width = canvas.clientWidth || 600, height = 230, scale = window.devicePixelRatio || 1, style = getComputedStyle(root), low = 26, high = 26;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d"), [without, having] = counts[k], shares = [without, having].map((row) => { const all = row.reduce((s, n) => s + n, 0); return row.map((n) => n / all); });
  const here = current.code.reduce((sum, z, i) => sum + z * duals[k][i], 0), there = props.concepts.reduce((sum, [name], j) => sum + strengths[name] * leans[j][k], here);
  const from = Math.min(edges[k][0], here, there), to = Math.max(edges[k][1], here, there), X = (v) => 12 + ((v - from) / (to - from)) * (width - 24), most = Math.max(...shares.flat());
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.font = "13px system-ui, sans-serif";
  const step = (edges[k][1] - edges[k][0]) / without.length, colors = [style.getPropertyValue("--no"), style.getPropertyValue("--yes")];
  shares.forEach((row, side) => {
    pen.fillStyle = colors[side];
    pen.globalAlpha = 0.5;
    row.forEach((share, i) => { const tall = (share / most) * (height - low - high); pen.fillRect(X(edges[k][0] + i * step), height - low - tall, X(step) - X(0), tall); });
  });
  pen.globalAlpha = 1;
  pen.fillStyle = colors[0]; pen.textAlign = "left"; pen.fillText(`not: ${TITLES[hand]}`, 12, 14);
  pen.fillStyle = colors[1]; pen.textAlign = "right"; pen.fillText(TITLES[hand], width - 12, 14);
  const ink = style.color;
  for (const [v, text, dash] of [[here, "the face", []], [there, "the edit", [5, 4]]]) {
    if (v === there && Math.abs(X(there) - X(here)) < 3 && dash.length) continue;
    Object.assign(pen, { strokeStyle: ink, lineWidth: 2.5 });
    pen.setLineDash(dash);
    pen.beginPath(); pen.moveTo(X(v), 20); pen.lineTo(X(v), height - low); pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = ink;
    pen.textAlign = X(v) < 60 ? "left" : X(v) > width - 60 ? "right" : "center";
    pen.fillText(text, X(v), height - (dash.length ? 0 : 12) - 1);
  }
  const beyond = (row) => row.reduce((sum, n, i) => sum + (edges[k][0] + (i + 0.5) * step < there ? n : 0), 0) / row.reduce((s, n) => s + n, 0);
  write($(".place"), `Projection on the ${kind} vector of ${TITLES[hand]}: the face ${fixed(here)}, the edit ${fixed(there)}. ${F.percent(beyond(without))} of the training faces without it and ${F.percent(beyond(having))} of those with it stand further left than the edit.`);
  root.dataset.projection = here.toFixed(3);
}

// --- a vector of one's own ---
function words() {
  write($(".rule"), `Mark at least two faces that show it (✓) and two that do not (✗): ${TITLES[hand]}. Your vector is the difference of their means.`);
}
function paintOwn() {
  if (view !== "own") return;
  const shown = mine?.concept === hand ? mine : null;
  $(".rows").hidden = $(".curve").hidden = !shown;
  if (!shown) return write($(".verdict"), "");
  [".mine", ".full"].forEach((name, r) => {
    const canvas = $(name), pen = canvas.getContext("2d");
    canvas.width = 9 * 128;
    canvas.height = 128;
    pen.imageSmoothingQuality = "high";
    for (let i = 0; i < 9; i++) pen.drawImage(shown.pictures[9 * r + i], i * 128, 0, 128, 128);
  });
  const style = getComputedStyle(root), colors = { ink: style.color, soft: style.getPropertyValue("--soft"), line: style.getPropertyValue("--line"), paper: getComputedStyle(document.body).backgroundColor };
  const growing = new Map(shown.growing), sizes = [...new Set([...shown.sizes, ...growing.keys()])].sort((a, b) => a - b), between = (n) => { // the reference is drawn straight between its sizes
    const i = Math.max(0, shown.sizes.findLastIndex((s) => s <= n)), [a, b] = [i, Math.min(i + 1, shown.sizes.length - 1)], t = a === b ? 0 : Math.log(n / shown.sizes[a]) / Math.log(shown.sizes[b] / shown.sizes[a]);
    return shown.reference[a] * (1 - t) + shown.reference[b] * t;
  };
  const last = [...growing].at(-1);
  $(".curve").innerHTML = F.plot({ width: 700, height: 220, xs: sizes.map((n) => Math.log2(n)), ticks: shown.sizes.map((n) => [Math.log2(n), n]), title: "labels (area under the ROC curve upwards; 50 % is chance)",
    series: [{ values: sizes.map(between), color: style.getPropertyValue("--hand") }, { values: sizes.map(() => shown.area_full), color: colors.soft, width: 1.5 }],
    marker: { at: Math.log2(last[0]), dots: [{ y: last[1], color: style.getPropertyValue("--no") }] }, colors });
  write($(".verdict"), `${shown.labels} labels of yours: area ${(100 * shown.area).toFixed(0)} % among ${shown.tested.toLocaleString("en")} other invented faces; the vector from all labels: ${(100 * shown.area_full).toFixed(0)} % (the straight line). The curve: what so many labels give on average; the dot: yours. Cosine between both vectors: ${fixed(shown.cosine)}. Both rows are drawn with equally long vectors.`);
}

// --- drawing, at most once a frame ---
const painters = { photo: paintPhoto, row: paintRow, edit: paintEdit, bars: paintBars, histogram: paintHistogram, own: paintOwn };
function later(what) {
  dirty[what] = true;
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    const due = dirty;
    dirty = {};
    for (const name of Object.keys(painters)) if (due[name]) painters[name]();
    root.dataset.painted = Number(root.dataset.painted) + 1;
  });
}

// --- the buttons ---
const VIEWS = [["moved", "What else moved?"], ["stands", "Where the face stands"], ["own", "Make your own vector"]];
function turn(name) {
  view = name;
  root.dataset.view = name;
  F.set("smile", "view", name);
  for (const [value] of VIEWS) $(`section.${value}`).hidden = value !== name;
  for (const button of $(".tabs").children) button.setAttribute("aria-selected", String(button.value === name));
  aim(name === "own" ? "yes" : "take");
  showPhoto();
  for (const what of ["bars", "histogram", "own"]) later(what);
  if (name === "own") askOwn();
}
const fill = (box, entries, role, click) => box.replaceChildren(...entries.map(([value, text]) => { const made = make("button", { type: "button", value, textContent: text, onclick: () => click(value) }); made.setAttribute("role", role); return made; }));
fill($(".tabs"), VIEWS, "tab", turn);
fill($(".marks"), [["yes", "✓ shows it"], ["no", "✗ does not"], ["take", "take the face"]], "radio", aim);
$(".reset").onclick = () => { for (const name of Object.keys(strengths)) { strengths[name] = 0; F.set("smile", name, ""); } settle(); if (!frame()) askEdit(); askStrip(hand); later("edit"); };
function save(pictures, name) {
  const canvas = make("canvas", { width: pictures.length * 256, height: 256 });
  pictures.forEach((picture, i) => { const one = make("canvas"); show(one, picture); canvas.getContext("2d").drawImage(one, i * 256, 0); });
  canvas.toBlob((blob) => F.save(blob, name));
}
$(".save").onclick = () => current && save([current.picture ?? current.reconstruction, current.reconstruction, edited.picture], "smile.png");
$(".save-row").onclick = () => { const strip = strips.get(keyOf(hand)); if (strip) save(Array.from({ length: 9 }, (_, i) => strip.pictures[4 * i]), `${hand}.png`); };

// --- what the server says ---
const heard = {
  async faces({ x, report }) {
    sheet = { ...report, pictures: (await cut(x, 6)).slice(0, report.faces.length) };
    root.dataset.sheet = `${report.source}:${report.seed}`;
    marks.clear();
    mine = null;
    const kept = (asked("marks") ?? "").split(",").map(Number).filter((n) => n && Math.abs(n) <= sheet.faces.length);
    if (F.opened.get("marks")) { F.opened.delete("marks"); kept.forEach((n) => marks.set(Math.abs(n) - 1, n > 0 ? "yes" : "no")); }
    paintFaces();
    if (!face) { face = asked("face") || sheet.faces[0]; showPhoto(); open(); }
    later("own");
  },
  async edit({ x, report }) {
    const fresh = "photo" in report, pictures = await cut(x, fresh ? 3 : 2);
    if (!photo && report.face !== face) return;
    if (fresh) { current = { ...report, picture: pictures[0] }; strips.clear(); mine = null; }
    current.before = report.before;
    current.reconstruction = pictures.at(-2);
    if (fresh) show($(".x"), current.picture);
    show($(".reconstruction"), current.reconstruction);
    if (JSON.stringify(report.strengths) === JSON.stringify(named()) && report.vectors === kind) edited = { picture: pictures.at(-1), p: report.after };
    root.dataset.face = photo ? "photo" : face;
    root.dataset.found = (report.found ?? []).length;
    askStrip(hand);
    for (const what of ["photo", "edit", "histogram"]) later(what);
    if (sheet) markFaces();
    askOwn();
  },
  async strip({ x, report }) {
    const pictures = await cut(x, report.at.length), key = waiting;
    waiting = "";
    if (key !== JSON.stringify([face, current?.code?.slice(0, 4), report.vectors, report.concept, report.strengths])) return askStrip(hand);
    strips.set(key, { pictures, p: report.p });
    for (const what of ["row", "edit"]) later(what);
    if (wished) { const next = wished; wished = ""; askStrip(next); }
  },
  async own({ x, report }) { mine = { ...report, pictures: await cut(x, 9) }; root.dataset.area = report.area; later("own"); },
  async facts({ report }) { facts = report; for (const what of ["bars", "histogram"]) later(what); },
};
F.hear("smile", async ({ x, report, failed }) => {
  if (failed === "strip") waiting = wished = "";
  if (report) await heard[report.kind]({ x, report });
  if (report?.kind !== "strip" || !waiting) answered(report?.kind ?? failed);
});
F.hear("smile-kind", (name) => { if (name === kind) return; kind = name; if (current) { askEdit(); askStrip(hand); } later("histogram"); });
F.hear("smile-set", (wish) => {
  for (const name of Object.keys(strengths)) { strengths[name] = wish.strengths[name] ?? 0; F.set("smile", name, strengths[name] || ""); }
  kind = wish.naive ? "naive" : "balanced";
  photo = null;
  face = wish.face;
  F.set("smile", "face", face);
  hand = wish.concept;
  F.set("smile", "concept", hand);
  words();
  settle();
  turn(wish.view ?? "moved");
  open();
});
new MutationObserver(() => { for (const what of ["histogram", "own"]) later(what); }).observe(document.body, { attributes: true, attributeFilter: ["class"] }); // light or dark
new ResizeObserver(() => later("histogram")).observe($(".views"));
for (const [name] of props.concepts) { const old = Number(asked(name)); if (Math.abs(old) <= END) strengths[name] = Math.round(old * 8) / 8 || 0; }
if (asked("vectors") === "naive") kind = "naive";
if (asked("concept") in strengths) hand = asked("concept");
settle();
words();
turn(VIEWS.some(([name]) => name === asked("view")) ? asked("view") : "moved");
// the first work is asked for when the tab is first opened (on a phone the figure lies below the controls)
new IntersectionObserver((entries, watcher) => { if (entries.some((e) => e.isIntersecting)) { watcher.disconnect(); ask("faces"); ask("facts"); } }, { rootMargin: "3000px" }).observe(root.parentElement);
