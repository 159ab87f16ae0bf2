/** A sheet to draw on, with mouse, pen or finger. */

import { h } from "../dom.js";

const SIDE = 336;
const INK = "#111111";
const PAPER = "#ffffff";
/** Width of the pen for a network of few pixels, which knows thick strokes only, and for others. */
const THICK = 44;
const USUAL = 24;
const FEW_PIXELS = 16;

/**
 * A sheet; `onchange(blob)` is called with a PNG while and after each stroke, and with null when
 * the sheet is empty again. `rows` are those of the network's input.
 */
export function drawing(rows, onchange) {
  const canvas = h("canvas", { width: SIDE, height: SIDE, class: "sheet", "aria-label": "Sheet to draw on", role: "img", tabindex: -1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let strokes = [];
  let stroke = null;

  const paint = () => {
    pen.fillStyle = PAPER;
    pen.fillRect(0, 0, SIDE, SIDE);
    Object.assign(pen, { strokeStyle: INK, fillStyle: INK, lineCap: "round", lineJoin: "round" });
    for (const { width, points } of strokes) line(pen, width, points);
  };
  const tell = () => {
    paint();
    undo.disabled = clear.disabled = !strokes.length;
    if (!strokes.length) onchange(null);
    else canvas.toBlob((blob) => strokes.length && onchange(blob), "image/png");
  };
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((clientX - left) / width) * SIDE, ((clientY - top) / height) * SIDE];
  };
  const begin = (event) => {
    if (event.button > 0) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    stroke = { width: Number(size.value), points: [place(event)] };
    strokes.push(stroke);
    tell();
  };
  const move = (event) => {
    if (!stroke) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const each of moves.length ? moves : [event]) stroke.points.push(place(each));
    tell();
  };
  const end = () => (stroke = null);
  canvas.addEventListener("pointerdown", begin);
  canvas.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(name, end);

  const size = h("input", { type: "range", min: 6, max: 64, value: rows < FEW_PIXELS ? THICK : USUAL, "aria-label": "Width of the pen" });
  const undo = h("button", { type: "button", disabled: true, onclick: () => (strokes.pop(), tell()) }, "Undo");
  const clear = h("button", { type: "button", disabled: true, onclick: () => ((strokes = []), tell()) }, "Clear");
  paint();
  return {
    element: h("div", { class: "drawing" }, canvas, h("div", { class: "row" }, h("label", { class: "pen" }, "Pen", size), undo, clear)),
    /** Empties the sheet without telling. */
    empty() {
      strokes = [];
      undo.disabled = clear.disabled = true;
      paint();
    },
  };
}

/** A line through points; its curves go through the middles of its pieces. */
function line(pen, width, points) {
  pen.lineWidth = width;
  pen.beginPath();
  pen.moveTo(...points[0]);
  if (points.length === 1) pen.lineTo(points[0][0] + 0.1, points[0][1]);
  for (let at = 1; at < points.length; at++) {
    const [x, y] = points[at];
    const [nextX, nextY] = points[at + 1] ?? points[at];
    pen.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  pen.stroke();
}
