/** What is taken for what: the confusion matrix as a table that is read out, too. */

import { h, text } from "../dom.js";
import { scrolling } from "../tables.js";

/** With more classes the largest confusions are listed instead. */
const LARGEST = 50;
const LISTED = 20;

/** A section; `classes` are those of the report, rows of `matrix` are true classes. */
export function confusions(matrix, classes, things) {
  const isSmall = classes.length <= LARGEST;
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "What is taken for what"),
    isSmall
      ? h("p", { class: "soft" }, `A row for each true class, a column for each answer; right answers are framed. The darker, the larger the share of the row's ${things}.`)
      : h("p", { class: "soft" }, `The most frequent of the mistakes among ${classes.length} classes.`),
    isSmall ? scrolling("Confusion matrix", table(matrix, classes)) : list(matrix, classes),
  );
}

function table(matrix, classes) {
  const cell = (count, truth, answer) => {
    const isRight = truth === answer;
    const share = classes[truth].images ? count / classes[truth].images : 0;
    const words = `${count} of ${classes[truth].label} ${isRight ? "rightly answered" : `taken for ${classes[answer].label}`}`;
    const made = h("td", { class: isRight ? "right" : count ? "wrong" : null, title: count ? words : null }, count ? String(count) : h("span", { class: "soft" }, "·"));
    if (count) made.style.setProperty("--strength", `${isRight ? 8 + 32 * share : Math.min(42, 10 + 140 * share)}%`);
    return made;
  };
  return h(
    "table",
    { class: "matrix" },
    h("caption", {}, "Columns: the answer"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "True class"), classes.map(({ label }) => h("th", { scope: "col", title: label }, h("span", { class: "ellipsis" }, label))))),
    h("tbody", {}, matrix.map((row, truth) => h("tr", {}, h("th", { scope: "row", title: classes[truth].label }, h("span", { class: "ellipsis" }, classes[truth].label)), row.map((count, answer) => cell(count, truth, answer))))),
  );
}

function list(matrix, classes) {
  const mistakes = matrix
    .flatMap((row, truth) => row.map((count, answer) => ({ count, truth, answer })))
    .filter(({ count, truth, answer }) => count && truth !== answer)
    .sort((a, b) => b.count - a.count);
  const item = ({ count, truth, answer }) => h("li", {}, `${text.count(count)} of `, h("span", { class: "name" }, classes[truth].label), " taken for ", h("span", { class: "name" }, classes[answer].label));
  return h("ul", { class: "plain" }, mistakes.slice(0, LISTED).map(item));
}
