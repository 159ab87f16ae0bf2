/** Answers for pictures: the prediction at once, then what the network saw of the picture. */

import { quoted, request } from "../api.js";
import { h, show } from "../dom.js";
import { notice } from "../parts.js";
import { answer } from "./answer.js";
import { newest } from "./asking.js";
import { fitted } from "./receiving.js";
import { inputOf } from "./seen.js";

const IDLE = "Draw on the sheet, or bring a picture.";

/** The model's answer for a picture that /predict takes, prepared as `query` says. */
export async function predict(model, file, query, signal) {
  const headers = { "Content-Type": file.type };
  const { predictions } = await request("POST", `/models/${quoted(model.id)}/predict`, { body: file, headers, query, signal });
  return predictions[0];
}

/**
 * The answer for the newest picture, which `network` and `correction` follow: `ask(file)` while a
 * drawing grows, `begin(file)` for another picture, `again()` for the same one, prepared otherwise,
 * `clear()` for none. Calls `ongone` if the model was deleted.
 */
export function predicting({ model, preparation, network, correction, ongone }, signal) {
  const place = h("div", { "aria-live": "polite" }, h("p", { class: "soft" }, IDLE));
  let current = null; // the prediction that is shown; null while its picture has changed
  let newestFile = null;
  const look = newest(
    ({ sent, query }) => inputOf(model, sent, query, signal),
    async (png, { prediction }) => {
      const isCurrent = () => prediction === current;
      await network.update(png, prediction, isCurrent);
      if (isCurrent()) correction.offer(prediction);
    },
    (error) => notice(error.message, true),
  );
  const ask = newest(
    async (file) => {
      const sent = await fitted(file);
      const { query } = preparation;
      return { sent, query, prediction: await predict(model, sent, query, signal) };
    },
    ({ sent, query, prediction }, file) => {
      current = prediction;
      show(place, answer(prediction, model.classes));
      place.dataset.answered = file.size;
      look({ sent, query, prediction }); // the answer waits for no preview, nor does the next
    },
    (error) => {
      forget();
      show(place, h("p", { class: "fault" }, error.message));
      if (error.code === "model_not_found") ongone();
    },
  );
  const forget = () => {
    ask.forget();
    look.forget();
    current = null;
    network.clear();
    correction.withdraw();
  };
  return {
    element: place,
    ask(file) {
      newestFile = file;
      current = null;
      network.wait();
      correction.withdraw();
      ask(file);
    },
    begin(file) {
      newestFile = file;
      forget();
      show(place, h("p", { class: "soft" }, "Asking the model…"));
      ask(file);
    },
    again() {
      if (newestFile) this.ask(newestFile);
    },
    clear() {
      newestFile = null;
      forget();
      show(place, h("p", { class: "soft" }, IDLE));
    },
  };
}
