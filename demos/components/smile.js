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
let kind = "balanced", waiting = "", wished = "", clicks = [], dwell = 0;
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
  const image = await F.picture(file);
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
  F.oneStop($(".faces"));
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
  clicks = [];
  try { photo = await F.picture(file); } catch { return open(); } // the server says what is wrong with it
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
  F.oneStop($(".row"));
  later("edit");
}
