// Samples of a generator and the ways between them. props.runs: [[name, title]]. What the server gives comes as
// FoolForge.tell("gan", {x, files, report}); report.kind is "sample", "points", "found", "between", "corners", "sums", "training" or "bubble".
// What is asked stands in FoolForge.gan, by the names of the endpoints' parameters, when an event of the same name is triggered.
const $ = (selector) => element.querySelector(selector), all = (selector) => [...element.querySelectorAll(selector)];
const root = $(".gan"), F = window.FoolForge, LETTERS = ["A", "B", "C", "D"], SETS = ["first", "minus", "plus"], BINS = 96;
const asked = (key) => (F.opened.get("tab") === "gan" ? F.opened.get(key) : null);
const make = (tag, more = {}) => Object.assign(document.createElement(tag), more);
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const FIRST = ["0:17", "0:5", "0:18", "0:4"]; // four digits that differ
const NAME = /^\d{1,10}:\d{1,2}$/;
const pins = Object.fromEntries(LETTERS.map((letter, i) => { const old = asked(letter.toLowerCase()); return [letter, old === "-" ? "" : NAME.test(old ?? "") ? old : FIRST[i]]; }));
const sets = Object.fromEntries(SETS.map((name, i) => { const old = (asked(name) ?? "").split(",").filter((p) => NAME.test(p)); return [name, old.length ? old.slice(0, 10) : [`0:${i}`]]; }));
const tiles = new Map(); // what a point looks like under this model and truncation: point -> {canvas, score, norm}
let model = "", truncation = 0, size = [1, 28, 28], target = "A", view = "between", sample = null, way = null, grid = null, sum = null, run = null, bubble = null, found = null;
let last = "", pending = false, playing = 0, drag = null, held = null;
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

// --- from A to B ---
const T = $(".t");
function paintBetween() {
  if (!way) return;
  const k = Number(T.value), t = k / (way.frames - 1);
  all(".frame").forEach((canvas, row) => show(canvas, way.pictures[row * way.frames + k]));
  all(".between .numbers").forEach((node, row) => write(node, `‖z‖ = ${way.norms[row * way.frames + k].toFixed(2)}\nD(x) = ${score(way.scores[row * way.frames + k])}`));
  write(T.nextElementSibling, `t = ${t.toFixed(2)}`);
  $(".caret").style.transform = `translateX(${t * wide}px)`;
  root.dataset.t = k;
}
let wide = 0; // of the strips: measured when it changes, since asking for it in a frame would cost a layout
new ResizeObserver(([entry]) => { wide = entry.contentRect.width; later("strips"); later("bubble"); }).observe($(".strips"));
function paintStrips() {
  if (!way) return;
  const shown = wide < 420 ? 9 : 12, side = size[1];
  all(".strip").forEach((canvas, row) => {
    canvas.width = shown * side;
    canvas.height = side;
    const pen = canvas.getContext("2d");
    for (let i = 0; i < shown; i++) pen.drawImage(way.pictures[row * way.frames + Math.round((i * (way.frames - 1)) / (shown - 1))], i * side, 0);
  });
}
function pen(canvas, height, width = canvas.clientWidth || 400) {
  const drawn = F.pen(canvas, width, height), style = getComputedStyle(root);
  drawn.font = "13px system-ui, sans-serif";
  return { drawn, width, height, ink: style.color, paper: style.getPropertyValue("--body-background-fill"), lerp: style.getPropertyValue("--lerp"), slerp: style.getPropertyValue("--slerp") };
}
function line(drawn, points, color, thick, dash = []) {
  drawn.beginPath();
  points.forEach(([x, y], i) => (i ? drawn.lineTo(x, y) : drawn.moveTo(x, y)));
  Object.assign(drawn, { strokeStyle: color, lineWidth: thick, lineJoin: "round" });
  drawn.setLineDash(dash);
  drawn.stroke();
  drawn.setLineDash([]);
}
const lengths = (d) => { // |a|^2, |b|^2 and a . b of the first d coordinates
  let aa = 0, bb = 0, ab = 0;
  for (let i = 0; i < d; i++) { aa += way.a[i] ** 2; bb += way.b[i] ** 2; ab += way.a[i] * way.b[i]; }
  return { aa, bb, ab };
};
function normsAt({ aa, bb, ab }, t) { // of lerp and slerp
  const norm = (p, q) => Math.sqrt(Math.max(p * p * aa + 2 * p * q * ab + q * q * bb, 0)), angle = Math.acos(Math.min(Math.max(ab / Math.sqrt(aa * bb), -1), 1)), s = Math.sin(angle);
  return [norm(1 - t, t), s < 1e-4 ? norm(1 - t, t) : norm(Math.sin((1 - t) * angle) / s, Math.sin(t * angle) / s)];
}
let ways = null; // the two curves, until A, B or the number of dimensions is another
let ground = null; // the shell, its histogram and the axes: drawn anew only for another number of dimensions, width or theme
function paintGround(d, top, counts, most, { X, Y, low, high, right, edge }, { drawn, width, height, ink }) {
  drawn.fillStyle = ink;
  for (let i = 0; i < BINS; i++) { // the shell as a band behind the ways, and its histogram at the right
    const y = Y(((i + 1) / BINS) * top), tall = Y((i / BINS) * top) - y;
    drawn.globalAlpha = 0.2 * (counts[i] / most);
    drawn.fillRect(X(0), y, X(1) - X(0), tall + 0.4);
    drawn.globalAlpha = 0.5;
    drawn.fillRect(edge, y, (counts[i] / most) * (right - 6), Math.max(tall - 0.6, 0.6));
  }
  drawn.globalAlpha = 1;
  line(drawn, [[X(0), high], [X(0), Y(0)], [X(1), Y(0)]], ink, 1);
  drawn.textAlign = "right";
  for (const r of [0, Math.sqrt(d)]) { drawn.fillText(r ? `√${d}` : "0", X(0) - 6, Y(r) + 4); if (r) line(drawn, [[X(0), Y(r)], [edge + right - 6, Y(r)]], ink, 1, [3, 4]); }
  drawn.fillText(right < 90 ? "samples" : "10,000 samples", width - 1, height - 8);
  drawn.textAlign = "center";
  drawn.fillText("A", X(0), height - 8);
  drawn.fillText("t", X(0.5), height - 8);
  drawn.fillText("B", X(1) - 8, height - 8);
  drawn.save();
  drawn.translate(13, Y(0.25 * top));
  drawn.rotate(-Math.PI / 2);
  drawn.fillText("‖z‖", 0, 0);
  drawn.restore();
}
function paintBubble() {
  if (!way || !bubble || view !== "between" || !wide) return;
  const d = Number($(".dims").value), height = 210, width = wide, top = Math.sqrt(d) + 4, counts = bubble[d - 1], most = Math.max(...counts);
  const left = 52, right = Math.min(150, width * 0.28), low = 26, high = 10, edge = width - right;
  const X = (t) => left + t * (width - left - right - 14), Y = (r) => height - low - (r / top) * (height - low - high);
  if (ground?.d !== d || ground.width !== width || ground.scale !== window.devicePixelRatio) {
    ground = { d, width, scale: window.devicePixelRatio, canvas: make("canvas"), colors: pen($(".bubble"), height, width) };
    ground.pen = $(".bubble").getContext("2d");
    const back = pen(ground.canvas, height, width);
    paintGround(d, top, counts, most, { X, Y, low, high, right, edge }, back);
  }
  const { lerp, slerp } = ground.colors, drawn = ground.pen;
  drawn.save();
  drawn.setTransform(1, 0, 0, 1, 0, 0);
  drawn.clearRect(0, 0, ground.canvas.width, ground.canvas.height);
  drawn.drawImage(ground.canvas, 0, 0);
  drawn.restore();
  const parts = lengths(d);
  if (ways?.d !== d || ways.way !== way) ways = { d, way, at: Array.from({ length: 65 }, (_, i) => normsAt(parts, i / 64)) };
  const t = Number(T.value) / (way.frames - 1), here = normsAt(parts, t);
  [lerp, slerp].forEach((color, k) => {
    line(drawn, ways.at.map((pair, i) => [X(i / 64), Y(pair[k])]), color, 3);
    drawn.beginPath();
    drawn.arc(X(t), Y(here[k]), 6, 0, 7);
    Object.assign(drawn, { fillStyle: color, strokeStyle: "#fff", lineWidth: 2 });
    drawn.fill();
    drawn.stroke();
  });
  const share = [0, 1].map((k) => within(counts, top, here[k]));
  write($(".dims").nextElementSibling, `D = ${d}`);
  const angle = (Math.acos(parts.ab / Math.sqrt(parts.aa * parts.bb)) * 180) / Math.PI, rare = (p) => (p ? `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %` : "none");
  write($(".bubble-note"), `At t = ${t.toFixed(2)} the straight way is ${here[0].toFixed(2)} from the origin: of 10,000 samples, ${rare(share[0])} are as near or nearer. On the great circle: ${here[1].toFixed(2)}, ${rare(share[1])}. A and B stand ${angle.toFixed(0)}° apart.` +
    (d === way.dimensions ? "" : d > way.dimensions ? ` Here A and B have ${d} coordinates: the generator's ${way.dimensions}, and what the seed draws next.` : ` Here only the first ${d} of ${way.dimensions} coordinates count.`));
  root.dataset.dims = d;
}
function within(counts, top, r) { // the share of the samples whose norm is at most r
  const at = (r / top) * BINS, whole = Math.floor(at);
  let sum = 0;
  for (let i = 0; i < Math.min(whole, BINS); i++) sum += counts[i];
  return Math.min((sum + (whole < BINS ? (at - whole) * counts[whole] : 0)) / 10000, 1);
}
T.addEventListener("input", () => { stop(); F.set("gan", "t", T.value); later("between"); later("bubble"); });
$(".dims").addEventListener("input", () => { F.set("gan", "dims", $(".dims").value); later("bubble"); });
$(".own").onclick = () => { $(".dims").value = way?.dimensions ?? 100; F.set("gan", "dims", ""); later("bubble"); };
for (const strip of all(".strip")) for (const kind of ["pointerdown", "pointermove"]) strip.addEventListener(kind, (event) => {
  if (!way || (kind === "pointermove" && !event.buttons)) return;
  if (kind === "pointerdown") strip.setPointerCapture(event.pointerId);
  const box = strip.getBoundingClientRect();
  T.value = Math.round(((event.clientX - box.left) / box.width) * (way.frames - 1));
  T.dispatchEvent(new Event("input"));
});
function play(time) {
  if (!playing || !root.isConnected || view !== "between") return stop();
  const step = Math.floor(time / 60) % (2 * way.frames - 2), k = step < way.frames ? step : 2 * way.frames - 2 - step;
  if (Number(T.value) !== k) { T.value = k; paintBetween(); paintBubble(); }
  playing = requestAnimationFrame(play);
}
function stop() { cancelAnimationFrame(playing); playing = 0; $(".play").setAttribute("aria-pressed", "false"); write($(".play"), "Play"); }
$(".play").onclick = () => { if (playing || !way) return stop(); $(".play").setAttribute("aria-pressed", "true"); write($(".play"), "Pause"); playing = requestAnimationFrame(play); };

// --- four corners ---
function paintCorners() { if (grid) show($(".grid"), grid.image); }
function labelCorners() {
  write($(".corners .n").nextElementSibling, `${F.gan.n} × ${F.gan.n}`);
  for (const button of $(".ways").children) button.setAttribute("aria-checked", String(button.value === F.gan.way));
}
$(".corners .n").addEventListener("input", () => { F.gan.n = Number($(".corners .n").value); F.set("gan", "rows", F.gan.n); labelCorners(); ask(); });

// --- arithmetic ---
function paintSets() {
  for (const box of all(".box")) {
    const name = box.dataset.set, mean = box.querySelector(".mean");
    box.querySelectorAll(".tile").forEach((node) => node.remove());
    for (const point of sets[name]) {
      const made = make("button", { type: "button", className: "tile", title: `sample ${point}: click to take it out` });
      made.append(copyOf(point));
      made.onclick = (event) => { event.stopPropagation(); sets[name] = sets[name].filter((p) => p !== point); F.set("gan", name, sets[name].join(",")); aim(name); changed(); };
      box.insertBefore(made, mean);
    }
  }
}
SETS.forEach((name, i) => {
  const box = make("div", { className: "box", tabIndex: 0 });
  box.dataset.set = name;
  box.setAttribute("role", "radio");
  if (i) box.append(make("span", { className: "sign", textContent: i === 1 ? "−" : "+" }));
  box.append(make("canvas", { className: "mean", width: 28, height: 28 }), make("span", { className: "title", textContent: "their mean" }));
  box.onclick = () => aim(name);
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") aim(name); });
  $(".boxes").append(box);
});
function paintSums() {
  if (!sum) return;
  all(".box .mean").forEach((canvas, i) => show(canvas, sum.pictures[i]));
  show($(".answer"), sum.pictures[3]);
  $(".around").replaceChildren(...sum.pictures.slice(4));
  write($(".sums-note"), `D(x) of the result: ${score(sum.scores[3])}, ‖z‖ = ${sum.norms[3].toFixed(1)} off the bubble: the mean of k samples has a norm of about √(D/k). Beside it: eight points around it, each coordinate moved by up to 0.25.`);
}

// --- training ---
const epochOf = () => run.epochs[Number($(".epoch").value)];
function paintTraining() {
  if (!run || view !== "training") return;
  const k = Number($(".epoch").value), [, height] = run.size, rows = Math.ceil(run.n / 10), sheet = $(".sheet"), columns = 10 * run.size[2];
  sheet.width = columns;
  sheet.height = rows * height;
  sheet.getContext("2d").drawImage(run.image, 0, k * rows * height, columns, rows * height, 0, 0, columns, rows * height);
  write($(".epoch").nextElementSibling, `${epochOf()} of ${run.epochs.at(-1)}`);
  root.dataset.epoch = epochOf();
  paintClasses(run.classes[k]);
  paintLosses();
}
function paintClasses(shares) {
  const { drawn, width, height, ink, paper, lerp, slerp } = pen($(".classes"), 150), low = 20, step = width / 10;
  const most = Math.max(0.3, ...(shares ?? [])), Y = (p) => height - low - (p / most) * (height - low - 18);
  drawn.textAlign = "center";
  for (let c = 0; c < 10; c++) {
    const p = shares?.[c] ?? 0;
    drawn.fillStyle = p < 0.01 ? lerp : slerp;
    drawn.fillRect(c * step + 3, Y(p), step - 6, height - low - Y(p));
    drawn.fillStyle = ink;
    drawn.fillText(c, (c + 0.5) * step, height - 5);
  }
  line(drawn, [[0, Y(0.1)], [width, Y(0.1)]], ink, 1, [4, 4]);
  if (shares && step > 25) {
    Object.assign(drawn, { font: "11px system-ui, sans-serif", lineWidth: 4, strokeStyle: paper });
    for (const paint of ["strokeText", "fillText"]) shares.forEach((p, c) => drawn[paint]((100 * p).toFixed(0), (c + 0.5) * step, Y(p) - 3));
  }
  const lost = shares?.filter((p) => p < 0.01).length ?? 0;
  write($(".class-note"), shares ? `Per cent; the dashed line is 10 %, as in MNIST. ${lost ? `${lost} of 10 digits are drawn less than once in a hundred.` : "No digit is missing."}` : "Not measured yet: python -m training.evaluate");
}
function paintLosses() {
  const { drawn, width, height, ink, lerp, slerp } = pen($(".losses"), 190), { curve, epochs } = run, left = 42, right = 12, low = 32, high = 28;
  const last = epochs.at(-1), sorted = curve.flatMap((row) => [row.generator, row.discriminator]).sort((a, b) => a - b), most = Math.max(2, sorted[Math.floor(sorted.length * 0.985)] * 1.08);
  const X = (e) => left + (e / last) * (width - left - right), Y = (v) => height - low - (Math.min(v, most) / most) * (height - low - high);
  drawn.fillStyle = ink;
  drawn.textAlign = "right";
  for (let v = 0; v <= most; v += most > 8 ? 5 : most > 4 ? 2 : 1) { drawn.globalAlpha = 0.25; line(drawn, [[left, Y(v)], [width - right, Y(v)]], ink, 1); drawn.globalAlpha = 1; drawn.fillText(v, left - 6, Y(v) + 4); }
  drawn.textAlign = "center";
  for (const e of epochs.filter((e, i) => !i || X(e) - X(epochs[i - 1]) > 26)) drawn.fillText(e, X(e), height - 17);
  drawn.fillText("epoch", (left + width - right) / 2, height - 3);
  line(drawn, curve.map((row) => [X(row.epoch), Y(row.discriminator)]), lerp, 2.5);
  line(drawn, curve.map((row) => [X(row.epoch), Y(row.generator)]), slerp, 2.5);
  line(drawn, [[X(epochOf()), high], [X(epochOf()), Y(0)]], ink, 2);
  drawn.textAlign = "left";
  [["discriminator", lerp], [width < 420 ? "generator" : "generator, −log D(G(z))", slerp]].forEach(([text, color], i) => { drawn.fillStyle = color; drawn.fillRect(left + 10 + i * 120, 8, 14, 4); drawn.fillText(text, left + 29 + i * 120, 15); });
  const at = curve.reduce((best, row) => (Math.abs(row.epoch - epochOf()) < Math.abs(best.epoch - epochOf()) ? row : best));
  write($(".loss-note"), `Losses in nats at epoch ${epochOf()}: discriminator ${at.discriminator.toFixed(2)}, generator ${at.generator.toFixed(2)}. A discriminator that knows nothing has 2 log 2 = 1.39, the generator then log 2 = 0.69.` +
    (run.game === "minimax" ? " This generator was trained on log(1 − D(G(z))); the curve tells its −log D(G(z)), to compare." : ""));
}
$(".epoch").addEventListener("input", () => { F.set("gan", "epoch", epochOf()); later("training"); });

// --- drawing, at most once a frame ---
let dirty = {};
const painters = { between: paintBetween, strips: paintStrips, bubble: paintBubble, corners: paintCorners, sums: paintSums, training: paintTraining };
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
