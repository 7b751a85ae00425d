// A small line plot as an SVG text, for the page and for the slide: FoolForge.plot({...}). Confidences from 0 to 1 upwards.
// width, height: pixels.  xs: positions of the points.  ticks: [position, text].  series: [{values, color, width, opacity}].
// rule: {at, text} a dashed line that stays.  marker: {at, dots: [{y, color}]} the line in hand.
// colors: {ink, soft, line, paper}; unless told, those of the page, and they follow its theme.
// FoolForge.mark(svg, xs, {at, dots}) moves the line in hand of a plot that stands already, which costs a hundredth of a new one.
// until: the axis goes at least this far.
FoolForge.DIGITS = ["#ff595e", "#ffa13d", "#ffd93d", "#9be564", "#2fbf71", "#3fd0d4", "#4da3ff", "#8f8cff", "#d678ff", "#ff8ac4"]; // a colour for each
FoolForge.INK = { ink: "var(--ink)", soft: "var(--soft)", line: "var(--line)", paper: "var(--background-fill-primary)" };
FoolForge.plot = ({ width, height, xs, ticks, series, rule, marker, title, until, colors = FoolForge.INK, font = 13 }) => {
  const left = 3.6 * font, right = 14, top = 12, bottom = 2.9 * font;
  const low = Math.min(...xs), high = Math.max(...xs, until ?? 0, low + 1e-9);
  const X = (v) => left + ((v - low) / (high - low)) * (width - left - right);
  const Y = (p) => height - bottom - p * (height - top - bottom);
  const esc = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const text = (x, y, words, anchor, color = colors.soft) =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${color}" stroke="${colors.paper}" stroke-width="4" paint-order="stroke" font-size="${font}" font-family="system-ui, sans-serif">${esc(words)}</text>`;
  const line = (x1, y1, x2, y2, color, extra = "") => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" ${extra}/>`;
  const out = [];
  for (const p of [0, 0.25, 0.5, 0.75, 1]) {
    out.push(line(left, Y(p), width - right, Y(p), colors.line, 'stroke-width="1"'));
    if (p * 2 === Math.round(p * 2)) out.push(text(left - 6, Y(p) + font / 3, `${p * 100} %`, "end"));
  }
  let last = -1e9;
  for (const [at, words] of ticks) {
    if (X(at) - last < font * 2.6) continue;
    last = X(at);
    out.push(text(X(at), height - bottom + 1.25 * font, words, "middle"));
  }
  if (title) out.push(text((left + width - right) / 2, height - 0.4 * font, title, "middle"));
  let label = "";
  if (rule) {
    const turn = X(rule.at) > width * 0.6;
    out.push(line(X(rule.at), top, X(rule.at), Y(0), colors.soft, 'stroke-dasharray="4 4"'));
    label = text(X(rule.at) + (turn ? -5 : 5), top + 0.75 * font, rule.text, turn ? "end" : "start");
  }
  for (const { values, color, width: thick = 2.5, opacity = 1 } of series) {
    const points = values.map((p, i) => `${X(xs[i]).toFixed(1)},${Y(p).toFixed(1)}`).join(" ");
    out.push(`<polyline points="${points}" fill="none" stroke="${color}" stroke-width="${thick}" opacity="${opacity}" stroke-linejoin="round"/>`);
  }
  if (marker) {
    const dots = marker.dots.map(({ y, color }) => `<circle cx="0" cy="${Y(y)}" r="5" fill="${color}" stroke="${colors.paper}" stroke-width="1.5"/>`);
    out.push(`<g class="marker" transform="translate(${X(marker.at)})">${line(0, top, 0, Y(0), colors.ink, 'stroke-width="1.5"')}${dots.join("")}</g>`);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${out.join("")}${label}</svg>`;
};

FoolForge.mark = (svg, xs, { at, dots }, font = 13) => {
  const { width, height } = svg.viewBox.baseVal, group = svg.querySelector(".marker");
  const left = 3.6 * font, low = Math.min(...xs), high = Math.max(...xs, low + 1e-9), bottom = 2.9 * font;
  group.setAttribute("transform", `translate(${left + ((at - low) / (high - low)) * (width - left - 14)})`);
  group.querySelectorAll("circle").forEach((circle, i) => circle.setAttribute("cy", height - bottom - dots[i].y * (height - 12 - bottom)));
};

// A canvas in the screen's own pixels, empty: FoolForge.pen(canvas, width, height) gives its context, which counts in the page's pixels.
FoolForge.pen = (canvas, width, height) => {
  const scale = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
  Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  return pen;
};
