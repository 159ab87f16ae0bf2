/** What the diagnosis found: each finding beside the curve that shows it, and the way to a cure. */

import { get, make, quoted } from "../api.js";
import { chart } from "../chart.js";
import { h, show, text } from "../dom.js";
import { action, ENDED } from "../parts.js";

/** Shows the diagnosis of a job in `place`. */
export async function showFindings(place, job, signal) {
  const [diagnosis, charts] = await Promise.all([
    get(`/jobs/${quoted(job.id)}/diagnosis`, { signal }),
    get(`/jobs/${quoted(job.id)}/charts`, { signal }),
  ]);
  const faults = diagnosis.findings.filter(({ code }) => code !== "healthy");
  if (diagnosis.verdict === "off") {
    show(place, h("p", { class: "soft" }, "The specification of this job turns its diagnosis off."));
  } else if (diagnosis.verdict === "unknown") {
    show(place, h("p", { class: "soft" }, diagnosis.final ? "Too little was measured to say anything." : "Nothing is known yet; the first epochs tell."));
  } else if (!faults.length) {
    show(place, h("p", {}, h("span", { class: "badge good" }, "healthy"), " ", diagnosis.findings[0]?.explanation ?? "No fault was found."));
  } else {
    const drawn = new Set();
    const shown = faults.map((finding) => {
      const found = charts.data.find(({ picture }) => picture === finding.picture && !drawn.has(picture));
      drawn.add(finding.picture);
      return one(finding, found, signal);
    });
    show(place, suggestion(job, diagnosis), shown);
  }
}

/** The fields to change, and the button that runs them as the next job. */
function suggestion(job, diagnosis) {
  if (!diagnosis.suggestion || !ENDED.has(job.status)) return null;
  const run = async () => {
    const next = await make(`/jobs/${quoted(job.id)}/retry`, { apply: "suggestion" });
    location.hash = `#/jobs/${next.id}`;
  };
  return h(
    "div",
    { class: "suggestion" },
    h("h3", {}, "Suggestion"),
    h("ul", {}, diagnosis.changes.map(change)),
    action("Run the suggestion", run, { primary: true }),
  );
}

function change({ pointer, before, after, effect }) {
  return h(
    "li",
    {},
    h("code", {}, pointer.slice(1).replaceAll("/", ".")),
    ` ${said(before)} → `,
    h("strong", {}, said(after)),
    effect ? h("span", { class: "soft" }, ` (${effect})`) : null,
  );
}

function said(value) {
  if (value === null || value === undefined) return "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function one(finding, found, signal) {
  const plot = h("div", { class: "chart" });
  if (found) draw(plot, found, signal);
  const isCritical = finding.severity === "critical";
  const cause = finding.symptom_of ? `; a symptom of ${text.words(finding.symptom_of)}` : "";
  return h(
    "article",
    { class: `finding ${finding.severity}` },
    h("h3", {}, finding.title, " ", h("span", { class: `badge ${isCritical ? "bad" : "warn"}` }, finding.severity)),
    h("p", { class: "soft" }, `since epoch ${finding.since.epoch}, step ${text.count(finding.since.step)}${cause}`),
    h("p", {}, finding.explanation),
    h("p", {}, h("strong", {}, finding.advice)),
    found ? plot : null,
    h("details", {}, h("summary", {}, "Evidence"), h("ul", {}, finding.evidence.map(evidence))),
  );
}

function evidence({ name, value, threshold, comparison, meaning }) {
  const limit = threshold === null ? "" : `, ${comparison} ${text.number(threshold)}`;
  return h("li", {}, `${name}: ${text.number(value)}${limit}`, h("span", { class: "soft" }, ` (${meaning})`));
}

async function draw(plot, { title, x_label: xLabel, y_label: yLabel, log_x: logX, log_y: logY, lines }, signal) {
  const drawn = await chart(plot, { title, xLabel, yLabel, logX, logY, height: 200 }, lines);
  if (signal.aborted) drawn.destroy();
  signal.addEventListener("abort", () => drawn.destroy());
}
