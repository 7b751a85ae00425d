// What an untrained net makes of N(0, I). value: {x, report}: the density in grey. A click draws a new seed: FoolForge.cloud, "another".
const $ = (selector) => element.querySelector(selector);
const root = $(".cloud"), input = $("input"), canvas = $("canvas"), F = window.FoolForge;
const HUES = Array.from({ length: 256 }, (_, v) => { const t = v / 255; return [5 + 250 * Math.min(1, 1.5 * t), 6 + 235 * Math.pow(t, 1.3), 26 + 175 * Math.sin(Math.PI * 0.8 * t)]; });
let asked = null;

function ask(seed) {
  if (!Number.isInteger(seed) || seed < 0 || seed > 4294967295) return void ($(".told").textContent = `The seed was ${input.value || "empty"}; give a whole number from 0 to 4294967295.`);
  input.value = seed;
  if (seed === asked) return;
  F.cloud = asked = seed;
  root.dataset.state = root.dataset.state === "empty" ? "empty" : "busy";
  F.set("autoencoders", "cloud", seed);
  trigger("another");
}
async function receive() {
  const value = props.value;
  if (!value?.report || value.report.seed !== asked) return;
  const image = await F.picture(value.x), pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0, 360, 360);
  const pixels = pen.getImageData(0, 0, 360, 360);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set(HUES[pixels.data[i]], i);
  pen.putImageData(pixels, 0, 0);
  const [left, right, bottom, top] = value.report.box.map((v) => v.toFixed(2).replace("-", "−"));
  $(".told").textContent = `${value.report.shown.toLocaleString("en")} of ${value.report.points.toLocaleString("en")} points, from ${left} to ${right} and from ${bottom} to ${top}`;
  root.dataset.state = "ready";
  root.dataset.seed = asked;
}
const again = () => ask((Number(input.value) + 1) % 4294967296);
$(".new").onclick = again;
canvas.onclick = again;
input.addEventListener("change", () => ask(input.value === "" ? NaN : Number(input.value)));
F.hear("idle", (what) => { if (what === "random_net" && root.dataset.state === "busy") root.dataset.state = "ready"; });
watch("value", receive);
const first = Number(F.opened.get("tab") === "autoencoders" ? F.opened.get("cloud") ?? 1 : 1);
// computed when it is first seen
new IntersectionObserver((entries, watcher) => { if (entries.some((e) => e.isIntersecting)) { watcher.disconnect(); ask(Number.isInteger(first) && first >= 0 && first < 4294967296 ? first : 1); } }).observe(root.parentElement);
