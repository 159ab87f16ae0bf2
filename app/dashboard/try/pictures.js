/** The view of a model of pictures: a sheet to draw on, files that are brought, and the answer. */

import { h, show } from "../dom.js";
import { correcting } from "./correcting.js";
import { drawing } from "./drawing.js";
import { many } from "./many.js";
import { predicting } from "./predicting.js";
import { preparing } from "./preparing.js";
import { receiving, thumbnail } from "./receiving.js";
import { seen } from "./seen.js";

/** The view; `model` as GET /models/{ref} answers it. Calls `ongone` if it was deleted since. */
export function pictures(model, ongone, signal) {
  const preview = h("div");
  const network = seen(model, signal);
  const correction = correcting(model, network, signal);
  const preparation = preparing(model, () => {
    answers.again();
    table.again();
  });
  const answers = predicting({ model, preparation, network, correction, ongone: () => sheet.atRest(ongone) }, signal);
  const table = many(model, preparation, signal);
  const sheet = drawing(model, (blob) => {
    show(preview);
    if (blob) answers.ask(blob);
    else answers.clear();
  }, signal);
  const bring = (files) => {
    sheet.empty();
    table.clear();
    if (files.length > 1) table.ask(files);
    const first = files.find(({ type }) => type.startsWith("image/")) ?? files[0];
    show(preview, h("p", { class: "soft ellipsis", title: first.name }, first.name), thumbnail(first, signal));
    answers.begin(first);
  };
  const buttons = receiving(bring, signal);
  return [
    h(
      "div",
      { class: "columns" },
      h("section", { class: "card" }, sheet.element, buttons, preview, preparation.element),
      h("section", { class: "card" }, h("h2", {}, "The answer"), answers.element, network.element, correction.element),
    ),
    table.element,
  ];
}
