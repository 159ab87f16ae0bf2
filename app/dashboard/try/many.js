/** Many pictures: a table with a line for each. */

import { h, show, text } from "../dom.js";
import { scrolling } from "../tables.js";
import { warnings } from "./answer.js";
import { predict } from "./predicting.js";
import { fitted, thumbnail } from "./receiving.js";

const TITLES = ["File", "Answer", "Probability", "Doubts"];

/** A card that `ask(files)` fills, one file after another; `clear()` empties and hides it. */
export function many(model, signal) {
  const element = h("section", { class: "card", hidden: true });
  const line = async (file) => {
    const told = await fitted(file).then((sent) => predict(model, sent, signal)).then(
      ({ label, confidence, warnings: found }) => [h("td", {}, label), h("td", { class: "number" }, text.percent(confidence)), h("td", {}, warnings(found))],
      (error) => [h("td", { class: "fault", colspan: 3 }, error.message)],
    );
    return h("tr", {}, h("td", {}, thumbnail(file, signal)), h("td", {}, file.name), told);
  };
  return {
    element,
    async ask(files) {
      const body = h("tbody");
      const pictures = h("th", { scope: "col" }, h("span", { class: "only-read" }, "Picture"));
      const head = h("thead", {}, h("tr", {}, pictures, TITLES.map((title) => h("th", { scope: "col" }, title))));
      show(element, h("h2", {}, `${files.length} files`), scrolling("Answers", h("table", {}, head, body)));
      element.hidden = false;
      for (const file of files) {
        if (signal.aborted || !body.isConnected) return; // others were brought since
        body.append(await line(file));
      }
    },
    clear() {
      show(element);
      element.hidden = true;
    },
  };
}
