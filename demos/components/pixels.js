// One picture under a one-pixel attack. value: {x, report}: the clean picture's file and report.phase "look" (a new picture), "attack"
// (a generation of differential evolution), "weak" (the heat map, whole or in part) or "try" (the visitor's own pixel). A click on the picture
// writes FoolForge.wish = {row, column, colour, count} and triggers "place".
const $ = (selector) => element.querySelector(selector);
const root = $(".pixels"), F = window.FoolForge, percent = F.percent;
const picture = $(".picture"), heat = $(".heat"), rings = $(".rings");
const COLORS = { clean: "#3b6fe0", won: "#d9480f" };
let x = null, source = "", look = null, run = null, tries = [], won = 0, weak = null, halted = false;

async function clean(file) {
  if (file.url === source && x) return;
  x = F.pixels(await F.picture(file));
  source = file.url;
}
const rgb = (colour) => (colour.length === 1 ? [colour[0], colour[0], colour[0]] : colour);

function paint(pixels) {
  const { width, height } = x, data = new ImageData(new Uint8ClampedArray(x.data), width, height);
  for (const [row, column, colour] of pixels) data.data.set([...rgb(colour), 255], 4 * (row * width + column));
  picture.width = width;
  picture.height = height;
  picture.classList.toggle("smooth", width > 100);
  picture.getContext("2d").putImageData(data, 0, 0);
  rings.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const size = width / 32;
  rings.innerHTML = pixels.map(([row, column]) => `<circle cx="${column + 0.5}" cy="${row + 0.5}" r="${1.9 * size}" fill="none" stroke="#fff" stroke-width="${0.55 * size}"/><circle cx="${column + 0.5}" cy="${row + 0.5}" r="${1.9 * size}" fill="none" stroke="#e8005c" stroke-width="${0.28 * size}"/>`).join("");
  const lens = $(".magnified");
  lens.replaceChildren(...pixels.slice(0, 5).map(([row, column, colour]) => {
    const figure = document.createElement("figure"), canvas = Object.assign(document.createElement("canvas"), { width: 9, height: 9 });
    canvas.getContext("2d").putImageData(data, 4 - column, 4 - row);
    figure.append(canvas, `${column}, ${row}: ${colour.join(" ")}`);
    return figure;
  }));
}
function says(top, target) {
  const [label, p] = top[0];
  $(".caption .label").textContent = label;
  $(".caption .p").textContent = percent(p);
  root.dataset.fooled = String(label !== look.class);
  const list = $(".top");
  list.replaceChildren(...top.map(([name, share], i) => {
    const row = document.createElement("li"), track = document.createElement("div"), bar = document.createElement("i");
    row.className = name === look.class ? "clean" : i === 0 || name === target ? "won" : "";
    bar.style.transform = `scaleX(${share})`;
    track.className = "track";
    track.append(bar);
    const texts = [name, percent(share)].map((text) => Object.assign(document.createElement("span"), { textContent: text }));
    row.append(texts[0], track, texts[1]);
    return row;
  }));
}
function score() {
  if (!tries.length) return void ($(".score").textContent = "");
  const best = Math.min(...tries), de = run ? `DE: ${run.evaluations.toLocaleString("en")} candidates${run.fooled ? ", fooled" : run.done ? ", the net holds" : ""}` : "DE has not run yet";
  $(".score").textContent = `You: ${tries.length} ${tries.length === 1 ? "try" : "tries"}, ${won ? "fooled" : `down to ${percent(best)}`} · ${de}`;
}
function curve(report) {
  const values = report ? report.curve : [], xs = values.map((_, i) => i), end = Math.max(report ? Math.min(report.generations, Math.max(10, values.length * 1.25)) : 10, 1);
  const box = $(".curve");
  box.innerHTML = F.plot({
    width: Math.max(box.clientWidth, 240), height: 190, xs: xs.length ? xs : [0], ticks: [0, 0.25, 0.5, 0.75, 1].map((s) => [Math.round(s * end), String(Math.round(s * end))]), until: end,
    series: values.length ? [{ values, color: report.target ? COLORS.won : COLORS.clean }] : [], title: report ? `generation · confidence of ${report.target ?? report.class}` : "no attack yet",
    marker: values.length ? { at: values.length - 1, dots: [{ y: values.at(-1), color: report.target ? COLORS.won : COLORS.clean }] } : null,
  });
}
function verdict(r) {
  const many = r.pixel_count === 1 ? "One pixel" : `${r.pixel_count} pixels`;
  if (r.fooled) return `${many} did it: ${r.class} became ${r.top[0][0]}, after ${r.evaluations.toLocaleString("en")} candidates.`;
  if (r.done) return `${r.population} × ${r.generations} generations, ${r.evaluations.toLocaleString("en")} candidates tried: the net holds.`;
  return `Searching: ${r.target ? `${r.target} is at` : `${r.class} is down to`} ${percent(r.confidence)} …`;
}
const hot = (v) => { const t = Math.max(0, Math.min(1, v)); return [255 * Math.min(1, 2.2 * t), 235 * Math.max(0, Math.min(1, 2.2 * t - 0.75)), 130 * Math.max(0, 1 - 2.4 * t), 255]; };
function heatMap() {
  const context = heat.getContext("2d");
  if (!weak) { heat.width = heat.height = 1; context.clearRect(0, 0, 1, 1); return; }
  const rows = weak.drop.length, columns = weak.drop[0].length, most = Math.max(0.05, ...weak.drop.flat().map((v) => v ?? 0));
  const data = new ImageData(columns, rows);
  weak.drop.forEach((line, r) => line.forEach((v, c) => data.data.set(v === null ? [0, 0, 0, 0] : hot(v / most), 4 * (r * columns + c))));
  heat.width = columns;
  heat.height = rows;
  context.putImageData(data, 0, 0);
  $(".verdict").textContent = weak.share < 1 ? `Looking everywhere: ${Math.round(100 * weak.share)} % of the places …`
    : `Weak pixels: at the brightest place one pixel takes ${percent(most)} of ${weak.class}'s ${percent(weak.confidence)}. ${weak.holes ? `At ${weak.holes} of ${rows * columns} places a corner colour fools the net.` : "No corner colour fools the net anywhere."}`;
}
async function receive() {
  const value = props.value;
  if (!value || !value.report) return;
  const r = value.report;
  if (r.phase === "weak") { weak = r; return heatMap(); }
  if (r.phase === "attack" && (halted || value.x.url !== source)) return; // a last frame on its way when the run was stopped
  if (r.phase === "look") await clean(value.x);
  if (r.phase === "look") {
    [look, run, tries, won, weak] = [r, null, [], 0, null];
    root.dataset.state = "ready";
    root.dataset.generation = -1;
    heatMap();
    paint([]);
    says(r.top);
    $(".verdict").textContent = r.label && r.label !== r.class ? `The net already gets this picture wrong: it is labelled ${r.label}. The attack can start from the net's own answer, ${r.class}: tick the box.` : `The net sees ${r.class}. Can one pixel change that?`;
    for (const name of ["generation", "evaluations", "seconds"]) $("." + name).textContent = "–";
    curve(null);
  } else if (r.phase === "attack") {
    run = r;
    weak = null;
    heatMap();
    paint(r.pixels);
    says(r.top, r.target);
    $(".verdict").textContent = verdict(r);
    $(".generation").textContent = `${r.generation} of ${r.generations}`;
    $(".evaluations").textContent = r.evaluations.toLocaleString("en");
    $(".seconds").textContent = r.seconds.toFixed(1);
    root.dataset.generation = r.generation;
    curve(r);
  } else if (r.phase === "try") {
    tries.push(r.confidence);
    won += r.fooled;
    paint([[r.row, r.column, r.colour]]);
    says(r.top);
    $(".verdict").textContent = r.fooled ? `You fooled it: ${r.top[0][0]}!` : `${look.class} is at ${percent(r.confidence)} with your pixel; it was ${percent(look.top[0][1])}.`;
  }
  $(".undo").hidden = r.phase !== "try" && r.phase !== "attack";
  score();
}
function colourAt(row, column) {
  if (weak && weak.share === 1) { // the map knows the worst corner colour of this place
    const near = (list, v) => list.reduce((best, at, i) => (Math.abs(at - v) < Math.abs(list[best] - v) ? i : best), 0);
    const r = near(weak.rows, row), c = near(weak.columns, column);
    return { row: weak.rows[r], column: weak.columns[c], colour: weak.colours[weak.colour[r][c]] };
  }
  const hex = $(".hand input").value;
  const colour = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return { row, column, colour: look.size[0] === 1 ? [Math.round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])] : colour };
}
$(".screen").addEventListener("click", (event) => {
  if (!x) return;
  const box = picture.getBoundingClientRect();
  const row = Math.min(x.height - 1, Math.floor(((event.clientY - box.top) / box.height) * x.height));
  const column = Math.min(x.width - 1, Math.floor(((event.clientX - box.left) / box.width) * x.width));
  F.wish = { ...colourAt(row, column), count: tries.length };
  trigger("place");
});
$(".undo").addEventListener("click", () => { paint([]); says(look.top); $(".undo").hidden = true; });
F.hear("busy", (what) => { if (what !== "one_pixel") return; halted = false; $(".verdict").textContent = "Starting: the first generation …"; });
F.hear("stopped", () => { halted = true; if (run && !run.done) $(".verdict").textContent = `Stopped after generation ${run.generation}, at ${percent(run.confidence)}: start again when you like.`; });
new ResizeObserver(() => { if (look) curve(run); }).observe($(".curve"));
watch("value", receive);
receive();
