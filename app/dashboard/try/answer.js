/** An answer of a model: its classes by probability, and what is doubtful about it. */

import { h, text } from "../dom.js";

const SHOWN = 5;

/** The answer as elements; `classes` are the model's, in their order. */
export function answer(prediction, classes) {
  const ranked = prediction.probabilities
    .map((probability, index) => ({ probability, label: classes[index] }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, SHOWN);
  return h(
    "div",
    { class: "answer" },
    h("p", { class: "big ellipsis", title: prediction.label }, prediction.label),
    h("ol", { class: "classes" }, ranked.map(one)),
    warnings(prediction.warnings),
  );
}

function one({ label, probability }) {
  const bar = h("span", { class: "fill" });
  bar.style.width = `${probability * 100}%`;
  return h("li", {}, h("span", { class: "ellipsis", title: label }, label), h("span", { class: "track", "aria-hidden": "true" }, bar), h("span", { class: "number" }, text.percent(probability)));
}

/** The doubts about an input, or null. */
export function warnings(found) {
  if (!found?.length) return null;
  return h("ul", { class: "doubts" }, found.map(({ detail }) => h("li", {}, detail)));
}
