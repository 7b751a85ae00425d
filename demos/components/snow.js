// Denoising. value: {x, report}: a sheet with the levels of noise from left to right, the noisy picture in the first row and what each model makes
// of it below; report.errors: the squared errors against the clean picture. The slider needs no server.
const $ = (selector) => element.querySelector(selector);
const root = $(".snow"), slider = $("input"), F = window.FoolForge, TILE = 28, COLORS = ["#8a8f98", "#d9480f", "#3b6fe0", "#2f9e44"];
let sheet = null, report = null, pending = false, turn = 0;
const make = (tag, more = {}) => Object.assign(document.createElement(tag), more);

function plot() {
  const { soft, line } = F.INK;
  const width = Math.max($(".plot").clientWidth, 280), height = 220, left = 48, bottom = 40, top = 8, right = 12, { levels, errors } = report;
  const most = Math.max(...errors.flat()), X = (k) => left + (k / (levels.length - 1)) * (width - left - right), Y = (v) => height - bottom - (v / most) * (height - bottom - top);
  const text = (x, y, words, anchor) => `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${soft}" font-size="13">${words}</text>`, out = [];
  for (const share of [0, 0.5, 1]) out.push(`<line x1="${left}" x2="${width - right}" y1="${Y(share * most)}" y2="${Y(share * most)}" stroke="${line}"/>`, text(left - 6, Y(share * most) + 4, Math.round(share * most), "end"));
  for (let k = 0; k < levels.length; k += 5) out.push(text(X(k), height - bottom + 17, levels[k], "middle"));
  out.push(text((left + width) / 2, height - 5, "σ of the noise · squared error against the clean picture", "middle"));
  errors.forEach((row, i) => out.push(`<polyline fill="none" stroke="${COLORS[i]}" stroke-width="2.5" points="${row.map((v, k) => `${X(k).toFixed(1)},${Y(v).toFixed(1)}`).join(" ")}"/>`));
  out.push(`<line class="now" y1="${top}" y2="${height - bottom}" stroke="${soft}" stroke-width="1.5"/>`);
  $(".plot").innerHTML = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="squared error by noise">${out.join("")}</svg>`;
  root.dataset.left = left;
  root.dataset.span = width - left - right;
}
function draw() {
  pending = false;
  if (!report) return;
  const k = Number(slider.value), errors = report.errors.map((row) => row[k]);
  [...$(".row").children].forEach((figure, i) => {
    figure.firstChild.getContext("2d").drawImage(sheet, k * TILE, i * TILE, TILE, TILE, 0, 0, TILE, TILE);
    figure.querySelector("b").textContent = errors[i].toFixed(1);
  });
  $("output").textContent = report.levels[k].toFixed(2);
  const rule = $(".now"), x = Number(root.dataset.left) + (k / (report.levels.length - 1)) * Number(root.dataset.span);
  rule.setAttribute("x1", x);
  rule.setAttribute("x2", x);
  const best = errors.slice(1).reduce((b, v, i) => (v < errors[b + 1] ? i : b), 0) + 1;
  $(".told").textContent = errors[best] < errors[0] ? `${report.titles[best]} is nearest to the clean picture: it removes ${Math.round(100 * (1 - errors[best] / errors[0]))} % of the squared error.` : "Here the gate costs more than the noise: the noisy picture itself is nearest to the clean one.";
  root.dataset.painted = Number(root.dataset.painted) + 1;
}
const later = () => { if (!pending) { pending = true; requestAnimationFrame(draw); } };
async function receive() {
  const value = props.value;
  if (!value?.report) return;
  const mine = ++turn, image = await F.picture(value.x);
  if (mine !== turn) return;
  [sheet, report] = [image, value.report];
  $(".row").replaceChildren(...report.titles.map((title, i) => {
    const figure = make("figure"), caption = make("figcaption", { textContent: title }), canvas = make("canvas", { width: TILE, height: TILE });
    canvas.style.setProperty("--c", COLORS[i]);
    caption.append(make("b"));
    figure.append(canvas, caption);
    return figure;
  }));
  root.dataset.state = "ready";
  plot();
  draw();
}
slider.addEventListener("input", later);
new ResizeObserver(() => { if (report) { plot(); later(); } }).observe($(".plot"));
watch("value", receive);
receive();
