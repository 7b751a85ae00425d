// A black square to draw on in white. value: the drawing as a PNG data URL, sent when a stroke ends ("draw"); null when it is cleared.
const canvas = element.querySelector("canvas");
const pen = canvas.getContext("2d");
const strokes = [];
let current = null;

function paint() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, 280, 280);
  pen.strokeStyle = "#fff";
  pen.lineWidth = 22;
  pen.lineCap = pen.lineJoin = "round";
  for (const stroke of strokes) {
    pen.beginPath();
    pen.moveTo(...stroke[0]);
    stroke.forEach((point) => pen.lineTo(...point));
    pen.stroke();
  }
}
function done() {
  props.value = strokes.length ? canvas.toDataURL("image/png") : null;
  if (strokes.length) trigger("draw");
}
const where = (event) => {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * 280) / box.width, ((event.clientY - box.top) * 280) / box.height];
};
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  current = [where(event)];
  strokes.push(current);
  paint();
});
canvas.addEventListener("pointermove", (event) => {
  if (!current) return;
  current.push(where(event));
  paint();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => { if (current) { current = null; done(); } });
}
element.querySelector(".undo").onclick = () => { strokes.pop(); paint(); done(); };
element.querySelector(".clear").onclick = () => { strokes.length = 0; paint(); done(); };
paint();
