/** A row of a table, typed in: its form, the answer while it changes, and which columns speak for it. */

import { post, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { action } from "../parts.js";
import { answer } from "./answer.js";
import { newest } from "./asking.js";
import { columnRelevance, usual } from "./occlusion.js";

const MOST_SHOWN = 10;

/** The view of a table's model as GET /models/{ref} answers it. Calls `ongone` if it was deleted since. */
export function rows(model, ongone, signal) {
  const place = h("div", { "aria-live": "polite" });
  const why = h("div");
  const fields = model.columns.map(field);
  const row = () => Object.fromEntries(fields.map(({ name, value }) => [name, value()]));
  let answered = null; // the row in the form with its prediction; null until that has come
  const ask = newest(
    (sent) => post(`/models/${quoted(model.id)}/predict`, { inputs: [sent] }, { signal }),
    ({ predictions: [prediction] }, sent) => {
      answered = { sent, prediction };
      explain.hidden = false;
      place.removeAttribute("data-stale");
      show(place, answer(prediction, model.classes));
    },
    (error) => {
      place.removeAttribute("data-stale");
      show(place, h("p", { class: "fault" }, error.message));
      if (error.code === "model_not_found") ongone();
    },
  );
  const changed = () => {
    answered = null;
    explain.hidden = true;
    show(why);
    place.setAttribute("data-stale", "");
    ask.forget(); // an answer on its way is one for another row
    ask(row());
  };
  const explain = action("Why?", async () => {
    const asked = answered;
    const found = await columnRelevance(model.id, asked.sent, model.columns, asked.prediction.index, signal)
      .catch((error) => {
        if (asked === answered) throw error;
      });
    if (asked === answered) show(why, relevance(found, asked.prediction.label));
  });
  const form = h(
    "form",
    { class: "card", oninput: changed, onsubmit: (event) => event.preventDefault() },
    h("h2", {}, "A row"),
    h("p", { class: "help" }, "It begins as the usual row: means of numbers and dates, the first value of categories. An empty field means “missing value”."),
    h("div", { class: "fields" }, fields.map(({ element }) => element)),
  );
  changed();
  return h("div", { class: "two" }, form, h("section", { class: "card" }, h("h2", {}, "The answer"), place, h("p", {}, explain), why));
}

/** The field of a column, filled with what is usual there; empty means missing. */
function field(column, index) {
  const { name, kind, categories, low, high } = column;
  const id = `column-${index}`; // a column's name may hold spaces, which part ids
  const list = kind === "category" && categories.length ? `${id}-values` : null;
  const input = h("input", { id, list, value: usual(column) ?? "", autocomplete: "off", inputmode: kind === "number" ? "decimal" : null, "aria-describedby": `${id}-help` });
  const range = kind === "number" ? `${text.number(low)} to ${text.number(high)} in training` : kind === "date" ? `a date, ${day(low)} to ${day(high)} in training` : `${categories.length} values known`;
  return {
    name,
    value: () => (input.value.trim() === "" ? null : input.value.trim()),
    element: h("div", { class: "field" }, h("label", { for: id, class: "ellipsis", title: name }, name), input, list ? h("datalist", { id: list }, categories.map((value) => h("option", { value }))) : null, h("p", { class: "help", id: `${id}-help` }, range)),
  };
}

const day = (days) => new Date(days * 86400000).toISOString().slice(0, 10);

/** Contributions of columns, the largest first; those with their usual values stand last. */
function relevance(found, label) {
  const size = ({ contribution }) => (contribution === null ? -1 : Math.abs(contribution));
  const ranked = [...found].sort((a, b) => size(b) - size(a)).slice(0, MOST_SHOWN);
  const most = Math.max(1e-6, ...ranked.map(size));
  const isUsual = found.every(({ contribution }) => contribution === null);
  return [
    h("p", { class: "help" }, isUsual ? "Every column has its usual value, so there is nothing to explain: change one." : `What each column adds to the probability of ${label}, compared with its usual value.`),
    h("ol", { class: "classes" }, ranked.map((each) => contributed(each, size(each) / most))),
  ];
}

function contributed({ name, contribution }, share) {
  const title = h("span", { class: "ellipsis", title: name }, name);
  if (contribution === null) return h("li", {}, title, h("span", { class: "soft rest" }, "has its usual value"));
  const bar = h("span", { class: `fill ${contribution < 0 ? "against" : "for"}` });
  bar.style.width = `${share * 100}%`;
  return h("li", {}, title, h("span", { class: "track", "aria-hidden": "true" }, bar), h("span", { class: "number" }, `${text.signed(100 * contribution, 1)}%`));
}
