// The frame, the buttons, and what the server says.
// --- drawing, at most once a frame ---
const painters = { photo: paintPhoto, row: paintRow, edit: paintEdit, bars: paintBars, histogram: paintHistogram, own: paintOwn };
function later(what) { F.soon(root, what, () => painters); }

// --- the buttons ---
const VIEWS = [["moved", "What else moved?"], ["stands", "Where the face stands"], ["own", "Make your own vector"]];
function turn(name) {
  view = name;
  root.dataset.view = name;
  F.set("smile", "view", name);
  for (const [value] of VIEWS) $(`section.${value}`).hidden = value !== name;
  for (const button of $(".tabs").children) button.setAttribute("aria-selected", String(button.value === name));
  aim(name === "own" ? "yes" : "take");
  showPhoto();
  for (const what of ["bars", "histogram", "own"]) later(what);
  if (name === "own") askOwn();
}
const fill = (box, entries, role, click) => box.replaceChildren(...entries.map(([value, text]) => { const made = make("button", { type: "button", value, textContent: text, onclick: () => click(value) }); made.setAttribute("role", role); return made; }));
fill($(".tabs"), VIEWS, "tab", turn);
fill($(".marks"), [["yes", "✓ shows it"], ["no", "✗ does not"], ["take", "take the face"]], "radio", aim);
$(".reset").onclick = () => { for (const name of Object.keys(strengths)) { strengths[name] = 0; F.set("smile", name, ""); } settle(); if (!frame()) askEdit(); askStrip(hand); later("edit"); };
function save(pictures, name) {
  const canvas = make("canvas", { width: pictures.length * 256, height: 256 });
  pictures.forEach((picture, i) => { const one = make("canvas"); show(one, picture); canvas.getContext("2d").drawImage(one, i * 256, 0); });
  canvas.toBlob((blob) => F.save(blob, name));
}
$(".save").onclick = () => current && save([current.picture ?? current.reconstruction, current.reconstruction, edited.picture], "smile.png");
$(".save-row").onclick = () => { const strip = strips.get(keyOf(hand)); if (strip) save(Array.from({ length: 9 }, (_, i) => strip.pictures[4 * i]), `${hand}.png`); };

// --- what the server says ---
const heard = {
  async faces({ x, report }) {
    sheet = { ...report, pictures: (await cut(x, 6)).slice(0, report.faces.length) };
    root.dataset.sheet = `${report.source}:${report.seed}`;
    marks.clear();
    mine = null;
    const kept = (asked("marks") ?? "").split(",").map(Number).filter((n) => n && Math.abs(n) <= sheet.faces.length);
    if (F.opened.get("marks")) { F.opened.delete("marks"); kept.forEach((n) => marks.set(Math.abs(n) - 1, n > 0 ? "yes" : "no")); }
    paintFaces();
    if (!face) { face = asked("face") || sheet.faces[0]; showPhoto(); open(); }
    later("own");
  },
  async edit({ x, report }) {
    const fresh = "photo" in report, pictures = await cut(x, fresh ? 3 : 2);
    if (!photo && report.face !== face) return;
    if (fresh) { current = { ...report, picture: pictures[0] }; strips.clear(); mine = null; }
    current.before = report.before;
    current.reconstruction = pictures.at(-2);
    if (fresh) show($(".x"), current.picture);
    show($(".reconstruction"), current.reconstruction);
    if (JSON.stringify(report.strengths) === JSON.stringify(named()) && report.vectors === kind) edited = { picture: pictures.at(-1), p: report.after };
    root.dataset.face = photo ? "photo" : face;
    root.dataset.found = (report.found ?? []).length;
    askStrip(hand);
    for (const what of ["photo", "edit", "histogram"]) later(what);
    if (sheet) markFaces();
    askOwn();
  },
  async strip({ x, report }) {
    const pictures = await cut(x, report.at.length), key = waiting;
    waiting = "";
    if (key !== JSON.stringify([face, current?.code?.slice(0, 4), report.vectors, report.concept, report.strengths])) return askStrip(hand);
    strips.set(key, { pictures, p: report.p });
    for (const what of ["row", "edit"]) later(what);
    if (wished) { const next = wished; wished = ""; askStrip(next); }
  },
  async own({ x, report }) { mine = { ...report, pictures: await cut(x, 9) }; root.dataset.area = report.area; later("own"); },
  async facts({ report }) { facts = report; for (const what of ["bars", "histogram"]) later(what); },
};
F.hear("smile", async ({ x, report, failed }) => {
  if (failed === "strip") waiting = wished = "";
  if (report) await heard[report.kind]({ x, report });
  if (report?.kind !== "strip" || !waiting) answered(report?.kind ?? failed);
});
F.hear("smile-kind", (name) => { if (name === kind) return; kind = name; if (current) { askEdit(); askStrip(hand); } later("histogram"); });
F.hear("smile-set", (wish) => {
  for (const name of Object.keys(strengths)) { strengths[name] = wish.strengths[name] ?? 0; F.set("smile", name, strengths[name] || ""); }
  kind = wish.naive ? "naive" : "balanced";
  photo = null;
  face = wish.face;
  F.set("smile", "face", face);
  hand = wish.concept;
  F.set("smile", "concept", hand);
  words();
  settle();
  turn(wish.view ?? "moved");
  open();
});
F.hear("theme", () => later("histogram"));
new ResizeObserver(() => { later("histogram"); later("own"); }).observe($(".views"));
for (const [name] of props.concepts) { const old = Number(asked(name)); if (Math.abs(old) <= END) strengths[name] = Math.round(old * 8) / 8 || 0; }
if (asked("vectors") === "naive") kind = "naive";
if (asked("concept") in strengths) hand = asked("concept");
settle();
words();
turn(VIEWS.some(([name]) => name === asked("view")) ? asked("view") : "moved");
// the first work is asked for when the tab is first opened (on a phone the figure lies below the controls)
new IntersectionObserver((entries, watcher) => { if (entries.some((e) => e.isIntersecting)) { watcher.disconnect(); ask("faces"); ask("facts"); } }, { rootMargin: "3000px" }).observe(root.parentElement);
