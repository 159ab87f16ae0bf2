/** Two models by their predictions for the same test images: is b better than a? */

import { get, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { empty, facts } from "../parts.js";
import { styled } from "../stylesheet.js";
import { scrolling } from "../tables.js";

export async function view(place, { query }, signal) {
  await styled(place, "found", "models");
  const [a, b] = [query.get("a"), query.get("b")];
  if (!a || !b) {
    show(place, h("h1", {}, "Compare models"), empty("Choose two models", h("p", {}, "Mark two in the ", h("a", { href: "#/models" }, "list of models"), ".")));
    return;
  }
  const found = await get("/models/compare", { query: { a, b }, signal }).catch((error) => {
    if (["not_comparable", "no_report", "model_not_found"].includes(error.code)) return error;
    throw error;
  });
  const head = h("div", { class: "head" }, h("h1", {}, "Compare models"), h("a", { class: "button", href: `#/models/compare?${new URLSearchParams({ a: b, b: a })}` }, "Swap"));
  if (found instanceof Error) {
    show(place, head, h("section", { class: "card refused", role: "alert" }, h("h2", {}, "These cannot be compared"), h("p", {}, found.message), h("p", {}, h("a", { href: "#/models" }, "To the list of models"))));
    return;
  }
  show(
    place,
    head,
    h("div", { class: "sides" }, side("a", found.a), side("b", found.b)),
    h("section", { class: "card" }, h("h2", {}, found.verdict), interval(found.difference), figures(found)),
    classes(found.classes),
  );
}

function side(letter, { model, name, accuracy }) {
  return h(
    "section",
    { class: "card", "aria-label": `Model ${letter}` },
    h("p", { class: "soft" }, `Model ${letter}`),
    h("h2", {}, h("a", { class: "name", href: `#/models/${quoted(model)}` }, name)),
    h("p", {}, h("span", { class: "big" }, text.percent(accuracy, 2)), h("span", { class: "soft" }, " right")),
    h("p", { class: "soft mono" }, model),
  );
}

/** The difference with its 95% interval, on a scale around 0. */
function interval({ value, low, high }) {
  const reach = Math.max(0.001, 1.15 * Math.max(Math.abs(low), Math.abs(high)));
  const at = (share) => `${50 + (50 * share) / reach}%`;
  const range = h("span", { class: "range" });
  range.style.left = at(low);
  range.style.width = `${(50 * (high - low)) / reach}%`;
  const mark = h("span", { class: "value" });
  mark.style.left = at(value);
  return [
    h("div", { class: "interval", role: "img", "aria-label": `The difference is ${points(value)}, between ${points(low)} and ${points(high)}` }, range, mark),
    h("p", { class: "scale" }, h("span", {}, "a is better"), h("span", {}, "no difference"), h("span", {}, "b is better")),
  ];
}

function figures(found) {
  const { value, low, high } = found.difference;
  return facts([
    ["Difference, b minus a", points(value)],
    ["95% interval", `${points(low)} to ${points(high)}`],
    ["Right only with a", text.count(found.discordant.only_a)],
    ["Right only with b", text.count(found.discordant.only_b)],
    ["p-value (McNemar)", found.p_value < 0.0001 ? "below 0.0001" : text.number(found.p_value, 2)],
    ["Test images", text.count(found.images)],
  ]);
}

/** A difference of fractions in percentage points. */
function points(share) {
  return `${text.signed(100 * share, 2)} points`;
}

function classes(found) {
  const titles = ["Class", "Test images", "Found by a", "Found by b", "b minus a"];
  const row = (each) => h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "name" }, each.label)),
    h("td", { class: "number" }, text.count(each.images)),
    h("td", { class: "number" }, text.percent(each.a)),
    h("td", { class: "number" }, text.percent(each.b)),
    h("td", { class: "number" }, each.difference === null ? "–" : points(each.difference)),
  );
  return h("section", { class: "card" }, h("h2", {}, "Each class"), scrolling("Each class", h("table", {}, h("thead", {}, h("tr", {}, titles.map((title, at) => h("th", { scope: "col", class: at ? "number" : null }, title)))), h("tbody", {}, found.map(row)))));
}
