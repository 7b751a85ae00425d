// The address bar holds the state: ?tab=fgsm&eps=8&...  Written here, without a request; read by the server when a page opens.
window.FoolForge ||= (() => {  // the page may run this script twice
  const opened = new URLSearchParams(location.search);
  let tab = opened.get("tab") || "fgsm";
  const state = { [tab]: Object.fromEntries([...opened].filter(([key]) => key !== "tab" && !key.startsWith("__"))) };
  let timer = null, started = false;
  const due = new WeakMap();  // what is to be painted in the next frame, by root

  function write() {
    timer = null;
    const query = new URLSearchParams({ tab });
    for (const [key, value] of Object.entries(state[tab] || {})) {
      if (value !== null && value !== undefined && value !== "") query.set(key, value);
    }
    for (const [key, value] of opened) if (key.startsWith("__")) query.set(key, value);
    history.replaceState(history.state, "", "?" + query);
  }
  // browsers refuse more than some hundred changes of the address in half a minute: a drag writes its last value
  const later = () => { timer = timer ?? setTimeout(write, 250); };

  // light or dark has changed: whoever drew on a canvas draws anew
  const themed = () => new MutationObserver(() => FoolForge.tell("theme")).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  if (document.body) themed(); else document.addEventListener("DOMContentLoaded", themed);

  return {
    opened,
    set(owner, key, value) {
      (state[owner] = state[owner] || {})[key] = value;
      if (owner === tab) later();
    },
    remember(owner, keys, values) {
      keys.forEach((key, i) => this.set(owner, key, values[i]));
    },
    // before the first state stands, Gradio reports its own first tab as chosen
    start() { started = true; later(); },
    open(name) { if (started) { tab = name; later(); } },
    link() { if (timer) { clearTimeout(timer); write(); } return location.href; },
    tell(name, detail) { document.dispatchEvent(new CustomEvent("fool-forge:" + name, { detail })); },
    hear(name, listener) { document.addEventListener("fool-forge:" + name, (event) => listener(event.detail)); },
    // once in the next frame, however many parts of `root` ask for it: those of `painters()` that have changed, in their order
    soon(root, what, painters) {
      if (due.get(root)?.add(what)) return;
      due.set(root, new Set([what]));
      requestAnimationFrame(() => {
        const changed = due.get(root);
        due.delete(root);
        for (const [name, paint] of Object.entries(painters())) if (changed.has(name)) paint();
        root.dataset.painted = Number(root.dataset.painted) + 1;
      });
    },
    // a grid of buttons is one stop of the Tab key; inside it the arrow keys move
    oneStop(box, first = box.querySelector(":scope > button")) {
      const stop = (at) => { for (const button of box.querySelectorAll(":scope > button")) button.tabIndex = button === at ? 0 : -1; };
      stop(first);
      if (box.dataset.arrows) return;
      box.dataset.arrows = "true";
      box.addEventListener("focusin", ({ target }) => { if (target.parentElement === box) stop(target); });
      box.addEventListener("keydown", (event) => {
        const columns = getComputedStyle(box).gridTemplateColumns.split(" ").length, row = [...box.querySelectorAll(":scope > button")];
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key], next = step && row[row.indexOf(event.target) + step];
        if (next) { event.preventDefault(); next.focus(); }
      });
    },
    async copy(text) {
      try { await navigator.clipboard.writeText(text); return true; } catch { /* no permission, or no https: the old way */ }
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    },
    // a picture that the server gave, ready to be drawn, and its pixels
    async picture(file) {
      const image = Object.assign(new Image(), { src: file.url });
      await image.decode();
      return image;
    },
    pixels(image) {
      const { naturalWidth: width, naturalHeight: height } = image, options = { willReadFrequently: true, colorSpace: "srgb" };
      const pen = new OffscreenCanvas(width, height).getContext("2d", options);
      pen.drawImage(image, 0, 0);
      return pen.getImageData(0, 0, width, height);
    },
    save(blob, name) {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    },
    percent: (p) => (p >= 0.0995 ? (100 * p).toFixed(p > 0.9995 && p < 1 ? 2 : 0) : p >= 0.001 ? (100 * p).toFixed(1) : p > 0 ? "< 0.1" : "0") + " %",
  };
})();

// a list that can be searched takes the first letter typed as a new search, not as an addition to the name that stands there
document.addEventListener("click", ({ target }) => {
  if (target.matches?.('input[role="combobox"]')) setTimeout(() => target.select(), 0);
});
