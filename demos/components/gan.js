// Samples of a generator and the ways between them. props.runs: [[name, title]]. What the server gives comes as
// FoolForge.tell("gan", {x, files, report}); report.kind is "sample", "points", "found", "between", "corners", "sums", "training" or "bubble".
// What is asked stands in FoolForge.gan, by the names of the endpoints' parameters, when an event of the same name is triggered.
const $ = (selector) => element.querySelector(selector), all = (selector) => [...element.querySelectorAll(selector)];
const root = $(".gan"), F = window.FoolForge, LETTERS = ["A", "B", "C", "D"], SETS = ["first", "minus", "plus"], BINS = 96;
const asked = (key) => (F.opened.get("tab") === "gan" ? F.opened.get(key) : null);
const make = (tag, more = {}) => Object.assign(document.createElement(tag), more);
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const FIRST = ["0:31", "0:15", "0:18", "0:4"]; // four digits that differ
const NAME = /^\d{1,10}:\d{1,2}$/;
const pins = Object.fromEntries(LETTERS.map((letter, i) => { const old = asked(letter.toLowerCase()); return [letter, old === "-" ? "" : NAME.test(old ?? "") ? old : FIRST[i]]; }));
const sets = Object.fromEntries(SETS.map((name, i) => { const old = (asked(name) ?? "").split(",").filter((p) => NAME.test(p)); return [name, old.length ? old.slice(0, 10) : [`0:${i}`]]; }));
const tiles = new Map(); // what a point looks like under this model and truncation: point -> {canvas, score, norm}
let model = "", truncation = 0, size = [1, 28, 28], target = "A", view = "between", sample = null, way = null, grid = null, sum = null, run = null, bubble = null, found = null;
let last = "", playing = 0, drag = null, held = null;
F.gan = { way: asked("way") === "slerp" ? "slerp" : asked("way") === "lerp" ? "lerp" : "slerp", n: 7, run: props.runs[0][0] };

// --- pictures from the server ---
function cut(image, index, columns, [, height, width]) {
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").drawImage(image, (index % columns) * width, Math.floor(index / columns) * height, width, height, 0, 0, width, height);
  return canvas;
}
function show(canvas, source) {
  if (canvas.width !== source.width || canvas.height !== source.height) { canvas.width = source.width; canvas.height = source.height; }
  canvas.getContext("2d").drawImage(source, 0, 0);
}
const copyOf = (point) => { const canvas = make("canvas", { width: size[2], height: size[1] }), tile = tiles.get(point); if (tile) show(canvas, tile.canvas); return canvas; };
const remember = (image, columns, report) => report.points.forEach((point, i) => tiles.set(point, { canvas: cut(image, i, columns, report.size), score: report.scores?.[i], norm: report.norms?.[i] }));
function current(report) { // another model or truncation: what was seen of the points is no longer true
  if (report.model === model && report.truncation === truncation) return;
  tiles.clear();
  found = null;
  Object.assign(F.gan, { at: "" });
  [model, truncation, size] = [report.model, report.truncation, report.size];
  root.dataset.model = model;
}
const score = (p) => (p === undefined ? "" : p.toFixed(2));
const fixed = (v, digits = 2) => v.toFixed(digits).replace("-", "−");

// --- pinning: a click, a key, or a drag from one place to another ---
function pin(letter, point) {
  pins[letter] = point;
  F.set("gan", letter.toLowerCase(), point || "-");
  changed();
}
function put(point) { // a click on a sample
  if (SETS.includes(target)) {
    const chosen = sets[target], at = chosen.indexOf(point);
    if (at >= 0) chosen.splice(at, 1); else if (chosen.length < 10) chosen.push(point);
    F.set("gan", target, chosen.join(","));
    return changed();
  }
  pin(target, point);
  aim(LETTERS[(LETTERS.indexOf(target) + 1) % 4]);
}
function aim(name) {
  target = name;
  for (const button of $(".targets").children) button.setAttribute("aria-checked", String(button.value === name));
  for (const box of all(".box")) box.setAttribute("aria-checked", String(box.dataset.set === name));
}
function changed() { // pins or sets are others: show what is known, ask for the rest
  paintPins();
  markTiles();
  paintSets();
  askPoints();
  ask();
}
function draggable(node, what) { // what() gives {point} or {letter} and a canvas
  node.addEventListener("pointerdown", (event) => {
    const given = event.button ? null : what();
    if (!given) return;
    const begun = { ...given, x: event.clientX, y: event.clientY, id: event.pointerId, node, ghost: null, over: null };
    if (event.pointerType !== "touch" || !node.classList.contains("tile")) return void (drag = begun);
    release();
    held = { ...begun, timer: setTimeout(() => { held = null; drag = begun; lift(begun.x, begun.y); }, 350) }; // a finger that moves at once scrolls
  });
}
function release() { clearTimeout(held?.timer); held = null; }
function lift(x, y) {
  drag.ghost ??= root.appendChild(Object.assign(copyOf(drag.point), { className: "ghost" }));
  Object.assign(drag.ghost.style, { left: x + "px", top: y + "px" });
}
for (const box of [$(".samples"), $(".found")]) box.addEventListener("touchmove", (event) => { if (drag) event.preventDefault(); }, { passive: false });
const dropAt = (x, y) => document.elementFromPoint(x, y)?.closest?.(".gan .tile[data-point], .gan .pin, .gan .stage [data-corner]");
document.addEventListener("pointermove", (event) => {
  if (held && event.pointerId === held.id && Math.hypot(event.clientX - held.x, event.clientY - held.y) > 8) release();
  if (!drag || event.pointerId !== drag.id) return;
  if (!drag.ghost && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 6) return;
  lift(event.clientX, event.clientY);
  const over = dropAt(event.clientX, event.clientY);
  if (over !== drag.over) { drag.over?.classList.remove("over"); over?.classList.add("over"); drag.over = over; }
  event.preventDefault();
});
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, (event) => {
  if (held?.id === event.pointerId) release();
  if (!drag || event.pointerId !== drag.id) return;
  const { ghost, over, letter, point, node } = drag;
  drag = null;
  if (!ghost) return;
  ghost.remove();
  over?.classList.remove("over");
  node.dataset.dragged = "true"; // the click that follows is no click
  setTimeout(() => delete node.dataset.dragged, 0);
  if (!over || end === "pointercancel") return;
  const onto = over.dataset.corner ?? over.dataset.letter;
  if (onto && letter && onto !== letter) { const other = pins[onto]; pins[onto] = pins[letter]; F.set("gan", onto.toLowerCase(), pins[onto]); pin(letter, other); }
  else if (onto && !letter) pin(onto, point);
  else if (over.dataset.point && letter) pin(letter, over.dataset.point);
});

// --- the samples and the pins ---
function tile(point) {
  const button = make("button", { type: "button", className: "tile" }), known = tiles.get(point);
  button.dataset.point = point;
  button.append(copyOf(point), make("span", { textContent: score(known?.score) }));
  button.setAttribute("aria-label", `sample ${point}, D(x) = ${score(known?.score)}`);
  button.title = `sample ${point}\nD(x) = ${score(known?.score)}${known?.norm === undefined ? "" : `\n‖z‖ = ${known.norm.toFixed(2)}`}`;
  button.onclick = () => { if (!button.dataset.dragged) put(point); };
  button.addEventListener("keydown", (event) => {
    const letter = event.key.toUpperCase();
    if (LETTERS.includes(letter) && !event.ctrlKey && !event.metaKey) pin(letter, point);
  });
  draggable(button, () => ({ point }));
  return button;
}
function markTiles() {
  for (const node of all(".tile[data-point]")) {
    const letters = LETTERS.filter((letter) => pins[letter] === node.dataset.point).join("");
    if (letters) node.dataset.pin = letters; else delete node.dataset.pin;
  }
}
function paintSamples() {
  const box = $(".samples");
  box.dataset.large = String(size[1] > 32);
  box.replaceChildren(...sample.points.map(tile));
  F.oneStop(box);
  markTiles();
  const mean = sample.scores.reduce((sum, p) => sum + p, 0) / sample.scores.length, norms = sample.norms;
  write($(".told"), `Under each sample: D(x), the discriminator's probability that it is a real picture, ${mean.toFixed(2)} on average. ‖z‖ from ${Math.min(...norms).toFixed(1)} to ${Math.max(...norms).toFixed(1)}.`);
}
for (const letter of LETTERS) {
  const slot = make("div", { className: "pin" });
  slot.dataset.letter = letter;
  slot.tabIndex = 0;
  slot.append(make("canvas", { width: 28, height: 28 }), make("b", { textContent: letter }), make("span"));
  slot.onclick = () => aim(letter);
  slot.addEventListener("keydown", (event) => { if (event.key === "Enter") aim(letter); if (event.key === "Delete" || event.key === "Backspace") pin(letter, ""); });
  draggable(slot, () => pins[letter] && { letter, point: pins[letter] });
  $(".pins").append(slot);
}
for (const corner of all("[data-corner]")) draggable(corner, () => pins[corner.dataset.corner] && { letter: corner.dataset.corner, point: pins[corner.dataset.corner] });
function paintPins() {
  for (const slot of all(".pin")) {
    const point = pins[slot.dataset.letter], known = tiles.get(point);
    slot.dataset.empty = String(!known);
    if (known) show(slot.querySelector("canvas"), known.canvas);
    write(slot.querySelector("span"), !point ? "not\npinned" : known ? `${point}\nD = ${score(known.score)}` : point);
    slot.setAttribute("aria-label", `${slot.dataset.letter}: ${point ? `sample ${point}` : "not pinned"}`);
  }
}
function paintFound() {
  const box = $(".found");
  box.hidden = !found;
  if (!found) return;
  box.replaceChildren(make("div", { className: "caption", textContent: `The likeliest ${found.label} of ${found.n}, says ${found.judge}; a click pins one:` }), ...found.points.map((point, i) => {
    const made = tile(point);
    made.querySelector("span").textContent = F.percent(found.probabilities[i]);
    return made;
  }));
  F.oneStop(box);
  markTiles();
}

// --- what the server is asked: once for each state, and only for what is seen ---
function askPoints() {
  const missing = [...new Set([...Object.values(pins), ...Object.values(sets).flat()])].filter((point) => point && !tiles.has(point)).slice(0, 10), key = missing.join();
  if (!model || !missing.length || F.gan.at === key) return;
  Object.assign(F.gan, { at: key, points: missing });
  trigger("points");
}
function ask() {
  if (!model) return;
  const { A, B, C, D } = pins, state = {
    between: { start: A, end: B },
    corners: { a: A, b: B, c: C, d: D, way: F.gan.way, n: F.gan.n },
    sums: Object.fromEntries(SETS.map((name) => [name, [...sets[name]]])),
    training: { run: F.gan.run },
  }[view];
  const key = JSON.stringify([view, state, view === "training" ? [sample?.seed, sample?.points.length] : model, truncation]);
  if (key === last) return;
  last = key;
  Object.assign(F.gan, state);
  if (view === "sums" && SETS.some((name) => !sets[name].length)) return write($(".sums-note"), "Each box needs at least one sample.");
  root.dataset.state = "busy";
  trigger(view);
}
