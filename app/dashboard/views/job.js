/** A job: where it is, its curves while they grow, its log, what was found, and what to do next. */

import { get, make, post, quoted, stream } from "../api.js";
import { h, show, text } from "../dom.js";
import { Curves } from "../job/curves.js";
import { showFindings } from "../job/findings.js";
import { showRates } from "../job/rates.js";
import { action, ENDED, facts, progressBar, state, verdict } from "../parts.js";

/** Lines of the log that stay on the page. */
const MOST_LINES = 2000;

export async function view(place, { id }, signal) {
  const path = `/jobs/${quoted(id)}`;
  let job = await get(path, { signal });
  document.title = `${job.name} · traind`;
  const head = h("div", { class: "block" });
  const where = h("div", { class: "block" });
  const doing = h("div", { class: "block" });
  const findings = h("div");
  const rates = h("div");
  const log = h("pre", { class: "log", tabindex: 0, role: "log", "aria-label": "Log", "aria-live": "off" });
  const curves = new Curves(signal);
  const isTest = job.range_of !== null;

  const shown = () => {
    show(head, header(job));
    show(where, position(job));
    show(doing, buttons(job, refresh), outcome(job), chain(job));
  };
  async function refresh() {
    job = await get(path, { signal });
    where.removeAttribute("data-stale");
    shown();
  }
  shown();
  show(
    place,
    h("section", { class: "card block" }, head, where, doing),
    isTest ? null : h("section", { class: "columns wide" }, panel("Loss", curves.places.loss), panel("Accuracy", curves.places.accuracy)),
    isTest ? null : panel("Diagnosis", findings),
    panel("Learning rate", rates),
    h("section", { class: "columns" }, panel("Log", log), specification(job)),
  );
  const told = (part) => part.catch((error) => error.name !== "AbortError" && console.warn(error));
  const parts = [told(showRates(rates, job, signal))];
  if (!isTest) parts.push(told(curves.load(job, signal)), told(showFindings(findings, job, signal)));
  await Promise.all(parts);

  const take = (kind) => (event) => {
    write(log, event);
    if (kind === "log" || kind === "epoch") curves.add(event, job.progress);
    if (kind === "state" || kind === "started" || kind === "autopilot") told(refresh().then(settled));
    if (kind === "finding") told(showFindings(findings, job, signal));
  };
  async function settled() {
    if (!ENDED.has(job.status)) return;
    await told(showRates(rates, job, signal));
    if (!isTest) await told(showFindings(findings, job, signal));
  }
  const handlers = Object.fromEntries(["state", "started", "resumed", "log", "epoch", "warning", "finding", "autopilot", "pruned"].map((kind) => [kind, take(kind)]));
  handlers.progress = ({ progress, metrics }) => {
    job = { ...job, progress, metrics };
    if (!ENDED.has(job.status)) show(where, position(job)); // the buttons stay, and keep the focus
  };
  const stale = (is) => where.toggleAttribute("data-stale", is && !ENDED.has(job.status));
  stream(`${path}/events`, handlers, { signal, onlost: () => stale(true), onopen: () => stale(false) });
}

const panel = (title, ...content) => h("section", { class: "card" }, h("h2", {}, title), content);

function header(job) {
  const labels = Object.entries(job.labels).map(([key, value]) => h("span", { class: "badge" }, `${key}: ${value}`));
  const kind = job.range_of ? h("span", { class: "badge" }, "range test of ", h("a", { href: `#/jobs/${job.range_of}` }, job.range_of.slice(-6))) : null;
  return [
    h("div", { class: "head" }, h("h1", {}, job.name || job.id), state(job.status)),
    h("p", { class: "soft row" }, h("span", { class: "mono" }, job.id), kind, labels, verdict(job.verdict)),
  ];
}

function position(job) {
  const { progress: at, metrics } = job;
  const accuracy = metrics.test_accuracy ?? metrics.validation_accuracy ?? metrics.train_accuracy;
  const which = metrics.test_accuracy != null ? "test accuracy" : metrics.validation_accuracy != null ? "validation accuracy" : "training accuracy";
  return [
    job.status === "running" || job.status === "paused" ? progressBar(at?.percent, `progress of ${job.name}`) : null,
    facts([
      [which, accuracy == null ? null : h("span", { class: "big" }, text.percent(accuracy, 2))],
      ["epoch", at ? `${at.epoch} of ${at.epochs}` : null],
      ["step", at ? `${text.count(at.step)} of ${text.count(at.steps)}` : null],
      ["samples a second", at ? text.count(at.samples_per_second) : null],
      ["left", job.status === "running" && at?.eta_seconds != null ? text.seconds(at.eta_seconds) : null],
      ["took", job.ended_at && job.started_at ? text.seconds((Date.parse(job.ended_at) - Date.parse(job.started_at)) / 1000) : null],
      ["dataset", job.spec.dataset.name],
      ["attempt", job.attempt > 1 ? job.attempt : null],
      ["submitted", text.ago(job.created_at)],
    ]),
  ];
}

function buttons(job, refresh) {
  const path = `/jobs/${quoted(job.id)}`;
  const ask = (what) => () => post(`${path}/${what}`).then(refresh);
  const again = async () => {
    const next = await make(`${path}/retry`, {});
    location.hash = `#/jobs/${next.id}`;
  };
  const waits = job.cancel_requested || job.pause_requested;
  return h(
    "p",
    { class: "row actions" },
    job.status === "paused" ? action("Resume", ask("resume"), { primary: true }) : null,
    ["queued", "running"].includes(job.status) && !waits ? action("Pause", ask("pause")) : null,
    !ENDED.has(job.status) && !job.cancel_requested ? action("Cancel", ask("cancel"), { danger: true }) : null,
    waits ? h("span", { class: "soft" }, job.cancel_requested ? "stopping…" : "pausing…") : null,
    job.model ? h("a", { class: "button primary", href: `#/try?model=${job.model}` }, "Try the model") : null,
    job.model ? h("a", { class: "button", href: `#/models/${job.model}` }, "Its report") : null,
    ENDED.has(job.status) ? action("Run again", again) : null,
    h("a", { class: "button", href: `#/new?from=${job.id}` }, "Change and run"),
    h("a", { class: "quiet", href: `${path}/explain?format=html` }, "As a report"),
  );
}

function outcome({ failure }) {
  if (!failure) return null;
  return h("div", { class: "finding critical" }, h("h3", {}, `Failed: ${text.words(failure.code)}`), h("p", {}, failure.message), h("p", {}, h("strong", {}, failure.advice)));
}

/** The chain of retries, oldest first. */
function chain({ chain: jobs, id }) {
  if (!jobs.length) return null;
  return h(
    "ol",
    { class: "chain", "aria-label": "Retries" },
    jobs.map((job) => h("li", { "aria-current": job.id === id ? "true" : null }, h("a", { href: `#/jobs/${job.id}` }, job.id.slice(-6)), " ", state(job.status), " ", verdict(job.verdict))),
  );
}

/** Adds the line of an event; the end stays in sight where it was. */
function write(log, event) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  const loud = event.kind === "warning" || (event.kind === "finding" && event.data.severity !== "info");
  log.append(h("span", { class: loud ? "fault" : null }, `${event.message}\n`));
  while (log.childElementCount > MOST_LINES) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function specification(job) {
  const { facts: _, ...dataset } = job.spec.dataset;
  const shown = JSON.stringify({ ...job.spec, dataset }, null, 2);
  return h("section", { class: "card" }, h("h2", {}, "Specification"), h("pre", { class: "log", tabindex: 0, "aria-label": "Specification" }, shown));
}
