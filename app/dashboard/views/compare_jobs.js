/** Several jobs over each other: their curves, and the fields in which their specifications differ. */

import { get, quoted } from "../api.js";
import { chart } from "../chart.js";
import { h, show, text } from "../dom.js";
import { points } from "../job/curves.js";
import { empty, state } from "../parts.js";

const CURVES = ["running_loss", "train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "learning_rate"];

export async function view(place, { query }, signal) {
  const ids = (query.get("ids") ?? "").split(",").filter(Boolean);
  if (ids.length < 2) {
    show(place, empty("Choose two jobs or more", h("p", {}, h("a", { href: "#/jobs" }, "To the list"))));
    return;
  }
  const jobs = await Promise.all(ids.map((id) => get(`/jobs/${quoted(id)}`, { signal })));
  const curves = await Promise.all(ids.map((id) => points(id, signal)));
  const names = jobs.map((job, at) => (jobs.some((other, i) => i !== at && other.name === job.name) ? `${job.name} (${job.id.slice(-4)})` : job.name));
  const there = CURVES.filter((name) => curves.some((each) => each.has(name)));
  const plot = h("div", { class: "chart" });
  const lines = (name) => jobs.map((_, at) => ({ name: names[at], points: curves[at].get(name) ?? [] })).filter((line) => line.points.length);
  let drawn;
  const choose = async () => {
    drawn?.destroy();
    drawn = await chart(plot, { title: text.words(choice.value), yLabel: text.words(choice.value), height: 340 }, lines(choice.value));
  };
  const choice = h("select", { "aria-label": "Curve", onchange: choose }, there.map((name) => h("option", { value: name }, text.words(name))));
  if (there.includes("validation_loss")) choice.value = "validation_loss";
  const metrics = ["test_accuracy", "validation_accuracy", "test_loss"].filter((name) => jobs.some((job) => job.metrics[name] != null));
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, `${jobs.length} jobs compared`), h("a", { href: "#/jobs" }, "All jobs")),
    h("section", { class: "card" }, h("div", { class: "head" }, h("h2", {}, "Curves"), there.length ? choice : null), there.length ? plot : h("p", { class: "soft" }, "None of them has a curve yet.")),
    h(
      "section",
      { class: "card" },
      h("h2", {}, "What differs"),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Differences" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Field"), jobs.map((job, at) => h("th", { scope: "col" }, h("a", { href: `#/jobs/${job.id}` }, names[at]))))),
          h(
            "tbody",
            {},
            h("tr", {}, h("th", { scope: "row" }, "state"), jobs.map((job) => h("td", {}, state(job.status)))),
            metrics.map((name) => h("tr", {}, h("th", { scope: "row" }, text.words(name)), jobs.map((job) => h("td", {}, text.number(job.metrics[name]))))),
            differences(jobs.map(({ spec }) => spec)).map(([path, values]) => h("tr", {}, h("th", { scope: "row", class: "mono" }, path), values.map((value) => h("td", { class: "mono" }, value === undefined ? "–" : JSON.stringify(value))))),
          ),
        ),
      ),
    ),
  );
  if (there.length) await choose();
  signal.addEventListener("abort", () => drawn?.destroy());
}

/** The fields in which specifications differ: pairs of a path and the value in each. */
export function differences(specs) {
  const flat = specs.map((spec) => new Map(leaves(spec)));
  const paths = [...new Set(flat.flatMap((each) => [...each.keys()]))];
  return paths
    .filter((path) => path !== "name" && !path.startsWith("dataset.facts.") && new Set(flat.map((each) => JSON.stringify(each.get(path)))).size > 1)
    .map((path) => [path, flat.map((each) => each.get(path))]);
}

function* leaves(value, path = "") {
  if (value && typeof value === "object" && !Array.isArray(value)) {
    for (const [name, part] of Object.entries(value)) yield* leaves(part, path ? `${path}.${name}` : name);
  } else yield [path, value];
}
