/** Which model is in production: promote this one, roll back, and what was there before. */

import { get, items, make, put, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { action, notice } from "../parts.js";

const PRODUCTION = "production";
const FIRST = 5;

/** A section that keeps itself up to date; `onchange` is called when the alias has moved. */
export function promotion(model, signal, onchange) {
  const place = h("div");
  const element = h("section", { class: "card", "aria-label": "Production" }, h("h2", {}, "Production"), place);

  const draw = () => drawn().catch((error) => {
    if (error.name === "AbortError") throw error;
    show(place, h("p", { class: "fault" }, error.message));
  });
  const drawn = async () => {
    const alias = await inProduction(signal);
    const isThis = alias?.model === model.id;
    const comparison = h("p", { class: "soft" });
    show(
      place,
      h("p", {}, isThis ? "This model answers predictions that name no other." : alias ? ["Predictions are answered by ", link(alias.model), "."] : "No model is in production yet: the newest answers predictions."),
      comparison,
      h(
        "div",
        { class: "row" },
        isThis ? null : action("Promote to production", promote),
        alias?.previous ? action("Roll back", rollBack) : null,
      ),
      alias ? history(alias.history, model.id) : null,
    );
    if (alias && !isThis) await compared(comparison, alias.model, model, signal);
  };
  const promote = async () => {
    await put(`/models/aliases/${PRODUCTION}`, { model: model.id });
    notice("This model is in production now.");
    await changed();
  };
  const rollBack = async () => {
    const alias = await make(`/models/aliases/${PRODUCTION}/rollback`);
    notice(`Rolled back: ${alias.model === model.id ? "this model" : alias.model} is in production.`);
    await changed();
  };
  const changed = async () => {
    await draw();
    await onchange();
  };
  return { element, draw };
}

/** The alias; undefined while nothing is in production. Aliases are listed by name. */
async function inProduction(signal) {
  for await (const alias of items("/models/aliases", { query: { limit: 100 }, signal })) {
    if (alias.name >= PRODUCTION) return alias.name === PRODUCTION ? alias : undefined;
  }
  return undefined;
}

/** Says how the model does beside the one in production, where both answered the same test. */
async function compared(place, production, { id, provenance }, signal) {
  const other = await get(`/models/${quoted(production)}`, { signal });
  if (!provenance.dataset_sha256 || other.provenance.dataset_sha256 !== provenance.dataset_sha256) {
    show(place, "It was not measured on the same test images as the model in production.");
    return;
  }
  const query = { a: production, b: id };
  const { verdict } = await get("/models/compare", { query, signal });
  show(place, `With a in production, and this model as b: ${verdict} `, h("a", { href: `#/models/compare?${new URLSearchParams(query)}` }, "Compare with production"));
}

function history(promotions, id) {
  const item = ({ model, at, by }) => h("li", {}, h("time", { datetime: at }, text.ago(at)), " ", model === id ? h("strong", {}, "this model") : link(model), by ? h("span", { class: "soft" }, " by ", h("code", {}, by)) : null);
  const rest = promotions.slice(FIRST);
  return [
    h("h3", {}, "History"),
    h("ol", { class: "plain" }, promotions.slice(0, FIRST).map(item)),
    rest.length ? h("details", {}, h("summary", {}, `${rest.length} earlier`), h("ol", { class: "plain" }, rest.map(item))) : null,
  ];
}

const link = (id) => h("a", { class: "mono name", href: `#/models/${quoted(id)}` }, id);
