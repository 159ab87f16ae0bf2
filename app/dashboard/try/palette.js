/** What a sheet is drawn with: the colours of pen and ground. */

import { h } from "../dom.js";

const INK = "#111111";
const PAPER = "#ffffff";
const PENS = [["black", INK], ["white", PAPER], ["red", "#e02020"], ["yellow", "#f5c400"], ["green", "#1fa64a"], ["blue", "#2050e0"]];
/** Colours whose mean is above this are light, of 255. */
const LIGHT = 127;

/**
 * The colours of a sheet; those of a coloured one can be chosen. `ground` is that of the model's
 * preparation, red, green and blue. `pen` is null where it rubs out. `onground` is called when the
 * ground has changed.
 */
export function palette(isColoured, ground, onground) {
  const paper = ground ? hex(ground) : PAPER;
  const ink = !ground || mean(ground) > LIGHT ? INK : PAPER;
  if (!isColoured) return { element: null, ground: paper, pen: ink };
  let pen = ink;
  const choice = ([name, colour]) => {
    const swatch = h("span", { class: "swatch" });
    swatch.style.background = colour ?? "";
    return h("label", { title: name }, h("input", { type: "radio", name: "pen", class: "only-read", "aria-label": name, checked: colour === pen, onchange: () => (pen = colour) }), colour ? swatch : name);
  };
  const onto = h("input", { type: "color", value: paper, oninput: onground });
  return {
    element: h("div", { class: "row colours" }, h("fieldset", { class: "chips" }, h("legend", {}, "Pen"), [...PENS, ["rub out", null]].map(choice)), h("label", { class: "pen" }, "Ground", onto)),
    get ground() {
      return onto.value;
    },
    get pen() {
      return pen;
    },
  };
}

const hex = (colour) => `#${colour.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
const mean = (colour) => colour.reduce((sum, part) => sum + part) / colour.length;
