// Goes on from plane.js: the hand on the plane, the models, and what the server says.
// --- the hand ---
function settled(what) { // the hand rests: the server's exact answer replaces what was blended
  clearTimeout(rest);
  rest = setTimeout(() => {
    if (!now) return;
    const { n, reach, quantiles } = say();
    F.set("manifold", "x", at[0].toFixed(3));
    F.set("manifold", "y", at[1].toFixed(3));
    const z = latent(at);
    if (!(exact && exact.model === now.model && exact.z.every((v, i) => Math.abs(v - z[i]) < 1e-9))) { F.plane.z = z; trigger("exact"); }
    if (what && !(grid && grid.model === now.model && grid.n === n && grid.reach === reach && grid.quantiles === quantiles)) { Object.assign(F.plane, say()); trigger("grid"); }
  }, 150);
}
function here(event) {
  const stage = event.currentTarget.getBoundingClientRect(), s = scales();
  const p = [(event.clientX - stage.left) / stage.width, 1 - (event.clientY - stage.top) / stage.height];
  return p.map((v) => Math.min(Math.max(s.u(Math.min(Math.max(v, 0), 1)), -15), 15));
}
let pressed = false;
for (const stage of element.querySelectorAll(".stage")) {
  stage.addEventListener("pointermove", (event) => {
    if (!now) return;
    at = here(event);
    if (walking && pressed && line && (line.b || Math.hypot(at[0] - line.a[0], at[1] - line.a[1]) > 0.03 * say().reach)) { line = { a: line.a, b: at }; dirty.line = true; }
    later();
    settled();
  });
  stage.addEventListener("pointerdown", (event) => {
    if (!now) return;
    stage.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    at = here(event);
    pressed = true;
    if (walking) { line = line && !line.b ? { a: line.a, b: at } : { a: at }; dirty.line = true; }
    later();
    settled();
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => {
    if (!pressed) return;
    pressed = false;
    if (!walking || !line) return;
    write(".hint", line.b ? "" : "Now the second point: tap it, or drag to it.");
    if (line.b) finishLine();
  });
  stage.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || !now) return;
    event.preventDefault();
    const step = (say().quantiles ? 0.06 : say().reach / 80) * (event.shiftKey ? 5 : 1);
    at = at.map((v, i) => Math.min(Math.max(v + way[i] * step, -15), 15));
    later();
    settled();
  });
}
function finishLine() {
  Object.assign(F.plane, { start: latent(line.a), end: latent(line.b) });
  trigger("line");
  if (!film) film = requestAnimationFrame(play);
}
for (const name of ["n", "reach", "quantiles"]) {
  const input = $("." + name), old = asked(name);
  if (old !== null) { if (name === "quantiles") input.checked = old === "true"; else if (Number.isFinite(Number(old))) input.value = old; }
  input.addEventListener("input", () => { labels(); F.set("manifold", name, name === "quantiles" ? input.checked : Number(input.value)); later("map"); settled(true); });
}
function labels() {
  write($(".n").nextElementSibling, `${say().n} × ${say().n}`);
  write($(".reach").nextElementSibling, `± ${say().reach} σ`);
  $(".reach").disabled = say().quantiles;
}
function view(name) {
  root.dataset.view = name;
  $(".second").hidden = name !== "beside";
  for (const button of $(".views").children) button.setAttribute("aria-checked", String(button.value === name));
  later("codes");
}
const button = (text, role, more = {}) => { const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, ...more }); made.setAttribute("role", role); return made; };
$(".views").replaceChildren(...[["over", "Codes over digits"], ["beside", "beside"], ["codes", "codes"], ["digits", "digits"]].map(([value, text]) => {
  const made = button(text, "radio", { value });
  made.onclick = () => { view(value); F.set("manifold", "view", value); };
  return made;
}));
$(".classes").replaceChildren(...F.DIGITS.map((color, k) => {
  const made = button(String(k), "checkbox");
  made.style.setProperty("--c", color);
  made.setAttribute("aria-pressed", "true");
  made.onclick = () => { if (!shownDigits.delete(k)) shownDigits.add(k); made.setAttribute("aria-pressed", String(shownDigits.has(k))); later("codes"); };
  return made;
}), ...[["all", true], ["none", false]].map(([text, on]) => {
  const made = button(text, "button");
  made.style.setProperty("--c", "var(--line)");
  made.onclick = () => { shownDigits = new Set(on ? F.DIGITS.keys() : []); [...$(".classes").children].slice(0, 10).forEach((b) => b.setAttribute("aria-pressed", String(on))); later("codes"); };
  return made;
}));
$(".walk").onclick = () => {
  walking = !walking;
  $(".walk").setAttribute("aria-pressed", String(walking));
  write(".hint", walking ? "Tap a first and a second point on the plane, or drag from the one to the other." : "");
  if (!walking) { line = null; $(".steps").hidden = true; $(".gif").hidden = true; }
  later("line");
};
$(".gif").onclick = async () => { if (line?.gif) F.save(await (await fetch(line.gif.url)).blob(), `walk-${now.model.replace("@", "-")}.gif`); };

// --- models and their training ---
const EPOCHS = [5, 25, 100, 300], PARTS = ["a 60th", "a 12th", "a third", "all"]; // of the training
$(".models").replaceChildren(...props.models.map(([name, title]) => {
  const made = button(title, "radio", { value: name });
  made.onclick = () => { const early = props.models.find(([own]) => own === name)[2]; ask(early ? nameOf(name, Number($(".scrub input").value)) : name); };
  return made;
}));
const nameOf = (family, k) => (k < 3 ? `${family}@epoch${EPOCHS[k]}` : family);
$(".scrub input").addEventListener("input", () => ask(nameOf(wanted.split("@")[0], Number($(".scrub input").value))));
function mark() {
  const [family, epoch] = wanted.split("@epoch"), early = props.models.find(([name]) => name === family)?.[2];
  for (const b of $(".models").children) b.setAttribute("aria-checked", String(b.value === family));
  $(".scrub input").disabled = !early;
  $(".scrub").dataset.off = String(!early);
  if (early) $(".scrub input").value = epoch ? EPOCHS.indexOf(Number(epoch)) : 3;
  write(".scrub output", early ? `after ${PARTS[$(".scrub input").value]} of it` : "only its end is kept");
}
function ask(name) { // a plane that is here already is shown at once
  wanted = F.plane.model = name;
  F.plane.known = known.has(name);
  mark();
  if (known.has(name)) show(known.get(name)); else root.dataset.state = now ? "busy" : "empty";
  trigger("ask");
}
function show(plane) {
  now = plane;
  root.dataset.state = "ready";
  root.dataset.model = plane.model;
  if (line) { line = { a: line.a, b: line.b }; $(".gif").hidden = true; if (line.b) { dirty.line = true; finishLine(); } }
  if (drawn && drawn.model !== plane.model) $(".drawn").hidden = true;
  later("map");
  settled(true);
}
const heard = {
  async plane({ x, report }) {
    const plane = known.get(report.model) ?? (await unpack(x, report));
    known.set(report.model, plane);
    if (!wanted) { wanted = F.plane.model = report.model; mark(); }
    if (report.model === wanted) show(plane);
  },
  async grid({ x, report }) {
    const { grey } = await pixelsOf(x);
    grid = { ...report, words: Uint32Array.from(grey, (v) => GREY[v]) };
    later("map");
  },
  async decode({ x, report }) { exact = { ...report, tiles: cut(await pixelsOf(x), 1, 1) }; later(); },
  async encode({ x, report }) {
    const pictures = cut(await pixelsOf(x), 1, report.pictures);
    if (wanted && report.model !== wanted) return;
    drawn = report;
    $(".drawn").hidden = false;
    const titles = ["your digit", report.binarised ? "binarised" : "as grey", "rebuilt", ...Array(report.pictures - 3).fill("a sample")];
    $(".strip").replaceChildren(...titles.map((title, i) => {
      const figure = document.createElement("figure"), canvas = Object.assign(document.createElement("canvas"), { width: TILE, height: TILE });
      paintTile(canvas, pictures, i);
      figure.append(canvas, Object.assign(document.createElement("figcaption"), { textContent: title }));
      return figure;
    }), Object.assign(document.createElement("div"), { className: "caption", textContent: "decoded draws of q(z|x)" }));
    const nats = (v) => (v === null ? "∞" : `${v.toFixed(2).replace("-", "−")}`), spread = report.error === null ? "" : ` ± ${report.error.toFixed(2)}`;
    const rows = [[`reconstruction, E log p(x|z)${spread}`, nats(report.reconstruction)], ["− KL(q(z|x) ‖ p(z))", report.kl === null ? "−∞" : nats(report.kl).replace(/^/, "− ")], ["= ELBO, nats", report.elbo === null ? "−∞" : nats(report.elbo)]];
    $(".bound tbody").replaceChildren(...rows.map((cells, i) => {
      const row = document.createElement("tr");
      row.className = i === 2 ? "total" : "";
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return row;
    }));
    write(".against", report.told);
    later("over");
  },
  async walk({ x, gif, report }) {
    const tiles = cut(await pixelsOf(x), 1, report.steps);
    if (!line?.b || report.model !== now?.model || [...latent(line.a), ...latent(line.b)].some((v, i) => Math.abs(v - [...report.start, ...report.end][i]) > 1e-6)) return;
    Object.assign(line, { tiles, gif, exact: true });
    $(".gif").hidden = false;
    later("line");
    if (!film) film = requestAnimationFrame(play);
  },
};
F.hear("plane", (message) => { if (message.report) heard[message.report.kind](message); });
F.hear("plane-set", ({ model, at: place, view: name, reach }) => {
  if (place) at = place;
  if (name) { view(name); F.set("manifold", "view", name); }
  if (reach) { $(".reach").value = reach; $(".quantiles").checked = false; labels(); F.set("manifold", "reach", reach); F.set("manifold", "quantiles", false); }
  ask(model);
});
// the atlas is asked for when the plane is first seen
new IntersectionObserver((entries, watcher) => { if (entries.some((e) => e.isIntersecting)) { watcher.disconnect(); F.plane.known = false; trigger("ask"); } }).observe(root.parentElement);
F.hear("idle", (what) => { if (what === "manifold_plane" && root.dataset.state === "busy") root.dataset.state = "ready"; });
labels();
view(["over", "beside", "codes", "digits"].includes(asked("view")) ? asked("view") : "over");
