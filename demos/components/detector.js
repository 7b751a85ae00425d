// A threshold over scores. value: {x, report}: a strip of scored pictures, and report.normal, report.strange, report.marks, report.yours.
// The scores come once; a drag of the threshold needs no server.
const $ = (selector) => element.querySelector(selector);
const root = $(".detector"), [histogram, roc] = [$(".histogram"), $(".roc")], F = window.FoolForge, TILE = 28, BLUE = "#3b6fe0", RED = "#d9480f";
let report = null, sheet = null, normal = [], strange = [], points = [], threshold = 0, span = [0, 1], pending = false, turn = 0, bins = null, wide = 640;
const make = (tag, more = {}) => Object.assign(document.createElement(tag), more);
const above = (sorted, v) => { let low = 0, high = sorted.length; while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] < v) low = middle + 1; else high = middle; } return (sorted.length - low) / sorted.length; };
const percent = (v) => `${(100 * v).toFixed(1)} %`;
const colors = () => { const style = getComputedStyle(root); return ["--ink", "--soft", "--line"].map((name) => { const probe = make("i"); probe.style.color = `var(${name})`; root.append(probe); const found = getComputedStyle(probe).color; probe.remove(); return found; }); };
const X = (v) => ((v - span[0]) / (span[1] - span[0])) * wide;

function draw() {
  pending = false;
  if (!report || !wide) return;
  const [ink, soft, line] = colors(), width = wide, height = Math.round(0.3 * wide) + 105, pen = F.pen(histogram, width, height), foot = height - 26;
  const most = Math.max(...bins.flat());
  bins.forEach((counts, i) => {
    pen.fillStyle = i ? RED : BLUE;
    pen.globalAlpha = 0.55;
    counts.forEach((n, k) => pen.fillRect((k * width) / counts.length, foot - (n / most) * (foot - 8), width / counts.length + 0.5, (n / most) * (foot - 8)));
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = line;
  pen.beginPath(); pen.moveTo(0, foot); pen.lineTo(width, foot); pen.stroke();
  pen.fillStyle = soft;
  pen.font = "15px system-ui, sans-serif";
  for (const share of [0.02, 0.25, 0.5, 0.75, 0.98]) { pen.textAlign = share < 0.1 ? "left" : share > 0.9 ? "right" : "center"; pen.fillText(Math.round(span[0] + share * (span[1] - span[0])), share * width, height - 6); }
  for (const [v, thick, color] of [[report.yours, 2, soft], [threshold, 4, ink]]) { pen.beginPath(); pen.moveTo(X(v), 0); pen.lineTo(X(v), foot); pen.lineWidth = thick; pen.strokeStyle = color; pen.stroke(); }
  pen.fillStyle = ink;
  pen.textAlign = X(threshold) > width * 0.75 ? "right" : "left";
  pen.fillText(`threshold ${threshold.toFixed(1)}`, X(threshold) + (X(threshold) > width * 0.75 ? -8 : 8), 18);
  const [falseRate, trueRate] = [above(normal, threshold), above(strange, threshold)], side = roc.width, pad = 30, R = (f, t) => [pad + f * (side - pad - 8), side - pad - t * (side - pad - 8)];
  const p = roc.getContext("2d");
  p.clearRect(0, 0, side, side);
  p.strokeStyle = line;
  p.strokeRect(...R(0, 1), side - pad - 8, side - pad - 8);
  p.beginPath(); p.moveTo(...R(0, 0)); p.lineTo(...R(1, 1)); p.stroke();
  p.strokeStyle = BLUE;
  p.lineWidth = 3;
  p.beginPath();
  for (const [f, t] of points) p.lineTo(...R(f, t));
  p.stroke();
  p.lineWidth = 1;
  p.beginPath(); p.arc(...R(falseRate, trueRate), 8, 0, 7); p.fillStyle = RED; p.fill();
  p.fillStyle = soft;
  p.font = "14px system-ui, sans-serif";
  p.textAlign = "center";
  p.fillText("false alarms", side / 2, side - 8);
  p.save(); p.translate(16, side / 2); p.rotate(-Math.PI / 2); p.fillText("strangers found", 0, 0); p.restore();
  const [own, other] = report.kind === "mnist" ? ["digits", "pieces of clothing"] : ["pieces of clothing", "digits"];
  $(".told").textContent = `Flagged: ${percent(trueRate)} of 2,000 ${other} (red; they should be) and ${percent(falseRate)} of 2,000 ${own} (blue; false alarms). Your picture scores ${report.yours.toFixed(1)}: ${report.yours >= threshold ? "flagged as a stranger" : "taken for one of its own"}.`;
  for (const figure of $(".marks").children) figure.classList.toggle("flagged", Number(figure.dataset.score) >= threshold);
  for (const [name, v] of [["now", threshold.toFixed(1)], ["min", span[0]], ["max", span[1]]]) histogram.setAttribute(`aria-value${name}`, v);
  root.dataset.false = falseRate;
  root.dataset.true = trueRate;
  root.dataset.painted = Number(root.dataset.painted) + 1;
}
const later = () => { if (!pending) { pending = true; requestAnimationFrame(draw); } };
function move(v) { threshold = Math.min(Math.max(v, span[0]), span[1]); later(); }
async function receive() {
  const value = props.value;
  if (!value?.report) return;
  const mine = ++turn, image = await F.picture(value.x);
  if (mine !== turn) return;
  const same = report && report.model === value.report.model && report.score === value.report.score;
  [sheet, report] = [image, value.report];
  normal = Float64Array.from(report.normal).sort();
  strange = Float64Array.from(report.strange).sort();
  const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  span = [Math.min(normal[0], strange[0]), Math.max(at(normal, 0.999), at(strange, 0.99))].map(Math.round);
  bins = [normal, strange].map((sorted) => { const counts = Array(80).fill(0); for (const v of sorted) { const k = Math.floor(((v - span[0]) / (span[1] - span[0])) * 80); if (k >= 0 && k < 80) counts[k]++; } return counts; });
  const every = [...new Set([...normal, ...strange])].sort((a, b) => b - a);
  points = [[0, 0], ...every.map((v) => [above(normal, v), above(strange, v)])];
  if (!same) threshold = at(normal, 0.95);
  $(".area").textContent = `area ${report.area.toFixed(4)} (${report.title})`;
  const marks = [...report.marks.map((mark, i) => ({ ...mark, i })), { title: "yours", score: report.yours, i: report.marks.length }].sort((a, b) => b.score - a.score);
  $(".marks").replaceChildren(...marks.map(({ title, score, i }) => {
    const figure = make("figure", { title: `${title}: ${score}`, className: i === report.marks.length ? "yours" : "" }), canvas = make("canvas", { width: TILE, height: TILE });
    figure.dataset.score = score;
    canvas.getContext("2d").drawImage(sheet, i * TILE, 0, TILE, TILE, 0, 0, TILE, TILE);
    figure.append(canvas, i === report.marks.length ? "yours" : score.toFixed(0));
    return figure;
  }));
  root.dataset.state = "ready";
  later();
}
const where = (event) => { const box = histogram.getBoundingClientRect(); return span[0] + ((event.clientX - box.left) / box.width) * (span[1] - span[0]); };
histogram.addEventListener("pointerdown", (event) => { histogram.setPointerCapture(event.pointerId); move(where(event)); });
histogram.addEventListener("pointermove", (event) => { if (event.buttons) move(where(event)); });
histogram.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  if (way) { event.preventDefault(); move(threshold + (way * (span[1] - span[0])) / 100); }
});
F.hear("theme", later);
new ResizeObserver(([entry]) => { wide = Math.round(entry.contentRect.width); later(); }).observe(histogram.parentElement);
watch("value", receive);
receive();
