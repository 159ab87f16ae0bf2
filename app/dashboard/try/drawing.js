/** A sheet to draw on, with mouse, pen, finger or keys. */

import { h, show } from "../dom.js";
import { palette } from "./palette.js";

/** Longest side of the sheet and the shortest that it may have, in pixels. */
const SIDE = 336;
const LEAST_SIDE = 24;
/** Width of the pen for a network of few pixels, which knows thick strokes only, and for others. */
const THICK = 44;
const USUAL = 24;
const FEW_PIXELS = 16;
/** How far an arrow key moves the pen, in pixels, and with Shift. */
const STEP = 12;
const SMALL_STEP = 3;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PEN_IS_UP = "Draw here, or with the arrow keys: Space sets the pen down and lifts it.";
const PEN_IS_DOWN = "The pen is down: the arrow keys draw, Space lifts it.";

/**
 * What was drawn stays while the page is open, whatever answer comes and whatever view is shown.
 * A stroke is `{ width, colour, points }`, its points as fractions of the sheet; `before` has what
 * undo goes back to.
 */
const kept = { strokes: [], before: [] };

/**
 * A sheet of the shape of the model's input; `onchange(blob)` is called with a PNG while and after
 * each stroke, and with null when the sheet is empty again.
 */
export function drawing({ input_shape: [channels, rows, columns], preparation }, onchange, signal) {
  const scale = SIDE / Math.max(rows, columns);
  const [width, height] = [columns, rows].map((side) => Math.max(LEAST_SIDE, Math.round(side * scale)));
  const canvas = h("canvas", { width, height, class: "sheet", role: "application", "aria-label": "Sheet to draw on", "aria-describedby": "sheet-help", tabindex: 0 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const tip = h("span", { class: "tip" });
  const help = h("p", { class: "help", id: "sheet-help", role: "status" }, PEN_IS_UP);
  let at = [0.5, 0.5];
  let stroke = null;
  let afterStroke = null;
  let pointer = null; // which of several fingers draws

  const paint = () => {
    pen.fillStyle = colours.ground;
    pen.fillRect(0, 0, width, height);
    Object.assign(pen, { lineCap: "round", lineJoin: "round" });
    for (const { colour, points, ...own } of kept.strokes) {
      pen.strokeStyle = colour ?? colours.ground;
      line(pen, own.width, points.map(([x, y]) => [x * width, y * height]));
    }
    undo.disabled = !kept.before.length;
    clear.disabled = !kept.strokes.length;
  };
  const tell = () => {
    paint();
    if (!kept.strokes.length) onchange(null);
    else canvas.toBlob((blob) => kept.strokes.length && onchange(blob), "image/png");
  };
  const become = (strokes) => {
    kept.before.push(kept.strokes);
    kept.strokes = strokes;
  };
  const move = (point) => {
    at = point.map((part) => Math.min(1, Math.max(0, part)));
    [tip.style.left, tip.style.top] = at.map((part) => `${100 * part}%`);
  };
  const begin = () => {
    stroke = { width: Number(size.value), colour: colours.pen, points: [at] };
    become([...kept.strokes, stroke]);
    tell();
  };
  const lift = () => {
    stroke = pointer = null;
    show(help, PEN_IS_UP);
    afterStroke?.();
    afterStroke = null;
  };
  const goBack = ({ target }) => {
    lift();
    kept.strokes = kept.before.pop();
    tell();
    if (target.disabled) canvas.focus();
  };

  const place = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || pointer !== null) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    lift();
    pointer = event.pointerId;
    move(place(event));
    begin();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke || event.pointerId !== pointer) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const each of moves.length ? moves : [event]) {
      move(place(each));
      stroke.points.push(at);
    }
    tell();
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(name, ({ pointerId }) => pointerId === pointer && lift());

  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || (!arrow && event.key !== " ")) return;
    event.preventDefault();
    if (arrow) {
      const step = event.shiftKey ? SMALL_STEP : STEP;
      move([at[0] + (arrow[0] * step) / width, at[1] + (arrow[1] * step) / height]);
      if (!stroke) return;
      stroke.points.push(at);
      tell();
    } else if (stroke) lift();
    else {
      begin();
      show(help, PEN_IS_DOWN);
    }
  });
  canvas.addEventListener("blur", () => pointer === null && lift());
  addEventListener("keydown", (event) => {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || undo.disabled) return;
    event.preventDefault();
    goBack(event);
  }, { signal });

  const colours = palette(channels === 3, preparation?.ground, tell);
  const size = h("input", { type: "range", min: 6, max: 64, value: Math.min(rows, columns) < FEW_PIXELS ? THICK : USUAL, "aria-label": "Width of the pen" });
  const undo = h("button", { type: "button", title: "Ctrl+Z", onclick: goBack }, "Undo");
  const clear = h("button", { type: "button", onclick: () => (lift(), become([]), tell(), canvas.focus()) }, "Clear");
  move(at);
  if (kept.strokes.length) tell();
  else paint();
  return {
    element: h("div", { class: "drawing" }, h("div", { class: "frame" }, canvas, tip), help, colours.element, h("div", { class: "row" }, h("label", { class: "pen" }, "Width", size), undo, clear)),
    /** Runs this at once, or when the stroke that is being drawn has ended. */
    atRest(run) {
      if (stroke) afterStroke = run;
      else run();
    },
    /** Empties the sheet without telling; undo brings the drawing back. */
    empty() {
      lift();
      if (kept.strokes.length) become([]);
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
