// Packaged pictures as radio buttons. value: the chosen name. props.group: which pictures are shown; server.thumbnails() gives them all once.
const box = element.querySelector(".picker");
let groups = null;

function mark() {
  const buttons = [...box.querySelectorAll("button")], chosen = buttons.find((button) => button.dataset.name === props.value);
  for (const button of buttons) button.setAttribute("aria-checked", String(button === chosen));
  FoolForge.oneStop(box, chosen ?? buttons[0]);
  if (!chosen) return;
  const frame = box.getBoundingClientRect(), one = chosen.getBoundingClientRect(); // scrollIntoView would move the page, too
  const off = (low, high, from, to) => (low < from + 4 ? low - from - 4 : Math.max(high - to + 4, 0));
  box.scrollLeft += off(one.left, one.right, frame.left, frame.right);
  box.scrollTop += off(one.top, one.bottom, frame.top, frame.bottom);
}
function fill() {
  if (!groups) return;
  const group = groups[props.group] || [];
  if (box.dataset.group !== props.group) {
    box.replaceChildren(...group.map(({ name, title, small, src }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.name = name;
      button.title = title;
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", title);
      button.classList.toggle("small", small);
      button.append(Object.assign(document.createElement("img"), { src, alt: "" }));
      button.onclick = () => { props.value = name; mark(); trigger("pick"); };
      return button;
    }));
    box.dataset.group = props.group;
  }
  mark();
}
watch(["value", "group"], fill);
server.thumbnails().then((all) => { groups = all; fill(); });
