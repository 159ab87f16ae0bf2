/** Answers for pictures: the prediction at once, then what the network saw of the picture. */

import { quoted, request } from "../api.js";
import { h, show } from "../dom.js";
import { notice } from "../parts.js";
import { answer } from "./answer.js";
import { newest } from "./asking.js";
import { fitted } from "./receiving.js";
import { inputOf } from "./seen.js";

const IDLE = "Draw on the sheet, or bring a picture.";

/** The model's answer for a picture that /predict takes. */
export async function predict(model, file, signal) {
  const headers = { "Content-Type": file.type };
  const { predictions } = await request("POST", `/models/${quoted(model.id)}/predict`, { body: file, headers, signal });
  return predictions[0];
}

/**
 * The answer for the newest picture, which `network` and `correction` follow: `ask(file)` while a
 * drawing grows, `begin(file)` for another picture, `clear()` for none. Calls `ongone` if the model
 * was deleted.
 */
export function predicting({ model, network, correction, ongone }, signal) {
  const place = h("div", { "aria-live": "polite" }, h("p", { class: "soft" }, IDLE));
  let current = null; // the prediction that is shown; null while its picture has changed
  const look = newest(
    ({ sent }) => inputOf(model.id, sent, signal),
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
      return { sent, prediction: await predict(model, sent, signal) };
    },
    ({ sent, prediction }, file) => {
      current = prediction;
      show(place, answer(prediction, model.classes));
      place.dataset.answered = file.size;
      look({ sent, prediction }); // the answer waits for no preview, nor does the next
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
      current = null;
      network.wait();
      correction.withdraw();
      ask(file);
    },
    begin(file) {
      forget();
      show(place, h("p", { class: "soft" }, "Asking the model…"));
      ask(file);
    },
    clear() {
      forget();
      show(place, h("p", { class: "soft" }, IDLE));
    },
  };
}
