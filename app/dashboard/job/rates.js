/** The learning-rate range test of a job: start one, and see what it recommends. */

import { get, make, quoted } from "../api.js";
import { chart } from "../chart.js";
import { h, show, text } from "../dom.js";
import { action } from "../parts.js";

/** Shows the newest range test of a job in `place`, or offers to make one. */
export async function showRates(place, job, signal) {
  const made = await get("/jobs/summaries", { query: { range_of: job.range_of ?? job.id, limit: 1 }, signal });
  const test = made.data.length ? await get(`/jobs/${quoted(job.id)}/lr-range`, { signal }) : null;
  const start = async () => {
    const { id } = await make(`/jobs/${quoted(job.id)}/lr-range`, {});
    location.hash = `#/jobs/${id}`;
  };
  const offer = action(test ? "Test again" : "Test learning rates", start);
  if (!test) {
    show(place, h("p", { class: "soft" }, "A short run whose rate grows from batch to batch shows which rates this network bears (Smith 2017)."), offer);
    return;
  }
  const rate = test.recommended;
  const train = h("a", { class: "button primary", href: `#/new?from=${job.range_of ?? job.id}&lr=${rate}` }, `Train with ${text.number(rate, 2)}`);
  const plot = h("div", { class: "chart" });
  show(
    place,
    h("p", {}, sentence(test), test.advice ? ` ${test.advice}` : ""),
    test.curve.length ? plot : null,
    h("p", { class: "row" }, rate ? train : null, offer),
  );
  if (!test.curve.length) return;
  const lines = [{ name: "smoothed loss", points: test.curve }];
  const drawn = await chart(plot, { title: "Loss by learning rate", xLabel: "learning rate", yLabel: "loss (nats)", logX: true, height: 200 }, lines);
  if (signal.aborted) drawn.destroy();
  signal.addEventListener("abort", () => drawn.destroy());
}

function sentence({ status, recommended, diverges_at: limit }) {
  if (status === "queued" || status === "running") return "The range test runs.";
  if (!recommended) return "The range test found no clear descent, and recommends no rate.";
  const bound = limit ? `; the loss explodes at ${text.number(limit, 2)}` : "";
  return `Recommended rate: ${text.number(recommended, 2)}${bound}.`;
}
