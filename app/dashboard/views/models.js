/** Models: the newest or the best, of all datasets or of one; two can be compared. */

import { get, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { empty } from "../parts.js";
import { styled } from "../stylesheet.js";
import { scrolling } from "../tables.js";

const PAGE = 50;
const TYPING_MS = 250;
const SORTS = [["newest", "Newest first"], ["accuracy", "Most accurate first"], ["oldest", "Oldest first"]];

export async function view(place, { query }, signal) {
  await styled(place, "found", "models");
  const list = modelList(signal);
  const sort = h("select", { id: "sort" }, SORTS.map(([value, label]) => h("option", { value, selected: query.get("sort") === value }, label)));
  const dataset = h("input", { id: "dataset", type: "search", value: query.get("dataset") ?? "", placeholder: "all", list: "datasets", autocomplete: "off", maxlength: 100 });
  const chosen = () => Object.fromEntries([["sort", sort.value], ["dataset", dataset.value.trim()]].filter(([, value]) => value && value !== "newest"));
  let typing;
  const changed = () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const kept = new URLSearchParams(chosen());
      history.replaceState(null, "", kept.size ? `#/models?${kept}` : "#/models");
      list.load(chosen());
    }, TYPING_MS);
  };
  signal.addEventListener("abort", () => clearTimeout(typing));
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, "Models"), list.compare),
    h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault(), oninput: changed },
      h("div", {}, h("label", { for: "sort" }, "Order"), sort),
      h("div", {}, h("label", { for: "dataset" }, "Dataset"), dataset),
      list.datasets,
    ),
    list.element,
  );
  await list.load(chosen());
}

function modelList(signal) {
  const element = h("div");
  const datasets = h("datalist", { id: "datasets" });
  const names = new Set();
  const chosen = new Map();
  const compare = h("a", { class: "button primary", hidden: true });
  const counted = h("span", { class: "soft", role: "status" });
  let loads = 0;

  const choose = (model, box) => {
    if (box.checked) chosen.set(model.id, box);
    else chosen.delete(model.id);
    if (chosen.size > 2) {
      const [oldest, oldestBox] = chosen.entries().next().value;
      oldestBox.checked = false;
      chosen.delete(oldest);
    }
    const [a, b] = chosen.keys();
    compare.hidden = !b;
    compare.href = b ? `#/models/compare?${new URLSearchParams({ a, b })}` : "#/models";
    show(compare, "Compare the two");
    show(counted, chosen.size === 1 ? "Choose a second model to compare." : "");
  };
  const row = (model) => {
    const box = h("input", { type: "checkbox", checked: chosen.has(model.id), "aria-label": `Compare ${model.name}`, onchange: () => choose(model, box) });
    const { name, facts } = model.spec.dataset;
    if (chosen.has(model.id)) chosen.set(model.id, box);
    return h(
      "tr",
      {},
      h("td", { class: "choice" }, box),
      h("th", { scope: "row" }, h("a", { class: "name", title: model.name, href: `#/models/${quoted(model.id)}` }, model.name), " ", model.aliases.map((alias) => [h("span", { class: `badge ${alias === "production" ? "good" : ""}` }, alias), " "])),
      h("td", { class: "number" }, text.percent(model.metrics.test_accuracy, 2)),
      h("td", {}, name, facts?.version ? h("span", { class: "soft" }, ` @${facts.version}`) : null),
      h("td", { class: "number wide" }, text.count(model.classes.length)),
      h("td", { class: "soft wide" }, text.ago(model.created_at)),
    );
  };
  const load = async (filters) => {
    const own = ++loads;
    const body = h("tbody");
    const more = h("button", { type: "button", hidden: true });
    const next = async (after) => {
      const page = await get("/models", { query: { ...filters, limit: PAGE, after }, signal });
      if (own !== loads) return null;
      body.append(...page.data.map(row));
      for (const { spec } of page.data) names.add(spec.dataset.name);
      show(datasets, [...names].sort().map((name) => h("option", { value: name })));
      more.hidden = !page.next;
      more.onclick = () => next(page.next);
      show(more, "Show more");
      return page.data.length;
    };
    const found = await next();
    if (found === null) return;
    if (found) show(element, h("section", { class: "card models-list" }, table(body), h("div", { class: "row" }, more, counted)));
    else show(element, filters.dataset ? empty(`No model was trained on ${filters.dataset}`, h("p", {}, "The name must be written out; clear the field to see all.")) : empty("There are no models yet", h("p", {}, "A job that succeeds publishes one."), h("p", {}, h("a", { class: "button primary", href: "#/new" }, "Train one"))));
  };
  return { element, datasets, compare, load };
}

function table(body) {
  const titles = [["Compare", "choice"], ["Name"], ["Accuracy", "number"], ["Dataset"], ["Classes", "number wide"], ["Published", "wide"]];
  return scrolling("Models", h("table", {}, h("thead", {}, h("tr", {}, titles.map(([title, kind]) => h("th", { scope: "col", class: kind }, title === "Compare" ? h("span", { role: "img", "aria-label": title }, "⇄") : title)))), body));
}
