// Goes on from writing.js: the hand on characters, bars and knobs, and the stream of an answer.
function choose(n) {
  const at = place();
  if (!at || !info || (at.s !== null && at.s !== main)) return;
  keep = main ? main.chars.slice(0, at.i) : [];
  const char = info.vocabulary[rows[n].id];
  keep.push(measured(char, at.c.costs));
  F.wish = keep.map((c) => c.char).join("");
  trigger("whatif");
}
F.written = () => {
  keep = main ? main.chars.slice() : [];
  return written(main);
};
function found(event) {
  const span = event.target.closest?.(".ch[data-i]");
  if (!span) return null;
  const s = [main, ...many].find((s) => s && s.box.contains(span));
  return s ? { s, i: Number(span.dataset.i) } : null;
}
root.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch" || !event.target.closest(".paper, .column")) return;
  hover = found(event) ?? hover;
  draw();
});
root.addEventListener("pointerout", (event) => {
  if (event.target.closest(".paper, .column") && !event.relatedTarget?.closest?.(".paper, .column, .right")) { hover = null; draw(); }
});
root.addEventListener("click", (event) => {
  if (!event.target.closest(".paper, .column")) return;
  const at = found(event);
  held = !at || (held && held.s === at.s && held.i === at.i) ? null : at;
  draw();
});
$(".paper").addEventListener("keydown", (event) => {
  const step = { ArrowRight: info?.rtl ? -1 : 1, ArrowLeft: info?.rtl ? 1 : -1 }[event.key];
  if (event.key === "Escape") held = null;
  else if (step && main?.chars.length) {
    const i = (held?.s === main ? held.i : main.chars.length) + step;
    held = { s: main, i: Math.max(0, Math.min(main.chars.length - 1, i)) };
    main.spans[held.i].scrollIntoView({ block: "nearest" });
  } else return;
  event.preventDefault();
  draw();
});

function turned(next) {
  Object.assign(knobs, next);
  draw();
  if (root.dataset.state !== "writing" || root.dataset.view !== "one") return;
  const tell = () => {
    timer = null;
    sent = performance.now();
    post("/run/predict", "tune", [{ run, temperature: knobs.temperature, method: knobs.method }]).catch(() => {}); // the stream tells of a lost server
  };
  if (performance.now() - sent > 60) tell();
  else timer = timer ?? setTimeout(tell, 60);
}
document.addEventListener("input", (event) => {
  const box = event.target.closest?.("#write-temperature, #write-k, #write-share");
  const value = Number(event.target.value);
  if (box && Number.isFinite(value) && event.target.value !== "") turned({ [box.id.slice(6)]: value });
}, true);
if (F.opened.get("tab") === "write") { // what the address bar says stands before the controls tell of it
  for (const [name, key] of [["temperature", "temperature"], ["k", "k"], ["share", "p"]]) {
    const v = Number(F.opened.get(key));
    if (v > 0 && v <= (name === "k" ? 60 : 2)) knobs[name] = v;
  }
  if (["greedy", "top-k", "top-p"].includes(F.opened.get("method"))) knobs.method = F.opened.get("method");
}
F.hear("write-knobs", turned);
F.hear("write-info", (told) => {
  if (!told) return;
  const changed = info?.corpus !== told.corpus;
  info = told;
  if (root.dataset.state === "empty" || changed) {
    [main, many, hover, held, keep, expected] = [null, [], null, null, null, null];
    $(".paper").replaceChildren();
    $(".found").replaceChildren();
    for (const dd of root.querySelectorAll(".facts dd")) dd.textContent = "–";
    $(".running").replaceChildren();
    root.dataset.state = "ready";
    root.dataset.count = 0;
    view("one");
  }
  root.dir = told.rtl ? "rtl" : "ltr";
  root.dataset.corpus = told.corpus;
  root.lang = told.rtl ? "fa" : "en";
  for (const part of root.querySelectorAll("[data-word]")) part.textContent = word(part.dataset.word);
  say();
  sweep();
  draw();
});
F.hear("write-expected", (told) => {
  if (!told || told.corpus !== info?.corpus) return;
  [expected] = decode(told.costs);
  root.dataset.expected = told.epoch;
  if (!main) $(".notes").textContent = told.notes.join(" ");
  draw();
});

// A stream of an endpoint, read here: a piece every 50 ms through the page's components would keep the page busy. Each run is a session of
// its own, so that closing its stream, or the page, ends its writer on the server.
const config = window.gradio_config, root_url = config.root.replace(/\/$/, "") + (config.api_prefix ?? "/gradio_api"), key = crypto.getRandomValues(new Uint32Array(3)).join("x");
const call = (name) => config.dependencies.find((d) => d.api_name === name).id;
const post = (path, name, data) => fetch(root_url + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ data, fn_index: call(name), session_hash: key + run, event_data: null, trigger_id: null }) });
F.session = () => key + run;
let source = null;
function fail(sentence) {
  source?.close();
  source = null;
  root.dataset.state = "failed";
  const plain = new DOMParser().parseFromString(sentence, "text/html").body.textContent;
  $(".status").textContent = plain;
}
function end() {
  source?.close();
  if (source) post("/run/predict", "halt", []).catch(() => {});
  source = null;
}
async function begin_run(name, values, told) {
  end();
  run = Math.max(Date.now(), run + 1);
  const mine = run;
  root.dataset.state = "reading";
  root.dataset.run = run;
  say();
  try {
    const joined = await post("/queue/join", name, [...values, run]);
    if (mine !== run) return;
    if (!joined.ok) return fail((await joined.json()).detail ?? "The server did not take the text; please try again.");
    const stream = (source = new EventSource(`${root_url}/queue/data?session_hash=${key + run}`));
    stream.onmessage = ({ data }) => {
      const message = JSON.parse(data), { msg, output } = message;
      if (mine !== run || (msg !== "process_generating" && msg !== "process_completed" && msg !== "close_stream")) return;
      if (msg === "close_stream") return stream.close();
      if (message.success === false) return fail(output.error ?? "Something went wrong on the server; please try again.");
      let [piece] = output.data;
      if (Array.isArray(piece)) piece = piece.find(([what, path]) => what === "replace" && path.length === 0)?.[2]; // later answers come as changes
      if (piece && !(msg === "process_completed" && root.dataset.done === String(mine))) told(piece);
      if (piece?.done) root.dataset.done = mine;
      if (msg === "process_completed") { stream.close(); source = null; }
    };
    stream.onerror = () => { if (stream === source) fail("The connection to the server broke off; what was written stays here."); };
  } catch {
    if (mine === run) fail("The server cannot be reached; what was written stays here.");
  }
}
F.hear("write-go", ({ values, written: text }) => {
  if (!info) return;
  if (text === null) text = F.written();
  const [temperature, method, k, share] = values.slice(3, 7);
  Object.assign(knobs, { temperature, method, k, share });
  begin_run("write", [...values.slice(0, 9), values[9], text], receive);
});
F.hear("write-aside", ({ values, what }) => {
  if (!info) return;
  many.fresh = true;
  root.dataset.compared = "";
  begin_run("compare", [...values.slice(0, 9), what], columns);
});
F.hear("write-halt", () => {
  if (root.dataset.view === "many" && source) { end(); root.dataset.state = "ready"; return void ($(".status").textContent = ""); }
  if (source) post("/run/predict", "halt", []).catch(() => fail("The server cannot be reached; what was written stays here."));
});
new ResizeObserver(() => { if (info) { sweep(); draw(); } }).observe($(".charts"));
