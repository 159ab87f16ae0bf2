/** How pictures are prepared for a model of a built-in dataset: `preprocess` of /predict. */

import { h, show } from "../dom.js";

const WAYS = {
  auto: "As mnist where the model was trained on digits and the picture is not like its training pictures already; else as none.",
  mnist: "The digit is found, made bright on black, scaled and centred, as those of MNIST were.",
  none: "The picture is made grey and scaled to the network's input, nothing else.",
};

/** The choice, and the `query` that it means; a model of one's own pictures, and of colours, has none. */
export function preparing({ preparation, input_shape: [channels] }, onchange) {
  if (preparation || channels !== 1) return { element: null, query: {} };
  const help = h("p", { class: "help", id: "preprocess-help" }, WAYS.auto);
  const choice = h(
    "select",
    { id: "preprocess", "aria-describedby": "preprocess-help", onchange: () => (show(help, WAYS[choice.value]), onchange()) },
    Object.keys(WAYS).map((way) => h("option", {}, way)),
  );
  return {
    element: h("div", { class: "field" }, h("label", { for: "preprocess" }, "Preparation of pictures"), choice, help),
    get query() {
      return choice.value === "auto" ? {} : { preprocess: choice.value };
    },
  };
}
