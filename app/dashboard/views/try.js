/** Try a model: draw or bring a picture, or type a row, and see the answer and what speaks for it. */

import { get, items, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { empty } from "../parts.js";
import { styled } from "../stylesheet.js";
import { pictures } from "../try/pictures.js";
import { rows } from "../try/rows.js";

const MOST_MODELS = 100;

export async function view(place, { query }, signal) {
  await styled(place, "try");
  const models = [];
  for await (const model of items("/models", { query: { limit: MOST_MODELS }, signal })) {
    models.push(model);
    if (models.length === MOST_MODELS) break;
  }
  if (!models.length) {
    show(place, h("h1", {}, "Try it"), empty("No model yet", h("p", {}, "A job that succeeds publishes one."), h("p", {}, h("a", { class: "button primary", href: "#/new" }, "Train a network"))));
    return;
  }
  const aliases = await get("/models/aliases", { query: { limit: 100 }, signal });
  const named = (id) => aliases.data.filter(({ model }) => model === id).map(({ name }) => name);
  const usual = aliases.data.find(({ name }) => name === "production")?.model ?? models[0].id;
  const ref = query.get("model") ?? usual;
  const model = await get(`/models/${quoted(ref)}`, { signal }).catch((error) => {
    if (error.code !== "model_not_found") throw error;
    return null;
  });
  if (model && !models.some(({ id }) => id === model.id)) models.push(model);
  const choice = h(
    "select",
    { id: "model", onchange: () => (location.hash = `#/try?model=${choice.value}`) },
    model ? null : h("option", { value: "", disabled: true }, "Choose a model…"),
    models.map(({ id, name, metrics }) => h("option", { value: id }, [name, text.percent(metrics.test_accuracy), ...named(id)].join(" · "))),
  );
  choice.value = model?.id ?? "";
  // The view is drawn anew for the model that is gone: its choice and its sentence follow from that.
  const ongone = () => {
    history.replaceState(null, "", `#/try?model=${quoted(model.id)}`);
    dispatchEvent(new Event("hashchange"));
  };
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, "Try it"), h("div", { class: "row" }, h("label", { for: "model" }, "Model"), choice, model ? h("a", { href: `#/models/${model.id}` }, "Its report") : null)),
    model ? (model.columns ? rows(model, ongone, signal) : pictures(model, ongone, signal)) : deleted(ref),
  );
}

function deleted(ref) {
  return empty("This model is gone", h("p", {}, `There is no model ${ref}: it may have been deleted. Choose another one above.`));
}
