/** The weights of a first layer that sees pixels, each unit as a picture. */

import { h, show, text } from "../dom.js";
import { action } from "../parts.js";
import { readTensor } from "./safetensors.js";

/** Units that are drawn at once; a phone has less room. */
const FIRST = matchMedia("(max-width: 42rem)").matches ? 20 : 64;
/** Larger files are fetched when they are asked for. */
const SMALL_BYTES = 4e6;
/** Side of a unit on the screen, in pixels. */
const SIDE = 56;
/** Blue, white and red as in the map "RdBu" (ColorBrewer): told apart by colour-blind eyes, too. */
const LOW = [33, 102, 172];
const MIDDLE = [247, 247, 247];
const HIGH = [178, 24, 43];

/** A section for the model's first layer; null for a table. It fills itself. */
export function firstLayer(model, path, signal) {
  if (model.input_shape.length !== 3) return null;
  const place = h("div");
  const section = h("section", { class: "card", hidden: true }, h("h2", {}, "What the first layer looks for"), place);
  const load = async () => {
    const tensor = await readTensor(`${path}/weights`, (header) => seesPixels(header, model.input_shape), signal);
    section.hidden = !tensor;
    if (tensor) show(place, drawn(tensor, model.input_shape));
  };
  const { bytes } = model.files.weights ?? {};
  if (!bytes) return null;
  if (bytes > SMALL_BYTES) {
    section.hidden = false;
    show(place, action(`Show, from ${text.bytes(bytes)} of weights`, load));
  } else load().catch((error) => {
    if (error.name === "AbortError") return;
    section.hidden = false;
    show(place, h("p", { class: "fault" }, error.message));
  });
  return section;
}

/** The first tensor with a weight for each pixel, or with a kernel; null if the layer sees features. */
export function seesPixels(header, [channels, height, width]) {
  const names = Object.keys(header).filter((name) => name.endsWith(".weight") && header[name].shape.length > 1);
  const [first] = names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  if (!first) return null;
  const { shape } = header[first];
  const isDense = shape.length === 2 && shape[1] === channels * height * width;
  // A grey picture becomes three equal channels for a network that was trained on coloured ones.
  const isKernel = shape.length === 4 && (shape[1] === channels || shape[1] === 3) && shape[2] > 1;
  return isDense || isKernel ? first : null;
}

function drawn({ shape, values }, inputShape) {
  const [channels, height, width] = shape.length === 4 ? shape.slice(1) : inputShape;
  const units = shape[0];
  const size = channels * height * width;
  const gallery = h("div", { class: "units" });
  const draw = (from, to) => {
    for (let unit = from; unit < to; unit++) {
      const weights = values.subarray(unit * size, (unit + 1) * size);
      gallery.append(canvas(weights, [channels, height, width], `Unit ${unit + 1}`));
    }
  };
  const more = h("button", { type: "button", hidden: units <= FIRST, onclick: () => {
    const shown = gallery.children.length;
    draw(shown, Math.min(shown + FIRST, units));
    more.hidden = gallery.children.length === units;
    show(more, `${Math.min(FIRST, units - gallery.children.length)} more`);
  } }, `${Math.min(FIRST, units - FIRST)} more`);
  draw(0, Math.min(FIRST, units));
  const what = shape.length === 4 ? `${units} kernels of ${height} x ${width} pixels` : `${units} units, each with a weight for every pixel`;
  const colours = channels === 3
    ? "Grey is 0; a brighter channel has a positive weight, a darker one a negative."
    : "Red pixels speak for the unit, blue ones against it, white ones do not count.";
  return [h("p", {}, `${what}. ${colours} Each is scaled to its own largest weight.`), gallery, more];
}

function canvas(weights, [channels, height, width], label) {
  const element = h("canvas", { width, height, role: "img", "aria-label": label, title: label });
  const scale = SIDE / Math.max(height, width);
  element.style.width = `${width * scale}px`;
  element.style.height = `${height * scale}px`;
  const context = element.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = height * width;
  const most = weights.reduce((found, value) => Math.max(found, Math.abs(value)), 0) || 1;
  for (let at = 0; at < pixels; at++) {
    const colour = channels === 3
      ? [0, 1, 2].map((channel) => 127.5 * (1 + weights[channel * pixels + at] / most))
      : diverging(mean(weights, channels, pixels, at) / most);
    image.data.set([...colour, 255], 4 * at);
  }
  context.putImageData(image, 0, 0);
  return element;
}

/** The weight of a pixel; of more than one channel that is not colour, the mean. */
function mean(weights, channels, pixels, at) {
  let sum = 0;
  for (let channel = 0; channel < channels; channel++) sum += weights[channel * pixels + at];
  return sum / channels;
}

/** -1 to 1 as blue, white, red. */
function diverging(value) {
  const end = value < 0 ? LOW : HIGH;
  return MIDDLE.map((middle, channel) => middle + Math.abs(value) * (end[channel] - middle));
}
