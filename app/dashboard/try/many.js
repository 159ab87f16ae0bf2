/** Many pictures: a table with a line for each, and their right classes to keep them by. */

import { keep } from "../data/corrections.js";
import { h, show, text } from "../dom.js";
import { action } from "../parts.js";
import { scrolling } from "../tables.js";
import { warnings } from "./answer.js";
import { kept } from "./correcting.js";
import { predict } from "./predicting.js";
import { fitted, thumbnail } from "./receiving.js";
import { inputOf } from "./seen.js";

const TITLES = ["Picture", "It is a", "Answer", "Probability", "Doubts"];

/**
 * A card that `ask(files)` fills, one file after another; `again()` asks anew, with the right
 * classes as they are; `clear()` empties and hides it.
 */
export function many(model, preparation, signal) {
  const element = h("section", { class: "card many", hidden: true });
  const told = h("div", { role: "status" });
  let lines = [];
  let turn = 0;

  /** A choice of a class by its number, as a class may have any name; "" is none. */
  const classes = (none, properties) => h("select", properties, h("option", { value: "" }, none), model.classes.map((label, index) => h("option", { value: index }, label)));
  const chosen = () => lines.filter(({ choice }) => choice.value);
  const count = () => {
    const { length } = chosen();
    keeping.disabled = !length;
    show(keeping, length === 1 ? "Keep 1 picture" : `Keep ${length} pictures`);
    show(told);
  };
  const all = classes("left out", { id: "all-classes", onchange: () => {
    for (const { choice } of lines) choice.value = choice.disabled ? "" : all.value;
    count();
  } });
  const keeping = action("Keep", async () => {
    const some = chosen();
    const examples = [];
    try {
      for (const { choice, file } of some) {
        show(told, h("p", { class: "soft" }, `Keeping ${examples.length + 1} of ${some.length}…`));
        const picture = await inputOf(model, await fitted(file), preparation.query, signal);
        examples.push({ label: model.classes[choice.value], picture });
      }
      show(told, kept(model, await keep(model, examples, signal)));
    } catch (error) {
      show(told);
      throw error;
    }
  });

  const lineOf = (file) => {
    const choice = classes("–", { "aria-label": `${file.name} is a`, onchange: count });
    const row = h("tr", {}, h("td", {}, thumbnail(file, signal), h("span", { class: "soft ellipsis", title: file.name }, file.name)), h("td", {}, choice), h("td", { class: "soft", colspan: 3 }, "…"));
    return { file, choice, row };
  };
  const answer = async ({ file, choice, row }) => {
    const cells = await fitted(file).then((sent) => predict(model, sent, preparation.query, signal)).then(
      ({ label, confidence, warnings: found }) => [h("td", {}, label), h("td", { class: "number" }, text.percent(confidence)), h("td", {}, warnings(found))],
      (error) => {
        choice.value = "";
        choice.disabled = true; // what is no picture cannot be kept
        return [h("td", { class: "fault", colspan: 3 }, error.message)];
      },
    );
    show(row, row.children[0], row.children[1], cells);
    count();
  };
  const askAll = async () => {
    const began = ++turn;
    for (const line of lines) {
      if (signal.aborted || began !== turn) return; // others were brought since
      await answer(line);
    }
  };
  return {
    element,
    ask(files) {
      lines = files.map(lineOf);
      all.value = "";
      const head = h("thead", {}, h("tr", {}, TITLES.map((title) => h("th", { scope: "col", class: title === "Probability" ? "number" : null }, title))));
      show(
        element,
        h("h2", {}, `${files.length} files`),
        h("p", { class: "row" }, h("label", { for: "all-classes" }, "All of them are"), all),
        scrolling("Answers", h("table", {}, head, h("tbody", {}, lines.map(({ row }) => row)))),
        h("div", { class: "correct" }, keeping, told),
      );
      element.hidden = false;
      count();
      return askAll();
    },
    again: askAll,
    clear() {
      turn += 1;
      lines = [];
      show(element);
      element.hidden = true;
    },
  };
}
