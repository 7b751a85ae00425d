// KL(p || q) of two discrete distributions, in the browser: the sum that core.vae.kl_discrete computes.
const $ = (selector) => element.querySelector(selector);
const make = (tag, more = {}) => Object.assign(document.createElement(tag), more);
const digits = (v, n = 4) => (v === Infinity ? "∞" : v.toFixed(n).replace("-", "−"));

function read(name) { // numbers between commas or blanks; a sentence where they are no probabilities
  const parts = $("." + name).value.split(/[\s,;]+/).filter(Boolean), values = parts.map(Number);
  const odd = parts.find((_, i) => !Number.isFinite(values[i]) || values[i] < 0);
  if (!parts.length) throw `${name} is empty; give probabilities, such as 0.2, 0.8.`;
  if (odd !== undefined) throw `${name} holds “${odd.slice(0, 20)}”; give numbers from 0 to 1, separated by commas.`;
  const sum = values.reduce((a, b) => a + b, 0);
  if (Math.abs(sum - 1) > 1e-3) throw `${name} adds up to ${digits(sum, 3)}; probabilities add up to 1: change ${name}.`;
  return values;
}
function compute() {
  let p, q;
  try {
    [p, q] = [read("p"), read("q")];
    if (p.length !== q.length) throw `p has ${p.length} probabilities and q has ${q.length}; give as many of the one as of the other.`;
    if (p.length > 12) throw `That are ${p.length} probabilities; up to 12 fit here.`;
  } catch (sentence) {
    return void ($(".told").textContent = typeof sentence === "string" ? sentence : String(sentence));
  }
  const terms = p.map((v, i) => (v === 0 ? 0 : v * Math.log(v / q[i]))), kl = terms.reduce((a, b) => a + b, 0), most = Math.max(...p, ...q);
  $(".bars").replaceChildren(...p.map((v, i) => { const box = make("div"); for (const share of [v, q[i]]) { const bar = make("i"); bar.style.height = `${(100 * share) / most}%`; box.append(bar); } return box; }));
  const rows = [["p", p.map((v) => String(v))], ["q", q.map((v) => String(v))], ["p log(p / q)", terms.map((v) => digits(v))]];
  $("tbody").replaceChildren(...rows.map(([name, cells]) => { const row = make("tr"); row.append(make("th", { textContent: name }), ...cells.map((text) => make("td", { textContent: text }))); return row; }));
  $(".told").textContent = kl === Infinity ? "KL(p ‖ q) = ∞: p allows what q rules out." : `KL(p ‖ q) = ${digits(kl)} nats = ${digits(kl / Math.LN2)} bits`;
}
$(".p").addEventListener("input", compute);
$(".q").addEventListener("input", compute);
$(".swap").onclick = () => { [$(".p").value, $(".q").value] = [$(".q").value, $(".p").value]; compute(); };
$(".example").onclick = () => { $(".p").value = "0, 0, 0.2, 0.8, 0"; $(".q").value = "0.1, 0.1, 0.3, 0.4, 0.1"; compute(); };
compute();
