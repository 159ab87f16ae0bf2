/** What the network sees of a picture, and which of its pixels speak for the answer. */

import { quoted, request } from "../api.js";
import { h, show } from "../dom.js";
import { action } from "../parts.js";
import { pixelRelevance } from "./occlusion.js";

/** Orange speaks for, blue against: told apart by every kind of sight (Okabe and Ito 2008). */
const FOR = [230, 159, 0];
const AGAINST = [0, 114, 178];

/** The file as the model takes it, as a PNG. */
export function inputOf(model, file, signal) {
  const headers = { "Content-Type": file.type };
  return request("POST", `/models/${quoted(model)}/input`, { body: file, headers, signal, as: "blob" });
}

/**
 * A panel of the network's input. `update(png, prediction, isCurrent)` shows another one, which can
 * be explained if `isCurrent()` says so; `wait()` says that the picture has changed since.
 */
export function seen(model, signal) {
  const canvas = h("canvas", { class: "pixels", role: "img", "aria-label": "What the network sees" });
  const map = h("canvas", { class: "pixels map", "aria-hidden": "true" });
  const legend = h("p", { class: "help", role: "status" });
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
    paint(map, fall, height, width);
    show(legend, h("span", { class: "for" }, "■"), ` speaks for ${asked.prediction.label}, `, h("span", { class: "against" }, "■"), " against it: how much the answer falls or rises where a patch is covered.");
  });
  const element = h("div", { class: "seen" }, h("h3", {}, "What the network sees"), h("div", { class: "layers" }, canvas, map), explain, legend);
  element.hidden = true;
  return {
    element,
    async update(png, prediction, isCurrent) {
      const began = ++turn;
      const image = await createImageBitmap(png);
      if (began !== turn) return;
      const { width, height } = image;
      Object.assign(canvas, { width, height });
      Object.assign(map, { width, height });
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
      shown = isCurrent() ? { pixels: planes(pen.getImageData(0, 0, width, height).data, model.input_shape[0]), prediction, width, height, png } : null;
      explain.toggleAttribute("data-waiting", !shown);
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

function paint(map, fall, height, width) {
  const most = Math.max(1e-6, ...fall.map(Math.abs));
  const image = new ImageData(width, height);
  fall.forEach((value, at) => {
    const [red, green, blue] = value > 0 ? FOR : AGAINST;
    image.data.set([red, green, blue, 220 * (Math.abs(value) / most)], 4 * at);
  });
  map.getContext("2d").putImageData(image, 0, 0);
}
