/** A row of a table, typed in: its form, the answer while it changes, and which columns speak for it. */

import { post, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { action } from "../parts.js";
import { answer } from "./answer.js";
import { newest } from "./asking.js";
import { columnRelevance, usual } from "./occlusion.js";

const MOST_SHOWN = 10;

/** The view of a table's model: `model` as GET /models/{ref} answers it. */
export function rows(model, signal) {
  const place = h("div", { "aria-live": "polite" });
  const why = h("div");
  const fields = model.columns.map((column) => field(column));
  const row = () => Object.fromEntries(fields.map(({ name, value }) => [name, value()]));
  let last = null;
  const ask = newest(
    (sent) => post(`/models/${quoted(model.id)}/predict`, { inputs: [sent] }, { signal }),
    ({ predictions: [prediction] }, sent) => {
      last = { sent, prediction };
      show(place, answer(prediction, model.classes));
      show(why);
    },
    (error) => show(place, h("p", { class: "fault" }, error.message)),
  );
  const explain = action("Why?", async () => {
    const { sent, prediction } = last;
    const found = await columnRelevance(model.id, sent, model.columns, prediction.index, signal);
    show(why, relevance(found, prediction.label));
  });
  const form = h("form", { class: "card", oninput: () => ask(row()), onsubmit: (event) => event.preventDefault() }, h("h2", {}, "A row"), h("div", { class: "fields" }, fields.map(({ element }) => element)));
  ask(row());
  return h("div", { class: "two" }, form, h("section", { class: "card" }, h("h2", {}, "The answer"), place, h("p", {}, explain), why));
}

/** The field of a column, filled with what is usual there; empty means missing. */
function field(column) {
  const { name, kind, categories, low, high } = column;
  const id = `column-${name}`;
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

function relevance(found, label) {
  const ranked = found.sort((a, b) => Math.abs(b.fall) - Math.abs(a.fall)).slice(0, MOST_SHOWN);
  const most = Math.max(1e-6, ...ranked.map(({ fall }) => Math.abs(fall)));
  return [
    h("p", { class: "help" }, `How much the probability of ${label} falls when a column has its usual value instead.`),
    h("ol", { class: "classes" }, ranked.map(({ name, fall }) => {
      const bar = h("span", { class: `fill ${fall < 0 ? "against" : "for"}` });
      bar.style.width = `${(Math.abs(fall) / most) * 100}%`;
      return h("li", {}, h("span", { class: "ellipsis", title: name }, name), h("span", { class: "track", "aria-hidden": "true" }, bar), h("span", { class: "number" }, `${fall >= 0 ? "−" : "+"}${text.percent(Math.abs(fall))}`));
    })),
  ];
}
