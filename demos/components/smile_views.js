// The three views under the sliders: what else moved, where the face stands, a vector of one's own.
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
  const width = canvas.clientWidth || 600, height = 230, style = getComputedStyle(root), low = 26, high = 26;
  const pen = F.pen(canvas, width, height), [without, having] = counts[k], shares = [without, having].map((row) => { const all = row.reduce((s, n) => s + n, 0); return row.map((n) => n / all); });
  const here = current.code.reduce((sum, z, i) => sum + z * duals[k][i], 0), there = props.concepts.reduce((sum, [name], j) => sum + strengths[name] * leans[j][k], here);
  const from = Math.min(edges[k][0], here, there), to = Math.max(edges[k][1], here, there), X = (v) => 12 + ((v - from) / (to - from)) * (width - 24), most = Math.max(...shares.flat());
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
  const growing = new Map(shown.growing), sizes = [...new Set([...shown.sizes, ...growing.keys()])].sort((a, b) => a - b), between = (n) => { // the reference is drawn straight between its sizes
    const i = Math.max(0, shown.sizes.findLastIndex((s) => s <= n)), [a, b] = [i, Math.min(i + 1, shown.sizes.length - 1)], t = a === b ? 0 : Math.log(n / shown.sizes[a]) / Math.log(shown.sizes[b] / shown.sizes[a]);
    return shown.reference[a] * (1 - t) + shown.reference[b] * t;
  };
  const last = [...growing].at(-1);
  $(".curve").innerHTML = F.plot({ width: Math.min(700, $(".own").clientWidth || 700), height: 220, xs: sizes.map((n) => Math.log2(n)), ticks: shown.sizes.map((n) => [Math.log2(n), n]), title: "labels (area under the ROC curve upwards; 50 % is chance)",
    series: [{ values: sizes.map(between), color: "var(--hand)" }, { values: sizes.map(() => shown.area_full), color: "var(--soft)", width: 1.5 }],
    marker: { at: Math.log2(last[0]), dots: [{ y: last[1], color: "var(--no)" }] } });
  write($(".verdict"), `${shown.labels} labels of yours: area ${(100 * shown.area).toFixed(0)} % among ${shown.tested.toLocaleString("en")} other invented faces; the vector from all labels: ${(100 * shown.area_full).toFixed(0)} % (the straight line). The curve: what so many labels give on average; the dot: yours. Cosine between both vectors: ${fixed(shown.cosine)}. Both rows are drawn with equally long vectors.`);
}
