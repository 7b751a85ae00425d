// Goes on from gan.js: the four views of the pinned samples, and when they are drawn.
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
const painters = { between: paintBetween, strips: paintStrips, bubble: paintBubble, corners: paintCorners, sums: paintSums, training: paintTraining };
function later(what) { F.soon(root, what, () => painters); }

