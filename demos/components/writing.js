// Text in the making. Every written character carries the net's whole distribution, so that pointing at one, or dragging the temperature,
// needs no request. The page tells, as FoolForge events: write-go, write-aside, write-halt, write-info, write-expected, write-knobs.
const F = FoolForge, root = element.querySelector(".writing"), $ = (selector) => root.querySelector(selector);
const SHOWN = 15, WINDOW = 40, formats = {};
const reducedTo = (n, digits) => {
  const language = info?.rtl ? "fa" : "en";
  return (formats[language + digits] ??= new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits })).format(n);
};
let info = null, expected = null, knobs = { temperature: 0.8, method: "stochastic", k: 5, share: 0.9 };
let run = 0, keep = null, main = null, many = [], hover = null, held = null, pending = false, sent = 0, timer = null, charted = 0, later = null;
const word = (name, ...values) => (info?.words[name] ?? "").replaceAll("{}", () => values.shift() ?? "");
const percent = (p) => (p >= 0.9995 ? reducedTo(100, 0) : p >= 0.0995 ? reducedTo(100 * p, 0) : p >= 0.001 ? reducedTo(100 * p, 1) : p > 0 ? "< " + reducedTo(0.1, 1) : reducedTo(0, 0)) + (info?.rtl ? "٪" : " %");

// a sheet: the characters {char, costs (Uint16 per class) or null, p, h} and their spans in `box`
function sheet(box) {
  return { box, chars: [], spans: [], before: 0, lines: null, line: null, sums: [[0, 0]] };
}
function clear(s) {
  s.box.replaceChildren();
  s.lines = document.createElement("div");
  s.lines.className = info.rtl ? "verse" : "prose";
  s.lines.dir = info.rtl ? "rtl" : "ltr";
  s.box.append(s.lines);
  Object.assign(s, { chars: [], spans: [], before: 0, line: null, sums: [[0, 0]] });
}
// core.text.packed: a row of uint16 per character, filled up to 6 bytes
function decode(base64) {
  const V = info.vocabulary.length, stride = 6 * Math.ceil(V / 3), bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return Array.from({ length: bytes.length / stride }, (_, i) => new Uint16Array(bytes.buffer, i * stride, V));
}
const natural = (costs) => Array.from(costs, (c) => (-c / 65535) * info.nats); // log p
function measured(char, costs) {
  if (!costs) return { char, costs, p: null, h: null };
  const logs = natural(costs), total = logs.reduce((sum, l) => sum + Math.exp(l), 0);
  let h = 0;
  for (const l of logs) h -= (Math.exp(l) / total) * (l - Math.log(total));
  return { char, costs, p: Math.exp(logs[info.vocabulary.indexOf(char)]) / total, h: h / Math.LN2 };
}
function colour(p) {
  if (p === null) return "transparent";
  const t = Math.min(1, -Math.log2(p) / 6), mix = (a, b) => Math.round(a + (b - a) * t);
  return `rgba(${mix(59, 217)}, ${mix(111, 72)}, ${mix(224, 15)}, ${(0.3 + 0.7 * t).toFixed(2)})`;
}
function add(s, characters, prompt = false) {
  for (const c of characters) {
    if (!s.line) {
      s.line = Object.assign(document.createElement("div"), { className: "line" });
      s.lines.append(s.line);
    }
    const span = document.createElement("span"), newline = c.char === "\n";
    span.className = "ch" + (prompt ? " prompt" : "") + (newline ? " nl" : "");
    span.textContent = newline ? "↵" : c.char;
    if (!prompt) {
      span.style.setProperty("--c", colour(c.p));
      span.dataset.i = s.chars.length;
      s.chars.push(c);
      s.spans.push(span);
      const [bits, h] = s.sums.at(-1);
      s.sums.push([bits - (c.p === null ? 0 : Math.log2(c.p)), h + (c.h ?? 0)]);
    }
    s.line.append(span);
    if (newline) {
      s.line.classList.toggle("gap", info.rtl && s.line.childElementCount === 1 && s.lines.childElementCount > 1);
      s.line = null;
    }
  }
}
const written = (s) => s ? s.chars.map((c) => c.char).join("") : "";

function grow(s, piece) {
  const low = s.box.scrollHeight - s.box.scrollTop - s.box.clientHeight < 60;
  const fresh = decode(piece.costs).map((costs, i) => measured(piece.text[piece.done ? piece.from + i : i], costs));
  add(s, fresh);
  mark(s, piece);
  if (low && fresh.length && s === main) s.box.scrollTop = s.box.scrollHeight;
}
function mark(s, report) {
  const before = s.before;
  if (report.loop) {
    const [start, period] = report.loop;
    for (let i = before + start; i < s.spans.length; i++) {
      s.spans[i].classList.add("loop");
      s.spans[i].classList.toggle("even", Math.floor((i - before - start) / period) % 2 === 1);
    }
  } else if (s.looped) for (const span of s.spans) span.classList.remove("loop", "even");
  s.looped = Boolean(report.loop);
  if (report.done && report.copied?.low >= 4) for (let i = report.copied.start; i < report.copied.start + report.copied.low; i++) s.spans[i]?.classList.add("quote");
}
const length = ({ low, high }) => (low === high ? reducedTo(low, 0) : `${reducedTo(low, 0)} ${word("to")} ${reducedTo(high, 0)}`);

function begin(report) {
  main = sheet($(".paper"));
  clear(main);
  hover = held = null;
  add(main, Array.from(report.prompt, (char) => ({ char })), true);
  const kept = keep && keep.map((c) => c.char).join("") === report.before ? keep : Array.from(report.before, (char) => measured(char, null));
  add(main, kept);
  main.before = report.before.length;
  keep = null;
  $(".notes").textContent = report.notes.join(" ");
  $(".found").replaceChildren();
  for (const name of ["share", "copied"]) $(".facts ." + name).textContent = "–";
  view("one");
  main.box.scrollTop = main.box.scrollHeight;
}
function receive(report) {
  if (report.from === 0) begin(report);
  main.report = { ...main.report, ...report };
  grow(main, report);
  root.dataset.state = report.done ? "ready" : "writing";
  root.dataset.count = main.chars.length;
  say();
  if (report.done) {
    $(".facts .share").textContent = percent(report.word_share);
    $(".facts .copied").textContent = length(report.copied);
    const rows = [];
    if (report.unknown_words.length) rows.push([word("unknown"), report.unknown_words.join(info.rtl ? "، " : ", ")]);
    if (report.copied.low >= 4) rows.push([word("quoted"), `“${report.copied.text.replaceAll("\n", " ↵ ")}”`]);
    $(".found").replaceChildren(...rows.map(([title, text]) => {
      const row = document.createElement("div");
      row.append(Object.assign(document.createElement("b"), { textContent: title + " " }), text);
      row.title = text;
      return row;
    }));
    sweep();
  }
  draw();
}
function say() {
  const state = root.dataset.state, r = main?.report;
  $(".status").textContent = state === "reading" ? word("reading")
    : r?.loop && state !== "empty" ? word("loop", reducedTo(r.loop[1], 0))
    : state === "writing" ? word("writing") : r?.done ? `${r.corpus === "shahnameh" ? "" : "T = "}${reducedTo(r.method === "greedy" ? 0 : knobs.temperature, 2)} · ${reducedTo(main.chars.length, 0)} ${word("written")}` : word("begin");
}
function view(which) {
  root.dataset.view = which;
}
function columns(report) {
  if (report.columns.length !== many.length || many.fresh) {
    hover = held = null;
    const area = $(".columns");
    area.replaceChildren();
    area.style.setProperty("--many", report.columns.length);
    many = report.columns.map((column) => {
      const box = document.createElement("div"), title = document.createElement("h5"), text = document.createElement("div"), foot = document.createElement("p");
      title.textContent = report.what === "temperatures" ? `T = ${reducedTo(column.temperature, 1)}` : `${word("epoch").split(/[,(]/)[0]} ${reducedTo(Number(column.epoch), 0)}`;
      text.className = "column";
      box.append(title, text, foot);
      area.append(box);
      const s = sheet(text);
      clear(s);
      add(s, Array.from(column.prompt, (char) => ({ char })), true);
      s.foot = foot;
      return s;
    });
    many.fresh = false;
    $(".notes").textContent = report.columns[0].notes.join(" ");
    view("many");
  }
  report.columns.forEach((column, i) => {
    grow(many[i], column);
    const parts = [];
    if (many[i].chars.length) parts.push(`${reducedTo(many[i].sums.at(-1)[0] / many[i].chars.length, 2)} ${word("bits")}`);
    if (column.loop) parts.push("↻ " + word("loop", reducedTo(column.loop[1], 0)));
    if (column.copied) parts.push(`${word("words")} ${percent(column.word_share)}`, `${word("copied")} ${length(column.copied)}`);
    many[i].foot.textContent = parts.join(" · ");
  });
  root.dataset.compared = report.done ? report.run : "";
  root.dataset.state = report.done ? "ready" : "writing";
  $(".status").textContent = report.done ? "" : word("writing");
  draw();
}

// the textbook's function, as core.text.shaped has it: p (already exact, whole vocabulary) -> q
function shaped(costs, { temperature, method, k, share }) {
  const logs = natural(costs), top = Math.max(...logs), T = method === "greedy" ? 0 : temperature;
  let q = logs.map((l) => (l === top ? 1 : T > 0 ? Math.exp((l - top) / T) : 0));
  const normal = () => { const total = q.reduce((a, b) => a + b, 0); q = q.map((v) => v / total); };
  normal();
  if (method === "top-k" || method === "top-p") {
    const order = q.map((_, i) => i).sort((a, b) => q[b] - q[a] || a - b);
    let mass = 0;
    order.forEach((i, rank) => {
      const out = method === "top-k" ? rank >= k : mass >= share - 1e-12;
      mass += q[i];
      if (out) q[i] = 0;
    });
    normal();
  }
  return q;
}
function place() {
  const at = held ?? hover;
  if (at) return { s: at.s, i: at.i, c: at.s.chars[at.i] };
  const s = root.dataset.view === "many" ? many[0] : main;
  if (s?.chars.length) return { s, i: s.chars.length - 1, c: s.chars.at(-1) };
  return expected ? { s: null, i: 0, c: { char: null, costs: expected } } : null;
}
const rows = [];
for (let n = 0; n < SHOWN; n++) {
  const button = document.createElement("button"), part = (tag, name) => Object.assign(document.createElement(tag), { className: name });
  const [sign, track, before, after, value] = [part("span", "sign"), part("span", "track"), part("i", "before"), part("i", "after"), part("span", "value")];
  button.type = "button";
  track.append(before, after);
  button.append(sign, track, value);
  button.addEventListener("click", () => choose(n));
  rows.push({ button, sign, before, after, value, id: -1 });
  $(".rows").append(button);
}
function paint() {
  pending = false;
  if (!info) return;
  const at = place();
  for (const s of [main, ...many]) if (s) {
    if (s.mark !== undefined) s.spans[s.mark]?.classList.remove("at");
    s.mark = at && at.s === s && (held || hover) ? at.i : undefined;
    if (s.mark !== undefined) s.spans[s.mark]?.classList.add("at");
  }
  const costs = at?.c.costs, logs = costs && natural(costs);
  if (costs) {
    const q = shaped(costs, knobs), total = logs.reduce((a, l) => a + Math.exp(l), 0);
    const order = logs.map((_, i) => i).sort((a, b) => logs[b] - logs[a] || a - b);
    const most = Math.max(q[order[0]], Math.exp(logs[order[0]]) / total, ...q);
    rows.forEach((row, n) => {
      const i = order[n], p = Math.exp(logs[i]) / total, char = info.vocabulary[i];
      if (row.id !== i || row.words !== info.words) row.sign.textContent = info.labels[i];
      [row.id, row.words] = [i, info.words];
      row.before.style.transform = `scaleX(${p / most})`;
      row.after.style.transform = `scaleX(${q[i] / most})`;
      row.value.textContent = percent(q[i]);
      row.button.className = char === at.c.char ? "drawn" : "";
      row.button.dataset.char = char;
      row.button.disabled = at.s !== null && at.s !== main;
      row.button.title = word("whatif", info.labels[i]);
    });
    const c = at.c.char !== null ? measured(at.c.char, costs) : null, id = c ? info.vocabulary.indexOf(c.char) : -1;
    $(".which").textContent = c ? `${word("at")} ${reducedTo(at.i + 1, 0)}: ${info.labels[id]}` : word("next");
    $(".detail").textContent = c ? `p = ${percent(c.p)}, q = ${percent(q[id])} · ${reducedTo(-Math.log2(c.p), 2)} ${word("bits").split(" ")[0]} · ${word("entropy")}: ${reducedTo(c.h, 2)}${held ? " · " + word("pinned") : ""}` : "";
  } else if (at) {
    $(".which").textContent = `${word("at")} ${reducedTo(at.i + 1, 0)}`;
    $(".detail").textContent = "–";
  }
  if (main && main.chars.length) {
    const known = main.chars.filter((c) => c.p !== null).length, [bits, h] = main.sums.at(-1);
    $(".facts .count").textContent = reducedTo(main.chars.length, 0);
    $(".facts .bits").textContent = known ? reducedTo(bits / known, 2) : "–";
    $(".facts .entropy").textContent = known ? reducedTo(h / known, 2) : "–";
    const rest = 200 - (performance.now() - charted);
    if (rest <= 0 || root.dataset.state !== "writing") running(at);
    else later = later ?? setTimeout(() => { later = null; draw(); }, rest);
  }
  root.dataset.painted = Number(root.dataset.painted ?? 0) + 1;
}
function draw() {
  if (!pending) { pending = true; requestAnimationFrame(paint); }
}

// small charts: series of [x, y] with straight lines; dot: [x, y]
function chart(box, { series, xs, top, ticks, dot, unit = (v) => reducedTo(v, 0), at }) {
  const width = Math.max(box.clientWidth, 160), height = 140, left = 46, right = 8, bottom = 20, style = getComputedStyle(root);
  const [ink, soft, line] = ["--ink", "--soft", "--line"].map((name) => style.getPropertyValue(name));
  const [low, high] = xs, X = (v) => left + ((v - low) / (high - low || 1)) * (width - left - right), Y = (v) => height - bottom - (Math.min(v, top) / top) * (height - bottom - 8);
  const text = (x, y, words, anchor) => `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${soft}" font-size="12" font-family="system-ui, sans-serif">${words}</text>`;
  const out = [0, 0.5, 1].map((s) => `<line x1="${left}" x2="${width - right}" y1="${Y(s * top)}" y2="${Y(s * top)}" stroke="${line}"/>` + text(left - 5, Y(s * top) + 4, unit(s * top), "end"));
  for (const t of ticks) out.push(text(X(t), height - 4, reducedTo(t, Number.isInteger(t) ? 0 : 1), t === high ? "end" : "middle"));
  for (const { points, color, dash = "" } of series) out.push(`<polyline points="${points.map(([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`).join(" ")}" fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}" stroke-linejoin="round"/>`);
  if (at !== undefined) out.push(`<line x1="${X(at)}" x2="${X(at)}" y1="8" y2="${height - bottom}" stroke="${ink}"/>`);
  if (dot) out.push(`<circle cx="${X(dot[0])}" cy="${Y(dot[1])}" r="5" fill="#d9480f" stroke="${ink}"/>`);
  box.innerHTML = `<svg viewBox="0 0 ${width} ${height}" direction="ltr">${out.join("")}</svg>`;
}
function running(at) {
  charted = performance.now();
  const n = main.chars.length, step = Math.max(1, Math.floor(n / 240)), cost = [], entropy = [];
  for (let i = Math.min(WINDOW, n); i <= n; i += step) {
    const from = Math.max(0, i - WINDOW), [a, b] = [main.sums[from], main.sums[i]];
    cost.push([i, (b[0] - a[0]) / (i - from)]);
    entropy.push([i, (b[1] - a[1]) / (i - from)]);
  }
  chart($(".running"), { series: [{ points: cost, color: "#d9480f" }, { points: entropy, color: "#3b6fe0", dash: "5 4" }], xs: [0, Math.max(n, 1)], top: Math.max(4, Math.ceil(Math.max(0, ...cost.map(([, y]) => y)))), ticks: [0, n], at: (held ?? hover)?.s === main ? at?.i + 1 : undefined });
}
function sweep() {
  const points = info.sweep?.points;
  for (const figure of root.querySelectorAll(".sweep")) figure.hidden = !points;
  if (!points) return void ($(".told").textContent = word("held_out", reducedTo(info.bits, 2)));
  const r = main?.report?.done && main.report.corpus === info.corpus ? main.report : null, T = r && Math.min(r.method === "greedy" ? 0 : knobs.temperature, 2);
  const of = (name) => [{ points: points.map((p) => [p.temperature, p[name]]), color: "#3b6fe0" }];
  chart($(".shares"), { series: of("word_share"), xs: [0, 2], top: 1, ticks: [0, 0.5, 1, 1.5, 2], unit: (v) => percent(v), dot: r && [T, r.word_share] });
  const top = 10 * Math.ceil(Math.max(r?.copied.low ?? 0, ...points.map((p) => p.copied)) / 10);
  chart($(".copies"), { series: of("copied"), xs: [0, 2], top, ticks: [0, 0.5, 1, 1.5, 2], dot: r && [T, r.copied.low] });
  $(".told").textContent = word("sweep", reducedTo(info.sweep.texts, 0), reducedTo(info.sweep.length, 0)) + " " + word("held_out", reducedTo(info.bits, 2));
}
