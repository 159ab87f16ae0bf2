/** What the test set says of a model: scores, confusions, calibration, mistakes, columns. */

import { h, svg, text } from "../dom.js";
import { scrolling, shareCell } from "../tables.js";
import { confusions } from "./matrix.js";

/** With more classes than this the confusion matrix has the whole width. */
const BESIDE = 12;
/** Examples or columns that are shown at once, and columns of each row: those that the model needs most. */
const FIRST = 8;
const FIRST_COLUMNS = 6;

/** The sections of GET /models/{ref}/report. */
export function sections(report) {
  const things = report.columns ? "rows" : "images";
  const isSmall = report.classes.length <= BESIDE;
  const columns = [...(report.columns ?? [])].sort((a, b) => b.importance - a.importance);
  const order = columns.map(({ name }) => name);
  const examples = (...told) => exampleSection(order, ...told);
  return [
    h("div", { class: isSmall ? "columns" : "view" }, scores(report, things), confusions(report.confusion_matrix, report.classes, things)),
    report.columns ? importances(columns) : null,
    examples("The worst mistakes", "The wrong answers that the model was surest of. Some are hard for people, too; some are labelled wrongly.", report.worst_mistakes,
      (each) => ["is ", named(each.label), ", answered ", named(each.predicted), ` with ${text.percent(each.confidence, 0)}`], `None: every test ${things.slice(0, -1)} was answered rightly.`),
    examples("What it recognizes", `The ${things} of each class that it recognizes most surely: is it what makes them what they are, or something that only goes with it?`, report.typical,
      (each) => [named(each.label), ` with ${text.percent(each.confidence, 0)}`]),
    examples("Doubtful labels", `Training ${things} whose labels are unlikely. Some are only odd; those that are labelled wrongly are worth correcting.`, report.suspects,
      (each) => ["labelled ", named(each.label), ", looks like ", named(each.suggested)]),
    calibration(report.calibration, things),
  ].filter(Boolean);
}

const named = (label) => h("strong", { class: "name" }, label);

function heads(titles) {
  return h("thead", {}, h("tr", {}, titles.map((title, at) => h("th", { scope: "col", class: at ? "number" : null }, title))));
}

function scores(report, things) {
  const row = (name, images, { precision, recall, f1 }) => h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "name" }, name)),
    h("td", { class: "number" }, text.count(images)),
    images ? [precision, recall, f1].map((share) => shareCell(share, text.percent(share))) : h("td", { colspan: 3, class: "soft" }, "not in the test set"),
  );
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Each class"),
    h("p", { class: "soft" }, `Precision: when the model says this class, how often is it so? Recall: of the ${things} of this class, how many does it find? F1 is high only if both are.`),
    scrolling("Scores of each class", h("table", {}, heads(["Class", `Test ${things}`, "Precision", "Recall", "F1"]), h("tbody", {}, report.classes.map((each) => row(each.label, each.images, each)), row("Mean", report.images, report.macro)))),
  );
}

/** `sorted` begins with the column that the model needs most. */
function importances(sorted) {
  const most = Math.max(1e-9, ...sorted.map(({ importance }) => importance));
  const row = ({ name, importance, std }) => h("tr", {}, h("th", { scope: "row" }, h("span", { class: "name" }, name)), shareCell(importance / most, text.percent(importance, 2)), h("td", { class: "number" }, text.percent(std, 2)));
  const table = (some) => h("table", {}, heads(["Column", "Accuracy lost", "Standard deviation"]), h("tbody", {}, some.map(row)));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "What it looks at"),
    h("p", { class: "soft" }, "Accuracy that is lost where the values of one column are shuffled among the test rows. About 0 or below: it tells nothing that other columns do not tell, too."),
    scrolling("Columns", table(sorted.slice(0, FIRST))),
    sorted.length > FIRST ? h("details", {}, h("summary", {}, `${sorted.length - FIRST} more columns`), scrolling("More columns", table(sorted.slice(FIRST)))) : null,
  );
}

function exampleSection(order, title, explanation, found, caption, none) {
  if (!found.length && !none) return null;
  const kind = found[0]?.row ? "gallery rows" : "gallery";
  const figures = found.map((each) => figure(each, order, caption(each)));
  const rest = figures.slice(FIRST);
  return h(
    "section",
    { class: "card" },
    h("h2", {}, title),
    found.length
      ? [
        h("p", { class: "soft" }, explanation),
        h("div", { class: kind }, figures.slice(0, FIRST)),
        rest.length ? h("details", {}, h("summary", {}, `${rest.length} more`), h("div", { class: kind }, rest)) : null,
      ]
      : h("p", {}, none),
  );
}

function figure(each, order, caption) {
  return h(
    "figure",
    {},
    each.image ? h("img", { class: "pixels", src: each.image, alt: each.name ?? `Number ${each.index}`, width: 96, height: 96 }) : null,
    h("figcaption", {}, caption, each.name ? h("span", { class: "soft cut ellipsis", title: each.name }, each.name) : null),
    each.row ? rowTable(each.row, order) : null,
  );
}

/** A row, with the columns that the model needs most; the others are tucked away. */
function rowTable(row, order) {
  const names = [...order.filter((name) => name in row), ...Object.keys(row).filter((name) => !order.includes(name))];
  const table = (some) => h("table", {}, h("tbody", {}, some.map((name) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: row[name] === null ? "soft" : null }, row[name] ?? "missing")))));
  const rest = names.slice(FIRST_COLUMNS);
  return [table(names.slice(0, FIRST_COLUMNS)), rest.length ? h("details", {}, h("summary", {}, `${rest.length} more columns`), table(rest)) : null];
}

function calibration({ expected_error: error, bins }, things) {
  const used = bins.filter(({ images }) => images);
  const x = (value) => 40 + 250 * value;
  const y = (value) => 240 - 230 * value;
  const bar = (bin) => svg("rect", { class: "bin", x: x(bin.low) + 0.5, y: y(bin.accuracy), width: Math.max(1, x(bin.high) - x(bin.low) - 1), height: 230 * bin.accuracy },
    svg("title", {}, `${bin.images} ${things}, mean confidence ${text.percent(bin.confidence)}, ${text.percent(bin.accuracy)} right`));
  const label = (at, words, anchor = "middle") => svg("text", { x: at[0], y: at[1], "text-anchor": anchor }, words);
  const drawing = svg(
    "svg",
    { viewBox: "0 0 300 270", role: "img", "aria-label": `Accuracy by confidence; the expected calibration error is ${text.percent(error, 2)}` },
    svg("path", { class: "axis", d: "M40 10V240H290" }),
    used.map(bar),
    svg("path", { class: "ideal", d: "M40 240L290 10" }),
    label([34, 14], "100%", "end"), label([34, 243], "0%", "end"), label([40, 256], "0%"), label([284, 256], "100%"), label([165, 266], "confidence"),
  );
  const row = (bin) => h("tr", {}, h("th", { scope: "row" }, `${text.percent(bin.low, 0)} to ${text.percent(bin.high, 0)}`), [text.count(bin.images), text.percent(bin.confidence), text.percent(bin.accuracy)].map((value) => h("td", { class: "number" }, value)));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Can its confidence be believed?"),
    h("p", { class: "soft" }, `Of all answers given with 80% confidence, 80% should be right. A bar that ends below the dashed line says that the model is too sure of itself. The mean distance, the expected calibration error, is ${text.percent(error, 2)}.`),
    h("div", { class: "columns calibration" }, drawing, h("details", { open: matchMedia("(min-width: 60rem)").matches }, h("summary", {}, "As a table"), scrolling("Calibration", h("table", {}, heads(["Confidence", things[0].toUpperCase() + things.slice(1), "Mean confidence", "Right"]), h("tbody", {}, used.map(row)))))),
  );
}
