/** Try a model: draw or bring a picture, or type a row, and see the answer and what speaks for it. */

import { get, items, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { empty, notice } from "../parts.js";
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
  const option = ({ id, name, metrics }) => h("option", { value: id }, [name, text.percent(metrics.test_accuracy), ...named(id)].join(" · "));
  const choice = h("select", { id: "model", onchange: () => choose(choice.value) }, h("option", { value: "", disabled: true }, "Choose a model…"), models.map(option));
  const report = h("a", {}, "Its report");
  const body = h("div", { class: "view" });
  let leaving = new AbortController();
  signal.addEventListener("abort", () => leaving.abort());

  /** Shows the model below its choice, which stays and keeps the focus. */
  async function draw(ref) {
    leaving.abort();
    leaving = new AbortController();
    const own = leaving.signal;
    const model = await get(`/models/${quoted(ref)}`, { signal: own }).catch((error) => {
      if (error.code !== "model_not_found") throw error;
    });
    if (own.aborted) return;
    report.hidden = !model;
    if (model) {
      if (!optionOf(model.id)) choice.append(option(model));
      choice.value = model.id;
      report.href = `#/models/${model.id}`;
      fill((model.columns ? rows : pictures)(model, () => drop(model.id), own));
    } else drop(ref);
  }
  /** What had the focus below the choice goes; the choice takes it. */
  function fill(...children) {
    const hadFocus = body.contains(document.activeElement);
    show(body, children);
    if (hadFocus) choice.focus();
  }
  function drop(ref) {
    leaving.abort();
    optionOf(ref)?.remove();
    choice.value = "";
    report.hidden = true;
    fill(deleted(ref));
  }
  const optionOf = (id) => [...choice.options].find(({ value }) => value === id);
  const choose = async (id) => {
    history.replaceState(null, "", `#/try?model=${id}`);
    try {
      await draw(id);
      place.dataset.ready = location.hash;
    } catch (error) {
      if (error.name !== "AbortError") notice(error.message, true);
    }
  };

  show(place, h("div", { class: "head" }, h("h1", {}, "Try it"), h("div", { class: "row" }, h("label", { for: "model" }, "Model"), choice, report)), body);
  await draw(query.get("model") ?? aliases.data.find(({ name }) => name === "production")?.model ?? models[0].id);
}

function deleted(ref) {
  return empty("This model is gone", h("p", {}, `There is no model ${ref}: it may have been deleted. Choose another one above.`));
}
