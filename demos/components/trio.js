// Three models on the same picture. value: {x, codes, report}: a sheet with a row for each model (x, its reconstruction, samples from N(0, I),
// samples from the normal distribution fitted to its codes), the packed codes of the three, and the numbers.
const $ = (selector) => element.querySelector(selector);
const root = $(".trio"), F = window.FoolForge, TILE = 28;
let turn = 0;

function bytesOf(image) {
  const { data } = F.pixels(image);
  return Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
}
const make = (tag, more = {}) => Object.assign(document.createElement(tag), more);
function cutOut(sheet, row, columns, across = columns.length) {
  const canvas = make("canvas", { width: across * TILE, height: Math.ceil(columns.length / across) * TILE }), pen = canvas.getContext("2d");
  columns.forEach((c, i) => pen.drawImage(sheet, c * TILE, row * TILE, TILE, TILE, (i % across) * TILE, Math.floor(i / across) * TILE, TILE, TILE));
  return canvas;
}
function scatter(bytes, from, model) {
  const side = 480, canvas = make("canvas", { width: side, height: side, className: "codes" }), pen = canvas.getContext("2d"), reach = 3.4;
  const at = (hi, lo) => ((bytes[hi] * 256 + bytes[lo]) / 65535) * 32 - 16, X = (u) => (u / reach + 1) * (side / 2), Y = (u) => (1 - u / reach) * (side / 2);
  for (let i = 0; i < 10000; i++) {
    const o = from + 5 * i;
    pen.fillStyle = F.DIGITS[bytes[o + 4]];
    pen.fillRect(X(at(o, o + 1)) - 1, Y(at(o + 2, o + 3)) - 1, 2, 2);
  }
  const [u, v] = [0, 1].map((i) => (model.code[i] - model.centre[i]) / model.scale[i]);
  for (const [width, color] of [[8, "#000"], [4, "#fff"]]) { pen.beginPath(); pen.arc(X(u), Y(v), 12, 0, 7); pen.lineWidth = width; pen.strokeStyle = color; pen.stroke(); }
  for (const k of [1, 2]) { // the fitted normal distribution, at one and two sigma
    const [[a, b], [, d]] = model.covariance.slice(0, 2).map((row) => row.slice(0, 2)), l11 = Math.sqrt(a), l21 = b / l11, l22 = Math.sqrt(Math.max(d - l21 * l21, 0));
    pen.beginPath();
    for (let i = 0; i <= 72; i++) {
      const c = k * Math.cos((i * Math.PI) / 36), s = k * Math.sin((i * Math.PI) / 36);
      pen.lineTo(X((model.mean[0] + l11 * c - model.centre[0]) / model.scale[0]), Y((model.mean[1] + l21 * c + l22 * s - model.centre[1]) / model.scale[1]));
    }
    pen.lineWidth = 2.5;
    pen.strokeStyle = "#fff";
    pen.stroke();
  }
  return canvas;
}
function matrix(covariance) {
  if (covariance.length === 2) {
    const box = make("div", { className: "matrix" });
    box.style.gridTemplateColumns = "repeat(2, auto)";
    box.append(...covariance.flat().map((v) => make("span", { textContent: v.toFixed(2).replace("-", "−") })));
    return box;
  }
  const d = covariance.length, canvas = make("canvas", { width: d, height: d, className: "heat" }), data = new ImageData(d, d);
  const most = Math.max(...covariance.flat().map(Math.abs));
  covariance.flat().forEach((v, i) => { const t = Math.abs(v) / most; data.data.set(v > 0 ? [99, 102, 241, 255 * t] : [217, 72, 15, 255 * t], 4 * i); });
  canvas.getContext("2d").putImageData(data, 0, 0);
  canvas.title = `largest entry ${most.toFixed(2)}; blue: positive, red: negative`;
  return canvas;
}
const NAMES = { squared: "squared error", absolute: "absolute error", bernoulli: "Bernoulli, nats", negative_elbo: "−ELBO, nats" };
async function receive() {
  const value = props.value;
  if (!value?.report) return;
  const mine = ++turn, [sheet, codes] = await Promise.all([value.x, value.codes].map(F.picture));
  if (mine !== turn) return;
  const { models, samples, kind } = value.report, bytes = bytesOf(codes), block = bytes.length / models.length;
  $(".x").getContext("2d").drawImage(sheet, 0, 0, TILE, TILE, 0, 0, TILE, TILE);
  const range = (from) => Array.from({ length: samples }, (_, i) => from + i);
  const best = Object.fromEntries(Object.keys(NAMES).map((key) => [key, Math.min(...models.map((m) => m.errors[key] ?? Infinity))]));
  $(".models").replaceChildren(...models.map((model, row) => {
    const box = make("div", { className: "model" }), again = cutOut(sheet, row, [1]), table = make("table");
    again.className = "again";
    for (const [key, name] of Object.entries(NAMES)) {
      const line = make("tr"), v = model.errors[key];
      line.append(make("td", { textContent: name }), make("td", { textContent: v === undefined ? "–" : v.toFixed(1), className: v === best[key] && key !== "negative_elbo" ? "best" : "" }));
      table.append(line);
    }
    const [prior, fitted] = [2, 2 + samples].map((from) => { const c = cutOut(sheet, row, range(from), 5); c.className = "samples"; return c; });
    const d = model.code.length, first = d === 2 ? "" : `, the first two of ${d} numbers`;
    box.append(make("h4", { textContent: model.title }), again, make("p", { className: "note", textContent: model.epochs ? `trained for ${model.epochs} epochs` : "fitted in one step" }), table,
      make("p", { className: "note", textContent: `Codes of 10,000 test pictures${first}; ring: this picture; ellipses: the fitted normal distribution.` }), scatter(bytes, row * block, model),
      make("p", { className: "note", textContent: "Decoded from N(0, I):" }), prior,
      make("p", { className: "note", textContent: "Decoded from a normal distribution fitted to the codes, with this covariance:" }), matrix(model.covariance), fitted);
    return box;
  }));
  $(".given figcaption").textContent = `the picture, 784 pixels; each model keeps ${kind === "mnist" ? "2" : "16"} numbers of it`;
  root.dataset.state = "ready";
}
F.hear("busy", (what) => { if (what === "reconstruct" && root.dataset.state === "ready") root.dataset.state = "busy"; });
F.hear("idle", (what) => { if (what === "reconstruct" && root.dataset.state === "busy") root.dataset.state = "ready"; });
watch("value", receive);
receive();
// the first work is asked for when the tab is first seen
new IntersectionObserver((entries, watcher) => { if (entries.some((e) => e.isIntersecting)) { watcher.disconnect(); trigger("seen"); } }).observe(root.parentElement);
