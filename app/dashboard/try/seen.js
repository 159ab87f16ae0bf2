/** What the network sees of a picture, and which of its pixels speak for the answer. */

import { quoted, request } from "../api.js";
import { h, show, text } from "../dom.js";
import { action } from "../parts.js";
import { pixelRelevance } from "./occlusion.js";

/** Orange speaks for, blue against: told apart by every kind of sight (Okabe and Ito 2008). */
const FOR = [230, 159, 0];
const AGAINST = [0, 114, 178];

/** Alpha of the map where a pixel counts most, of 255. */
const OPAQUE = 220;
/** Side of a square picture on the screen, and the longest of another, in rem. */
const SIDE = 9;
const LONGEST = 18;

/** The file as the model takes it, prepared as `query` says, as a PNG. */
export function inputOf(model, file, query, signal) {
  const headers = { "Content-Type": file.type };
  return request("POST", `/models/${quoted(model.id)}/input`, { body: file, headers, query, signal, as: "blob" });
}

/**
 * A panel of the network's input. `update(png, prediction, isCurrent)` shows another one, which can
 * be explained if `isCurrent()` says so; `wait()` says that the picture has changed since.
 */
export function seen(model, signal) {
  const canvas = h("canvas", { class: "pixels", role: "img", "aria-label": "What the network sees" });
  const grey = h("canvas", { class: "pixels grey" });
  const map = h("canvas", { class: "pixels map" });
  const layers = h("div", { class: "layers", "aria-hidden": "true", hidden: true }, grey, map);
  const frame = h("div", { class: "layers" }, canvas);
  const legend = h("div", { role: "status" });
  let shown = null;
  let turn = 0;
  const explain = action("Why?", async () => {
    const asked = shown;
    const { pixels, height, width } = asked;
    const channels = model.input_shape[0];
    const fall = await pixelRelevance(model.id, { pixels, channels, height, width }, asked.prediction.index, signal)
      .catch((error) => {
        if (asked === shown) throw error;
      });
    if (asked !== shown) return;
    grey.getContext("2d").drawImage(canvas, 0, 0);
    paint(map, fall, height, width);
    layers.hidden = false;
    show(legend, legendOf(fall, asked.prediction.label));
  });
  const element = h("div", { class: "seen" }, h("h3", {}, "What the network sees"), h("div", { class: "row" }, frame, layers), explain, legend);
  element.hidden = true;
  return {
    element,
    async update(png, prediction, isCurrent) {
      const began = ++turn;
      const image = await createImageBitmap(png);
      if (began !== turn) return;
      const { width, height } = image;
      for (const each of [canvas, grey, map]) Object.assign(each, { width, height });
      const aspect = width / height;
      for (const each of [frame, layers]) each.style.width = `${Math.min(LONGEST, SIDE * Math.sqrt(aspect), LONGEST * aspect)}rem`;
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
      shown = isCurrent() ? { pixels: planes(pen.getImageData(0, 0, width, height).data, model.input_shape[0]), prediction, width, height, png } : null;
      explain.toggleAttribute("data-waiting", !shown);
      layers.hidden = true;
      show(legend);
      element.hidden = false;
    },
    wait() {
      shown = null;
      explain.setAttribute("data-waiting", "");
    },
    /** The picture that is shown, a PNG of the size of the network's input. */
    get png() {
      return shown?.png;
    },
    clear() {
      turn += 1;
      shown = null;
      element.hidden = true;
    },
  };
}

/** RGBA, pixel after pixel, as channels one after another. */
function planes(rgba, channels) {
  const count = rgba.length / 4;
  const pixels = new Uint8Array(channels * count);
  for (let channel = 0; channel < channels; channel++) for (let at = 0; at < count; at++) pixels[channel * count + at] = rgba[4 * at + channel];
  return pixels;
}

const most = (fall) => fall.reduce((found, value) => Math.max(found, Math.abs(value)), 1e-6);

function paint(map, fall, height, width) {
  const scale = OPAQUE / most(fall);
  const image = new ImageData(width, height);
  fall.forEach((value, at) => image.data.set([...(value > 0 ? FOR : AGAINST), scale * Math.abs(value)], 4 * at));
  map.getContext("2d").putImageData(image, 0, 0);
}

/** What the colours of the map mean, from the least value to the greatest. */
function legendOf(fall, label) {
  const [least, greatest] = [Math.min, Math.max].map((either) => fall.reduce((found, value) => either(found, value)));
  const tint = (value) => `rgb(${(value > 0 ? FOR : AGAINST).join(" ")} / ${((OPAQUE / 255) * Math.abs(value)) / most(fall)})`;
  const zero = least < 0 && greatest > 0 ? `transparent ${(-100 * least) / (greatest - least)}%, ` : "";
  const bar = h("span", { class: "tints" });
  bar.style.background = `linear-gradient(to right, ${tint(least)}, ${zero}${tint(greatest)})`;
  return [
    h("p", { class: "row" }, text.signed(100 * least, 1), bar, text.signed(100 * greatest, 1), " percentage points"),
    h("p", { class: "help" }, `By how much the probability of ${label} falls where a patch is covered: `, h("span", { class: "for" }, "■"), ` speaks for ${label}, `, h("span", { class: "against" }, "■"), " against it."),
  ];
}
