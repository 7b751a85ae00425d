// The plane of a model with two latent dimensions. props.models: [[name, title, [epochs before the last]]]. What the server gives comes as
// FoolForge.tell("plane", {x, report, gif}); report.kind is "plane" (the atlas and the codes), "grid", "decode", "encode" or "walk".
// What is asked stands in FoolForge.plane = {model, z, n, reach, quantiles, start, end} when "ask", "exact", "grid" or "line" is triggered.
const $ = (selector) => element.querySelector(selector);
const root = $(".plane"), F = window.FoolForge, TILE = 28, FRAMES = 24, DOTS = 840;
const GREY = Uint32Array.from({ length: 256 }, (_, v) => 0xff000000 | (v * 0x010101));
const [map, codes, over, codes2, over2, digit] = ["map", "codes", "over", "codes2", "over2", "digit"].map((name) => $("canvas." + name));
const asked = (key) => (F.opened.get("tab") === "manifold" ? F.opened.get(key) : null);
const known = new Map(); // the planes that have come, by the model's name
let now = null, wanted = "", drawn = null, shownDigits = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
let at = [Number(asked("x") ?? 0.6), Number(asked("y") ?? -0.4)].map((v) => (Number.isFinite(v) ? v : 0)); // in sigma
let dirty = {}, pending = false, rest = null, exact = null, grid = null, line = null, walking = false, film = 0;
F.plane = { model: "", z: null };

// --- the two scales: places p from 0 to 1 across the square, u in sigma ---
const say = () => ({ n: Number($(".n").value), reach: Number($(".reach").value), quantiles: $(".quantiles").checked });
const erf = (x) => { const t = 1 / (1 + 0.3275911 * Math.abs(x)), y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x); return x < 0 ? -y : y; };
const share = (u) => 0.5 * (1 + erf(u / Math.SQRT2));
function quantile(p) { // Newton's method on the normal distribution's share
  p = Math.min(Math.max(p, 1e-5), 1 - 1e-5);
  let u = 4.91 * (Math.pow(p, 0.14) - Math.pow(1 - p, 0.14));
  for (let i = 0; i < 3; i++) u -= (share(u) - p) / (Math.exp(-u * u / 2) / Math.sqrt(2 * Math.PI) + 1e-12);
  return u;
}
function scales() {
  const { n, reach, quantiles } = say();
  if (quantiles) return { n, u: quantile, p: share };
  return { n, u: (p) => reach * ((2 * (p * n - 0.5)) / (n - 1) - 1), p: (u) => ((u / reach + 1) * (n - 1) / 2 + 0.5) / n };
}
const latent = ([x, y], plane = now) => [plane.centre[0] + plane.scale[0] * x, plane.centre[1] + plane.scale[1] * y];
const sigma = ([x, y], plane = now) => [(x - plane.centre[0]) / plane.scale[0], (y - plane.centre[1]) / plane.scale[1]];

// --- the atlas: bilinear between its four nearest tiles ---
async function pixelsOf(file) {
  const { data, width, height } = F.pixels(await F.picture(file)), grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = data[4 * i];
  return { grey, width, height };
}
function cut({ grey, width }, rows, columns) { // a sheet as tiles, one after the other
  const out = new Uint8Array(rows * columns * TILE * TILE);
  for (let r = 0, to = 0; r < rows; r++) for (let c = 0; c < columns; c++) for (let y = 0; y < TILE; y++, to += TILE) {
    const from = (r * TILE + y) * width + c * TILE;
    out.set(grey.subarray(from, from + TILE), to);
  }
  return out;
}
async function unpack(x, report) {
  const sheet = await pixelsOf(x), side = report.side, bytes = sheet.grey.subarray(side * TILE * sheet.width);
  const count = report.codes, points = new Float32Array(2 * count), labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    points[2 * i] = ((bytes[5 * i] * 256 + bytes[5 * i + 1]) / 65535) * 32 - 16;
    points[2 * i + 1] = ((bytes[5 * i + 2] * 256 + bytes[5 * i + 3]) / 65535) * 32 - 16;
    labels[i] = bytes[5 * i + 4];
  }
  return { ...report, tiles: cut(sheet, side, side), points, labels };
}
function place(u) { // the tile before u, and how far u is on the way to the next
  const { positions, side, bend, reach } = now;
  u = Math.min(Math.max(u, -reach), reach);
  const i = Math.min(Math.max(Math.floor((Math.asinh((u * Math.sinh(bend)) / reach) / bend + 1) / 2 * (side - 1)), 0), side - 2);
  return [i, Math.min(Math.max((u - positions[i]) / (positions[i + 1] - positions[i]), 0), 1)];
}
function blend([x, y], out, to = 0, stride = TILE) {
  const [c, fx] = place(x), [k, fy] = place(y), { side, tiles } = now, size = TILE * TILE, r = side - 2 - k; // rows run downwards
  const a = (r * side + c) * size, b = a + size, d = a + side * size, e = d + size;
  const wa = (1 - fx) * fy, wb = fx * fy, wd = (1 - fx) * (1 - fy), we = fx * (1 - fy);
  for (let i = 0, row = 0; row < TILE; row++, to += stride - TILE) for (let column = 0; column < TILE; column++, i++, to++) {
    out[to] = GREY[(wa * tiles[a + i] + wb * tiles[b + i] + wd * tiles[d + i] + we * tiles[e + i] + 0.5) | 0];
  }
}
const frame = new ImageData(TILE, TILE), words = new Uint32Array(frame.data.buffer);
function paintTile(canvas, tiles, index) {
  for (let i = 0; i < words.length; i++) words[i] = GREY[tiles[index * words.length + i]];
  canvas.getContext("2d").putImageData(frame, 0, 0);
}

// --- drawing, at most once a frame ---
let canvasOfMap = null;
function paintMap() {
  const s = scales(), side = s.n * TILE, { n, reach, quantiles } = say();
  if (map.width !== side) { map.width = map.height = side; canvasOfMap = null; }
  canvasOfMap ??= new ImageData(side, side);
  if (grid && grid.model === now.model && grid.n === n && grid.quantiles === quantiles && (quantiles || grid.reach === reach)) {
    canvasOfMap.data.set(new Uint8ClampedArray(grid.words.buffer));
    root.dataset.grid = "exact";
  } else {
    const out = new Uint32Array(canvasOfMap.data.buffer);
    for (let r = 0; r < n; r++) for (let c = 0; c < n; c++) blend([s.u((c + 0.5) / n), s.u(1 - (r + 0.5) / n)], out, r * TILE * side + c * TILE, side);
    root.dataset.grid = "atlas";
  }
  map.getContext("2d").putImageData(canvasOfMap, 0, 0);
}
function paintCodes() {
  const s = scales(), beside = root.dataset.view === "beside", canvas = beside ? codes2 : codes;
  if (canvas.width !== DOTS) canvas.width = canvas.height = DOTS;
  const pen = canvas.getContext("2d"), { points, labels } = now, over = root.dataset.view === "over";
  pen.clearRect(0, 0, DOTS, DOTS);
  pen.globalAlpha = over ? 0.75 : 0.9;
  for (const k of shownDigits) {
    pen.fillStyle = F.DIGITS[k];
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] === k) pen.fillRect(s.p(points[2 * i]) * DOTS - 1.5, (1 - s.p(points[2 * i + 1])) * DOTS - 1.5, 3, 3);
    }
  }
  map.style.opacity = root.dataset.view === "codes" ? 0 : over ? 0.62 : 1;
  codes.style.visibility = root.dataset.view === "over" || root.dataset.view === "codes" ? "visible" : "hidden";
}
function paintOver() {
  const s = scales(), beside = root.dataset.view === "beside";
  for (const canvas of beside ? [over, over2] : [over]) {
    if (canvas.width !== DOTS) canvas.width = canvas.height = DOTS;
    const pen = canvas.getContext("2d"), X = (u) => s.p(u) * DOTS, Y = (u) => (1 - s.p(u)) * DOTS;
    const dot = ([x, y], radius, color) => { pen.beginPath(); pen.arc(X(x), Y(y), radius, 0, 7); pen.fillStyle = color; pen.fill(); pen.lineWidth = 2.5; pen.strokeStyle = "#000"; pen.stroke(); };
    pen.clearRect(0, 0, DOTS, DOTS);
    if (drawn && drawn.model === now.model) {
      const mu = sigma(drawn.mu), spread = drawn.sigma.map((v, i) => v / now.scale[i]);
      for (const draw of drawn.samples) { const [x, y] = sigma(draw); pen.fillStyle = "#fff"; pen.globalAlpha = 0.8; pen.fillRect(X(x) - 2, Y(y) - 2, 4, 4); }
      pen.globalAlpha = 1;
      for (const [k, dark] of [[2, true], [2, false], [1, true], [1, false]]) {
        pen.beginPath();
        for (let i = 0; i <= 72; i++) pen.lineTo(X(mu[0] + k * spread[0] * Math.cos((i * Math.PI) / 36)), Y(mu[1] + k * spread[1] * Math.sin((i * Math.PI) / 36)));
        pen.lineWidth = dark ? 6 : 3;
        pen.strokeStyle = dark ? "#000" : "#fff";
        pen.stroke();
      }
      dot(mu, 3.5, "#fff");
    }
    if (line) {
      const ends = [line.a, line.b ?? line.a];
      for (const [thick, color] of [[7, "#000"], [3.5, "#fff"]]) { pen.beginPath(); pen.moveTo(X(ends[0][0]), Y(ends[0][1])); pen.lineTo(X(ends[1][0]), Y(ends[1][1])); pen.lineWidth = thick; pen.strokeStyle = color; pen.stroke(); }
      dot(ends[0], 9, "#fff");
      if (line.b) dot(ends[1], 9, "#ffb300");
    }
  }
}
const crosses = element.querySelectorAll(".cross");
let wide = 0; // of a stage: measured when it changes, since asking for it in a frame would cost a layout
function paintCross() { // an element of its own: a move repaints a few pixels instead of the whole square
  const s = scales();
  for (const cross of crosses) cross.style.transform = `translate(${s.p(at[0]) * wide}px, ${(1 - s.p(at[1])) * wide}px)`;
}
new ResizeObserver(([entry]) => { wide = entry.contentRect.width; later(); }).observe($(".stage.first"));
const write = (selector, text) => { const node = typeof selector === "string" ? $(selector) : selector; if (node.textContent !== text) node.textContent = text; };
const fixed = (v) => (Object.is(Math.round(v * 100), -0) ? 0 : v).toFixed(2).replace("-", "−");
function paintDigit() {
  const z = latent(at), same = exact && exact.model === now.model && exact.z.every((v, i) => Math.abs(v - z[i]) < 1e-9);
  blend(at, words);
  if (same) {
    let off = 0;
    for (let i = 0; i < words.length; i++) { off += Math.abs((words[i] & 255) - exact.tiles[i]); }
    paintTile(digit, exact.tiles, 0);
    write(".source", `decoded exactly by the server; the blend was off by ${(off / words.length).toFixed(1)} of 255 a pixel on average`);
  } else {
    digit.getContext("2d").putImageData(frame, 0, 0);
    write(".source", "blended from decoded digits nearby, in this frame");
  }
  root.dataset.exact = String(Boolean(same));
  write(".where", `z = (${fixed(z[0])}, ${fixed(z[1])})`);
}
function paintFrames() {
  if (!line) return;
  const strip = $(".steps");
  strip.hidden = false;
  if (strip.childElementCount !== 13) strip.replaceChildren(...Array.from({ length: 13 }, (_, i) => Object.assign(document.createElement("canvas"), { width: TILE, height: TILE, className: i ? "" : "film" })));
  if (!line.b) return;
  if (!line.exact) {
    line.tiles = new Uint8Array(FRAMES * words.length);
    for (let k = 0; k < FRAMES; k++) {
      const t = k / (FRAMES - 1);
      blend([0, 1].map((i) => (1 - t) * line.a[i] + t * line.b[i]), words);
      for (let i = 0; i < words.length; i++) line.tiles[k * words.length + i] = words[i] & 255;
    }
  }
  for (let i = 0; i < 12; i++) paintTile(strip.children[i + 1], line.tiles, Math.round((i * (FRAMES - 1)) / 11));
}
function play(time) {
  film = 0;
  if (!line?.b || !line.tiles || !root.isConnected) return;
  const step = Math.floor(time / 70) % (2 * FRAMES - 2);
  if (root.offsetParent) paintTile($(".steps .film"), line.tiles, step < FRAMES ? step : 2 * FRAMES - 2 - step);
  film = requestAnimationFrame(play);
}
function draw() {
  pending = false;
  if (!now) return;
  const what = dirty;
  dirty = {};
  if (what.map) paintMap();
  if (what.map || what.codes) paintCodes();
  if (what.map || what.line) paintFrames();
  if (what.map || what.codes || what.line || what.over) paintOver();
  paintCross();
  paintDigit();
  root.dataset.painted = Number(root.dataset.painted) + 1;
}
function later(what) {
  if (what) dirty[what] = true;
  root.dataset.exact = "false"; // until the frame is drawn
  if (pending) return;
  pending = true;
  requestAnimationFrame(draw);
}
