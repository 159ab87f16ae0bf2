/** The list of jobs: live, filtered, and smooth at ten thousand, because only what is seen is drawn. */

import { get, stream } from "../api.js";
import { h, show, text } from "../dom.js";
import { empty, progressBar, state, verdict } from "../parts.js";

const PAGE = 500;
const STATES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];
/** Rows drawn above and below what is seen. */
const MARGIN = 12;
const MOST_COMPARED = 8;

export async function view(place, { query }, signal) {
  const list = new JobList(signal);
  const filters = filterForm(query, (chosen) => {
    const kept = new URLSearchParams(Object.entries(chosen).flatMap(([name, value]) => [value].flat().filter(Boolean).map((each) => [name, each])));
    history.replaceState(null, "", kept.size ? `#/jobs?${kept}` : "#/jobs");
    list.load(chosen);
  });
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, "Jobs"), h("div", { class: "row" }, list.compare, h("a", { class: "button primary", href: "#/new" }, "New job"))),
    filters.form,
    list.element,
  );
  await list.load(filters.chosen());
  stream("/jobs/changes", { job: (job) => list.changed(job) }, { signal, onopen: () => list.reopened() });
}

/** The form of filters; calls `onchange` with what is chosen. */
function filterForm(query, onchange) {
  const wanted = new Set(query.getAll("status"));
  const boxes = STATES.map((name) => h("input", { type: "checkbox", name: "status", value: name, checked: wanted.has(name) }));
  const field = (name, label, placeholder) => h("input", { name, "aria-label": label, placeholder, value: query.get(name) ?? "", type: "search" });
  const fields = [field("text", "Name or id", "Name or id"), field("dataset", "Dataset", "Dataset"), field("label", "Label", "Label, key:value")];
  const chosen = () => ({
    status: boxes.filter(({ checked }) => checked).map(({ value }) => value),
    ...Object.fromEntries(fields.map(({ name, value }) => [name, value.trim()])),
  });
  let typing;
  const changed = () => {
    clearTimeout(typing);
    typing = setTimeout(() => onchange(chosen()), 200);
  };
  const form = h(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => event.preventDefault(), oninput: changed },
    h("fieldset", { class: "chips" }, h("legend", { class: "soft" }, "State"), boxes.map((box) => h("label", {}, box, ` ${box.value}`))),
    h("div", { class: "columns" }, fields),
  );
  return { form, chosen };
}

class JobList {
  constructor(signal) {
    this.signal = signal;
    this.rows = [];
    this.next = null;
    this.loading = false;
    this.chosen = {};
    this.compared = new Set();
    this.compare = h("button", { type: "button", hidden: true, onclick: () => (location.hash = `#/jobs/compare?ids=${[...this.compared].join(",")}`) });
    this.body = h("tbody");
    this.fault = h("p", { class: "fault", role: "alert" });
    this.none = h("div");
    this.table = h(
      "table",
      { class: "jobs" },
      h("thead", {}, h("tr", {}, ["", "Name", "State", "Dataset", "Accuracy", "Finding", "Submitted"].map((title) => h("th", { scope: "col" }, title || h("span", { class: "only-read" }, "Compare"))))),
      this.body,
    );
    this.element = h("section", { class: "card list", "aria-label": "Jobs" }, this.fault, this.none, this.table);
    const draw = () => requestAnimationFrame(() => this.draw());
    addEventListener("scroll", draw, { signal, passive: true });
    addEventListener("resize", draw, { signal });
  }

  /** Reads the first page of jobs that match; what the stream tells is matched alike. */
  async load(chosen) {
    this.chosen = chosen;
    this.rows = [];
    this.next = null;
    this.turn = (this.turn ?? 0) + 1;
    await this.more();
  }

  async more() {
    const { turn } = this;
    this.loading = true;
    try {
      const page = await get("/jobs/summaries", { query: { ...this.chosen, limit: PAGE, after: this.next }, signal: this.signal });
      if (turn !== this.turn) return;
      const known = new Set(this.rows.map(({ id }) => id));
      this.rows.push(...page.data.filter(({ id }) => !known.has(id)));
      this.next = page.next;
      show(this.fault);
    } catch (error) {
      if (error.name === "AbortError" || turn !== this.turn) return;
      show(this.fault, error.message);
    } finally {
      if (turn === this.turn) this.loading = false;
    }
    this.drawn = null;
    this.draw();
  }

  /** After a break of the stream, changes were missed. */
  reopened() {
    if (this.wasOpen) this.load(this.chosen);
    this.wasOpen = true;
  }

  changed(job) {
    const at = this.rows.findIndex(({ id }) => id === job.id);
    const fits = this.matches(job);
    if (at >= 0 && fits) this.rows[at] = job;
    else if (at >= 0) this.rows.splice(at, 1);
    else if (fits && (!this.rows.length || job.id > this.rows[0].id)) this.rows.unshift(job);
    else return;
    this.drawn = null;
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
    });
  }

  matches(job) {
    const { status = [], text: part, dataset, label } = this.chosen;
    const [key, value] = (label ?? "").split(/[:=](.*)/s);
    return (
      (!status.length || status.includes(job.status)) &&
      (!part || `${job.name} ${job.id}`.toLowerCase().includes(part.toLowerCase())) &&
      (!dataset || job.dataset === dataset) &&
      (!label || job.labels[key] === value)
    );
  }

  /** Draws the rows that are seen, between two empty rows as high as the others together. */
  draw() {
    if (this.signal.aborted) return;
    const hasRows = this.rows.length > 0;
    this.table.hidden = !hasRows;
    show(this.none, hasRows || this.loading || this.fault.textContent ? null : this.nothing());
    if (!hasRows) return;
    const height = this.body.querySelector("tr[data-id]")?.offsetHeight || 48;
    const top = this.table.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(-top / height) - MARGIN);
    const to = Math.min(this.rows.length, Math.ceil((innerHeight - top) / height) + MARGIN);
    if (this.next && !this.loading && to > this.rows.length - 100) this.more();
    const key = `${from} ${to} ${this.rows.length}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const focused = document.activeElement?.closest?.("tr[data-id]") && document.activeElement.dataset.focus;
    show(this.body, gap(from * height), this.rows.slice(from, to).map((job) => this.row(job)), gap((this.rows.length - to) * height));
    if (focused) this.body.querySelector(`[data-focus="${focused}"]`)?.focus({ preventScroll: true });
  }

  nothing() {
    const filtered = Object.values(this.chosen).some((value) => value.length);
    return filtered
      ? empty("No job matches", h("p", {}, "Take a filter away."))
      : empty("No jobs yet", h("p", {}, h("a", { class: "button primary", href: "#/new" }, "Train a network")));
  }

  row(job) {
    const { metrics, progress } = job;
    const accuracy = metrics.test_accuracy ?? metrics.validation_accuracy ?? metrics.train_accuracy;
    const box = h("input", {
      type: "checkbox", checked: this.compared.has(job.id), "aria-label": `Compare ${job.name}`, dataset: { focus: `box-${job.id}` },
      onchange: (event) => this.select(job.id, event.target),
    });
    return h(
      "tr",
      { dataset: { id: job.id } },
      h("td", {}, box),
      h("td", { class: "name" }, h("a", { href: `#/jobs/${job.id}`, class: "ellipsis", title: job.name, dataset: { focus: job.id } }, job.name || job.id)),
      h("td", {}, state(job.status), job.status === "running" ? progressBar(progress?.percent, `progress of ${job.name}`) : null),
      h("td", { class: "ellipsis", title: job.dataset }, job.dataset),
      h("td", { class: "number" }, job.range_of ? "rate test" : text.percent(accuracy)),
      h("td", {}, job.failure ? h("span", { class: "badge bad" }, text.words(job.failure.code)) : verdict(job.verdict)),
      h("td", { class: "number soft", title: job.created_at }, text.ago(job.created_at)),
    );
  }

  select(id, box) {
    if (box.checked && this.compared.size >= MOST_COMPARED) box.checked = false;
    box.checked ? this.compared.add(id) : this.compared.delete(id);
    this.compare.hidden = this.compared.size < 2;
    show(this.compare, `Compare ${this.compared.size} jobs`);
  }
}

const gap = (height) => h("tr", { class: "gap", "aria-hidden": "true" }, tall(h("td", { colspan: 7 }), height));

function tall(cell, height) {
  cell.style.height = `${height}px`;
  return cell;
}
