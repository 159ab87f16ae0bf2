/** Pictures: drawn, dropped, pasted, photographed or chosen; one is answered at once, many as a table. */

import { quoted, request } from "../api.js";
import { keep, trainAgain } from "../data/corrections.js";
import { h, show, text } from "../dom.js";
import { action } from "../parts.js";
import { answer, warnings } from "./answer.js";
import { newest } from "./asking.js";
import { drawing } from "./drawing.js";
import { inputOf, seen } from "./seen.js";

const TYPES = "image/png,image/jpeg,image/webp,image/gif,image/bmp,image/tiff";

/** The view of a model of pictures: `model` as GET /models/{ref} answers it. */
export function pictures(model, signal) {
  const place = h("div", { "aria-live": "polite" }, h("p", { class: "soft" }, "Draw on the sheet, or bring a picture."));
  const preview = h("div");
  const network = seen(model, signal);
  const correction = correct(model, network, signal);
  const many = h("section", { class: "card", hidden: true });

  const ask = newest(
    (file) => Promise.all([predict(model, file, signal), inputOf(model.id, file, signal)]),
    ([prediction, png], file) => {
      show(place, answer(prediction, model.classes));
      network.update(png, prediction);
      correction.offer(prediction);
      place.dataset.answered = file.size;
    },
    (error) => {
      show(place, h("p", { class: "fault" }, error.message));
      network.clear();
      correction.withdraw();
    },
  );
  const sheet = drawing(model.input_shape[1], (blob) => {
    show(preview);
    if (blob) ask(blob);
    else {
      ask.forget();
      show(place, h("p", { class: "soft" }, "Draw on the sheet, or bring a picture."));
      network.clear();
      correction.withdraw();
    }
  });
  const bring = (files) => {
    const images = [...files].filter(({ type }) => type.startsWith("image/"));
    if (!images.length) return;
    sheet.empty();
    ask.forget();
    many.hidden = images.length < 2;
    if (images.length > 1) table(model, images, many, signal);
    show(preview, h("p", { class: "soft ellipsis" }, images[0].name), thumbnail(images[0], signal));
    ask(images[0]);
  };
  receive(bring, signal);
  const chooser = h("input", { type: "file", accept: TYPES, multiple: true, class: "only-read", id: "file", onchange: () => bring(chooser.files) });
  const camera = h("input", { type: "file", accept: "image/*", capture: "environment", class: "only-read", id: "camera", onchange: () => bring(camera.files) });
  return [
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        { class: "card" },
        sheet.element,
        h("p", { class: "row" }, h("label", { class: "button", for: "file" }, "Choose pictures"), chooser, h("label", { class: "button", for: "camera" }, "Photograph"), camera),
        h("p", { class: "help" }, "Or drop or paste one anywhere on this page."),
        preview,
      ),
      h("section", { class: "card" }, h("h2", {}, "The answer"), place, network.element, correction.element),
    ),
    many,
  ];
}

async function predict(model, file, signal) {
  const headers = { "Content-Type": file.type };
  const { predictions } = await request("POST", `/models/${quoted(model.id)}/predict`, { body: file, headers, signal });
  return predictions[0];
}

/** Listens for dropped and pasted files, wherever they land. */
function receive(bring, signal) {
  addEventListener("dragover", (event) => event.preventDefault(), { signal });
  addEventListener("drop", (event) => (event.preventDefault(), bring(event.dataTransfer.files)), { signal });
  addEventListener("paste", (event) => bring(event.clipboardData.files), { signal });
}

function thumbnail(file, signal) {
  const url = URL.createObjectURL(file);
  signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  return h("img", { src: url, alt: "The picture that was brought", class: "thumbnail" });
}

/** A line for each of several pictures. */
async function table(model, files, place, signal) {
  const body = h("tbody");
  show(place, h("h2", {}, `${files.length} pictures`), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Answers" }, h("table", {}, h("thead", {}, h("tr", {}, ["", "File", "Answer", "Probability", "Doubts"].map((title) => h("th", { scope: "col" }, title || h("span", { class: "only-read" }, "Picture"))))), body)));
  for (const file of files) {
    if (signal.aborted || !body.isConnected) return;
    const told = await predict(model, file, signal).then(
      ({ label, confidence, warnings: found }) => [h("td", {}, label), h("td", { class: "number" }, text.percent(confidence)), h("td", {}, warnings(found))],
      (error) => [h("td", { class: "fault", colspan: 3 }, error.message)],
    );
    body.append(h("tr", {}, h("td", {}, thumbnail(file, signal)), h("td", {}, file.name), told));
  }
}

/** "It is a …": keeps what the network saw with its right class, and trains on it. */
function correct(model, network, signal) {
  const choice = h("select", { id: "right-class" }, model.classes.map((label) => h("option", { value: label }, label)));
  const told = h("div", { role: "status" });
  const keeping = action("Keep it", async () => {
    show(told, h("p", { class: "soft" }, "Keeping it…"));
    try {
      const dataset = await keep(model, choice.value, network.png, signal);
      const again = async () => (location.hash = `#/jobs/${(await trainAgain(model, dataset)).id}`);
      show(told, h("p", {}, "Kept in ", h("a", { href: `#/data/${quoted(dataset.name)}` }, dataset.name), ` with its ${text.count(dataset.facts.train_images)} training pictures.`), action("Train again", again, { primary: true }));
    } catch (error) {
      show(told);
      throw error;
    }
  });
  const element = h("details", { class: "correct", hidden: true }, h("summary", {}, "That is wrong"), h("label", { for: "right-class" }, "It is a"), h("div", { class: "row" }, choice, keeping), told);
  return {
    element,
    offer({ label }) {
      element.hidden = false;
      choice.value = label;
      show(told);
    },
    withdraw() {
      element.hidden = true;
    },
  };
}
