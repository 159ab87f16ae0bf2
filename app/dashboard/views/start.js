/** The start: what to do first; later what runs, what is new, and what needs attention. */

import { get, make, stream } from "../api.js";
import { h, show, text } from "../dom.js";
import { action, progressBar, state, verdict } from "../parts.js";

const LOW_DISK_BYTES = 2e9;
const SHOWN = 4;
/** How often the start looks for a worker while none is alive. */
const WORKER_LOOK_MS = 2000;

export async function view(place, _, signal) {
  let jobs = [];
  const load = async () => {
    const [overview, recent, models, aliases] = await Promise.all([
      get("/overview", { signal }),
      get("/jobs/summaries", { query: { limit: 50 }, signal }),
      get("/models", { query: { limit: SHOWN }, signal }),
      get("/models/aliases", { signal }),
    ]);
    jobs = recent.data;
    const isNew = Object.values(overview.jobs).every((count) => count === 0) && !models.data.length;
    show(place, isNew ? welcome(overview) : board(overview, jobs, models.data, aliases.data));
    if (!overview.worker_alive) soon(WORKER_LOOK_MS);
  };
  let again;
  const soon = (milliseconds) => {
    clearTimeout(again);
    again = setTimeout(() => load().catch(() => {}), milliseconds);
  };
  await load();
  const changed = (job) => {
    const card = document.getElementById(`card-${job.id}`);
    const known = jobs.find(({ id }) => id === job.id);
    if (card && known?.status === job.status) card.replaceWith(running(job));
    else if (known?.status !== job.status) soon(300);
  };
  stream("/jobs/changes", { job: changed }, { signal });
  signal.addEventListener("abort", () => clearTimeout(again));
}

/** What someone sees who has never trained anything here. */
function welcome({ reference, worker_alive: works }) {
  const isMnist = reference === "mnist";
  const train = async () => {
    const job = await make("/jobs", isMnist ? {} : { name: "digits", dataset: { name: "digits" }, training: { log_every: 100 } });
    location.hash = `#/jobs/${job.id}`;
  };
  return [
    h(
      "section",
      { class: "card hero" },
      h("h1", {}, "Train your first network"),
      h(
        "p",
        {},
        isMnist
          ? "The textbook's: 784 inputs, 500 hidden units, 10 digits, trained on MNIST's 60,000 images. It takes about a minute, and you watch it learn."
          : "The textbook's two layers on 1,797 small handwritten digits. It takes seconds, and you watch it learn.",
      ),
      h("p", { class: "row" }, action(isMnist ? "Train on MNIST" : "Train on digits", train, { primary: true }), h("a", { class: "button", href: "#/data" }, "Bring your own pictures")),
      works ? null : noWorker(),
    ),
    h(
      "section",
      { class: "columns" },
      step("Watch", "Loss and accuracy as they happen; pause, resume and cancel lose nothing."),
      step("Understand", "If a run does badly, its diagnosis names the cause and the setting to change."),
      step("Use", "Draw a digit, drop a picture or type a row: the model answers here and over HTTP."),
    ),
  ];
}

const step = (title, words) => h("div", { class: "card" }, h("h2", {}, title), h("p", { class: "soft" }, words));

function noWorker() {
  return h("p", { class: "fault" }, "No worker is alive, so jobs wait. ", h("code", {}, "traind serve"), " starts one, ", h("code", {}, "traind doctor"), " says what is missing.");
}

function board(overview, jobs, models, aliases) {
  const active = jobs.filter(({ status }) => status === "running" || status === "queued" || status === "paused");
  const failed = jobs.filter(({ status }) => status === "failed").slice(0, SHOWN);
  return [
    h("div", { class: "head" }, h("h1", {}, "Overview"), h("a", { class: "button primary", href: "#/new" }, "New job")),
    attention(overview, active, failed),
    h(
      "section",
      { "aria-labelledby": "now" },
      h("div", { class: "head" }, h("h2", { id: "now" }, "Now"), h("a", { href: "#/jobs" }, "All jobs")),
      active.length
        ? h("div", { class: "columns" }, active.slice(0, 6).map(running))
        : h("p", { class: "soft" }, "Nothing runs."),
    ),
    h(
      "section",
      { "aria-labelledby": "newest" },
      h("div", { class: "head" }, h("h2", { id: "newest" }, "Newest models"), h("a", { href: "#/models" }, "All models")),
      models.length
        ? h("div", { class: "columns" }, models.map((model) => trained(model, aliases)))
        : h("p", { class: "soft" }, "No model yet: a job that succeeds publishes one."),
    ),
  ];
}

/** What someone should look at: no worker, no room, failures with their reasons. */
function attention({ worker_alive: works, free_bytes: free }, active, failed) {
  const points = [
    !works && (active.length ? noWorker() : h("p", {}, "No worker is alive; the next job would wait.")),
    free < LOW_DISK_BYTES && h("p", { class: "fault" }, `Only ${text.bytes(free)} are free on the disk of the service's home.`),
    ...failed.map((job) =>
      h("p", {}, h("a", { href: `#/jobs/${job.id}` }, job.name), " failed: ", job.failure?.message ?? "no reason is known", " ", h("span", { class: "soft" }, `(${text.ago(job.ended_at)})`)),
    ),
  ].filter(Boolean);
  if (!points.length) return null;
  return h("section", { class: "card attention" }, h("h2", {}, "Needs attention"), points);
}

/** A card of a job that has not ended. */
function running(job) {
  const { progress } = job;
  return h(
    "article",
    { class: "card", id: `card-${job.id}` },
    h("div", { class: "head" }, h("h3", { class: "ellipsis" }, h("a", { href: `#/jobs/${job.id}` }, job.name)), state(job.status)),
    progressBar(progress?.percent, `progress of ${job.name}`),
    h(
      "p",
      { class: "soft" },
      progress
        ? `epoch ${progress.epoch} of ${progress.epochs} · ${text.count(progress.samples_per_second)} samples/s · ${progress.eta_seconds == null ? "time unknown" : `${text.seconds(progress.eta_seconds)} left`}`
        : `on ${job.dataset}, submitted ${text.ago(job.created_at)}`,
    ),
    verdict(job.verdict),
  );
}

function trained(model, aliases) {
  const names = aliases.filter(({ model: id }) => id === model.id).map(({ name }) => h("span", { class: "badge" }, name));
  return h(
    "article",
    { class: "card" },
    h("h3", { class: "ellipsis" }, h("a", { href: `#/models/${model.id}` }, model.name)),
    h("p", { class: "big" }, text.percent(model.metrics.test_accuracy)),
    h("p", { class: "soft" }, `test accuracy · ${text.ago(model.created_at)}`),
    h("p", { class: "row" }, names, h("a", { href: `#/try?model=${model.id}` }, "Try it")),
  );
}
