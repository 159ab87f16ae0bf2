/** What an import has found: classes and parts, what was left out, duplicates, pictures or columns. */

import { h, text } from "../dom.js";
import { scrolling, shareCell } from "../tables.js";

const PARTS = [["train", "Training"], ["validation", "Validation"], ["test", "Test"]];
/** Entries of a long list that are shown at once. */
const FIRST = 10;

/** Characters that turn the text behind them; within a sentence no element can end their reach. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** The sections of GET /datasets/{ref}/report. */
export function report(found) {
  return [
    found.warnings.length ? warnings(found.warnings) : null,
    classes(found),
    found.columns ? columns(found) : null,
    found.left_out.count ? leftOut(found.left_out) : null,
    duplicates(found.duplicates),
    h("p", { class: "soft" }, madeOf(found)),
  ].filter(Boolean);
}

function warnings(sentences) {
  return h("section", { class: "card warned" }, h("h2", {}, "Worth a look"), h("ul", {}, sentences.map((each) => h("li", {}, each.replace(TURNS, "")))));
}

function classes(found) {
  const parts = PARTS.filter(([part]) => found.classes.some((each) => each[part]));
  const largest = Math.max(1, ...found.classes.flatMap((each) => parts.map(([part]) => each[part] ?? 0)));
  const hasPictures = found.classes.some((each) => each.mean_image);
  const row = (each) => h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "name" }, each.name)),
    parts.map(([part]) => shareCell((each[part] ?? 0) / largest, text.count(each[part] ?? 0))),
    hasPictures ? h("td", {}, picture(each.mean_image, `Mean of ${each.name}`)) : null,
    hasPictures ? h("td", {}, h("div", { class: "pictures" }, each.examples.map((url, at) => picture(url, `Example ${at + 1} of ${each.name}`)))) : null,
  );
  const titles = [h("th", { scope: "col" }, "Class"), parts.map(([, title]) => h("th", { scope: "col", class: "number" }, title)), hasPictures ? [h("th", { scope: "col" }, "Mean"), h("th", { scope: "col" }, "Examples")] : null];
  return h("section", { class: "card" }, h("h2", {}, "Classes"), scrolling("Classes", h("table", { class: "classes" }, h("thead", {}, h("tr", {}, titles)), h("tbody", {}, found.classes.map(row)))));
}

function picture(url, alt) {
  return h("img", { class: "pixels", src: url, alt, title: alt, width: 48, height: 48 });
}

function columns(found) {
  const values = (each) => each.categories
    ? [each.categories.slice(0, 4).map(({ name, train }) => `${name} (${text.count(train)})`).join(", "), each.category_count > 4 ? ` and ${text.count(each.category_count - 4)} more` : ""]
    : `${number(each.low)} to ${number(each.high)}, mean ${number(each.mean)}`;
  const row = (each) => h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "name" }, each.name)),
    h("td", {}, each.kind),
    shareCell(each.missing, text.percent(each.missing)),
    h("td", { class: "number" }, text.count(each.odd)),
    h("td", { class: "values" }, values(each)),
  );
  const titles = [["Column"], ["Holds"], ["Missing", "number"], ["Odd", "number"], ["Values in the training rows"]];
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Columns"),
    scrolling("Columns", h("table", {}, h("thead", {}, h("tr", {}, titles.map(([title, kind]) => h("th", { scope: "col", class: kind }, title)))), h("tbody", {}, found.columns.map(row)))),
    found.dropped.length ? [h("h3", {}, "Columns that no model sees"), listed(found.dropped, found.dropped.length)] : null,
  );
}

const number = (value) => (typeof value === "number" ? text.number(value) : String(value));

function leftOut({ count, files }) {
  return h("section", { class: "card" }, h("h2", {}, `Left out: ${text.count(count)}`), listed(files, count));
}

/** Names with reasons: the first, and the others behind a summary. */
function listed(entries, count) {
  const item = ({ name, reason }) => h("li", {}, h("span", { class: "name" }, name), h("span", { class: "soft" }, ` ${reason}`));
  const rest = entries.slice(FIRST);
  return [
    h("ul", { class: "plain" }, entries.slice(0, FIRST).map(item)),
    rest.length ? h("details", {}, h("summary", {}, `${rest.length} more`), h("ul", { class: "plain" }, rest.map(item))) : null,
    count > entries.length ? h("p", { class: "soft" }, `The first ${entries.length} are listed.`) : null,
  ];
}

function duplicates(found) {
  if (!found.within_training && !found.across_count) return h("section", { class: "card" }, h("h2", {}, "Duplicates"), h("p", {}, "None found."));
  const item = (each) => h("li", {}, h("span", { class: "name" }, each.train), ` is ${each.kind === "near" ? "nearly " : ""}the same as `, h("span", { class: "name" }, each.test), h("span", { class: "soft" }, ` (${each.part})`));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Duplicates"),
    h("ul", { class: "plain" },
      found.within_training ? h("li", {}, `${text.count(found.within_training)} repeat another in the training part.`) : null,
      found.across_count ? h("li", {}, `${text.count(found.across_count)} of the training part are in another part, too.`) : null,
      h("li", {}, found.dropped ? `${text.count(found.dropped)} were left out of the training.` : "None was left out of the training.")),
    found.across.length ? h("details", {}, h("summary", {}, "Which are in another part"), h("ul", { class: "plain" }, found.across.map(item))) : null,
  );
}

function madeOf(found) {
  if (!found.size) return `Read as ${found.format}, ${text.count(found.rows)} rows.`;
  const [height, width] = found.size;
  return `Read as ${found.format}, ${text.count(found.images)} pictures. ${height} x ${width} pixels (${found.size_was}), ${found.color === "grey" ? "grey" : "colour"} (${found.color_was}); where the shape differs: ${found.fit}.`;
}
