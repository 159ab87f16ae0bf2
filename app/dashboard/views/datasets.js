/** Datasets: drop one's own, see which there are. */

import { get } from "../api.js";
import { BUILT_IN } from "../data/built_in.js";
import { chosen, dropped } from "../data/intake.js";
import { newDataset } from "../data/new_dataset.js";
import { uploadOf } from "../data/upload.js";
import { h, show, text } from "../dom.js";
import { empty, notice, state } from "../parts.js";
import { styled } from "../stylesheet.js";
import { scrolling } from "../tables.js";

const PAGE = 100;
const LOOK_MS = 1500;
const UNSETTLED = new Set(["awaiting_upload", "queued", "importing"]);

export async function view(place, { query }, signal) {
  await styled(place, "found", "data");
  const own = ownDatasets(signal);
  const intake = h("div");
  const offer = () => show(intake, dropZone(take));
  const take = async (reading) => {
    const bundle = await reading;
    const form = await newDataset(bundle, {
      versionOf: own.versionOf,
      onmade: ({ id }) => (location.hash = `#/data/${id}`),
      oncancel: offer,
    });
    show(intake, form);
    form.querySelector("input, button")?.focus();
  };
  acceptDrops(place, take, signal);
  offer();
  show(
    place,
    h("h1", {}, "Data"),
    intake,
    own.element,
    h(
      "details",
      { class: "card", open: query.has("built-in") },
      h("summary", {}, h("h2", {}, "Built in")),
      h("ul", { class: "plain" }, BUILT_IN.map(([name, what]) => h("li", {}, h("a", { href: `#/new?dataset=${name}` }, name), h("span", { class: "soft" }, ` ${what}`)))),
    ),
  );
  await own.load();
}

/** Where files are dropped or chosen; `take` gets a promise of the bundle. */
function dropZone(take) {
  const picker = (properties) => h("input", { type: "file", hidden: true, tabindex: "-1", onchange: ({ target }) => target.files.length && take(chosen(target.files)), ...properties });
  const file = picker({ accept: ".zip,.tar,.tgz,.gz,.bz2,.xz,.parquet,.npz,.csv,.tsv,.json,.jsonl,.ndjson", "aria-label": "A file" });
  const folder = picker({ webkitdirectory: true, "aria-label": "A folder" });
  return h(
    "section",
    { class: "drop", "aria-label": "Bring your own data" },
    h("p", { class: "drop-title" }, "Drop your own pictures or table here"),
    h("p", { class: "soft" }, "A folder or an archive (zip, tar) with a folder of pictures for each class; or a table: CSV, JSON lines, Parquet, npz."),
    h(
      "div",
      { class: "row" },
      h("button", { type: "button", class: "primary", onclick: () => file.click() }, "Choose a file"),
      h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder"),
    ),
    file,
    folder,
  );
}

/** Drops anywhere on the page are taken, so that none opens the file in the page's stead. */
function acceptDrops(place, take, signal) {
  let inside = 0;
  const holdsFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  const mark = (isOver) => place.classList.toggle("dropping", isOver);
  const on = (name, handler) => addEventListener(name, (event) => holdsFiles(event) && handler(event), { signal });
  on("dragenter", () => mark(++inside > 0));
  on("dragleave", () => mark(--inside > 0));
  on("dragover", (event) => event.preventDefault());
  on("drop", async (event) => {
    event.preventDefault();
    mark(false);
    inside = 0;
    await take(dropped(event.dataTransfer)).catch((error) => notice(`It cannot be read: ${error.message}`, true));
  });
}

/** The list of one's own: the newest version of each name, live while one is on its way. */
function ownDatasets(signal) {
  const newest = new Map();
  const element = h("div");
  const more = h("button", { type: "button", hidden: true, onclick: () => load(next) }, "Show more");
  let next = null;
  let timer;

  const draw = () => {
    const rows = [...newest.values()].map(row);
    show(
      element,
      rows.length
        ? h("section", { class: "card" }, h("h2", {}, "Yours"), scrolling("Your datasets", table(rows)), more)
        : empty("You have brought no data yet", h("p", {}, "Drop a folder of pictures above, or ", h("a", { href: "#/new?dataset=digits" }, "train on built-in digits"), " first.")),
    );
  };
  const load = async (after) => {
    const page = await get("/datasets", { query: { limit: PAGE, after }, signal });
    for (const each of page.data) {
      const known = newest.get(each.name);
      if (!known || known.version <= each.version) newest.set(each.name, each);
    }
    if (after || next === null) next = page.next;
    more.hidden = !next;
    draw();
  };
  const look = async () => {
    if ([...newest.values()].some(({ status }) => UNSETTLED.has(status)) && !document.hidden) await load().catch(() => {});
    if (!signal.aborted) timer = setTimeout(look, LOOK_MS);
  };
  timer = setTimeout(look, LOOK_MS);
  signal.addEventListener("abort", () => clearTimeout(timer));
  return { element, load: () => load(), versionOf: (name) => newest.get(name)?.version };
}

function table(rows) {
  const titles = ["Name", "State", "Kind", "Examples", "Classes", "Size", "Made"];
  const kinds = { Kind: "wide", Examples: "number", Classes: "number", Size: "number wide", Made: "wide" };
  return h("table", { class: "datasets" }, h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col", class: kinds[title] }, title)))), h("tbody", {}, rows));
}

function row(dataset) {
  const { facts, content } = dataset;
  const sent = uploadOf(dataset.id);
  const progress = sent ? ` ${Math.floor((100 * sent.sent) / sent.total)}%` : dataset.progress?.total ? ` ${Math.floor((100 * dataset.progress.done) / dataset.progress.total)}%` : "";
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { class: "name", href: `#/data/${dataset.id}` }, dataset.name), dataset.version > 1 ? h("span", { class: "soft" }, ` version ${dataset.version}`) : null),
    h("td", {}, state(dataset.status), progress),
    h("td", { class: "wide" }, dataset.kind === "table" ? "table" : "pictures"),
    h("td", { class: "number" }, facts ? text.count(facts.train_images + facts.test_images + facts.validation_images) : "–"),
    h("td", { class: "number" }, facts ? text.count(facts.classes) : "–"),
    h("td", { class: "number wide" }, content ? text.bytes(content.bytes) : "–"),
    h("td", { class: "soft wide" }, text.ago(dataset.created_at)),
  );
}
