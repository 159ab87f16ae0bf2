/** A dataset: its upload, its import, what was found in it, and what to do with it. */

import { del, get, post, quoted } from "../api.js";
import { confirmed } from "../confirm.js";
import { importing, sending } from "../data/progress.js";
import { report } from "../data/report.js";
import { uploadOf } from "../data/upload.js";
import { h, show, text } from "../dom.js";
import { action, facts, notice, state } from "../parts.js";
import { styled } from "../stylesheet.js";

const WAIT_SECONDS = 2;

export async function view(place, { ref }, signal) {
  await styled(place, "found", "data");
  let dataset = await get(`/datasets/${quoted(ref)}`, { signal });
  const path = `/datasets/${quoted(dataset.id)}`;
  document.title = `${dataset.name} · traind`;
  const head = h("div");
  const progress = h("div");
  const body = h("div", { class: "view" });
  const versions = h("div");
  show(place, head, progress, body, versions);
  showVersions(versions, dataset, signal);

  const remove = async () => {
    const wanted = await confirmed({
      title: `Delete ${dataset.name}, version ${dataset.version}?`,
      explanation: "Its file and what was made of it are deleted. Models that were trained on it stay.",
      does: "Delete",
    }, signal);
    if (!wanted) return;
    uploadOf(dataset.id)?.stop();
    await del(path);
    notice(`${dataset.name}, version ${dataset.version}, is deleted.`);
    location.hash = "#/data";
  };
  const again = async () => {
    dataset = await post(`${path}/retry`);
    await follow();
  };
  const drawHead = () => show(head, heading(dataset, path, action("Delete", remove, { danger: true })));
  /** Shows the dataset as it goes on, until its import has ended. */
  const follow = async () => {
    drawHead();
    show(body);
    if (dataset.status === "awaiting_upload") {
      await sending(progress, dataset, signal);
      dataset = await get(path, { signal });
    }
    const shown = importing(progress);
    while (dataset.status === "queued" || dataset.status === "importing") {
      drawHead();
      shown(dataset);
      place.dataset.ready = "yes";
      dataset = await nextLook(path, signal);
    }
    show(progress);
    drawHead();
    if (dataset.status === "refused") show(body, refusal(dataset, action("Import again", again)));
    else if (dataset.status === "ready") show(body, about(dataset), report(await get(`${path}/report`, { signal })));
  };
  await follow();
}

/** The dataset after a while, or when its import has ended; a service that restarts is asked again. */
async function nextLook(path, signal) {
  for (;;) {
    try {
      return await get(path, { query: { wait: WAIT_SECONDS }, signal });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      await new Promise((done) => setTimeout(done, 1000));
      signal.throwIfAborted();
    }
  }
}

function heading(dataset, path, deleting) {
  const isReady = dataset.status === "ready";
  const preset = dataset.kind === "table" ? "table" : "images";
  const name = `${dataset.name}@${dataset.version}`;
  return h(
    "div",
    { class: "head" },
    h("div", { class: "title" }, h("h1", {}, dataset.name), h("p", { class: "soft" }, state(dataset.status), ` · version ${dataset.version} · ${dataset.kind === "table" ? "table" : "pictures"} · ${text.ago(dataset.created_at)}`)),
    h(
      "div",
      { class: "row" },
      isReady ? h("a", { class: "button primary", href: `#/new?${new URLSearchParams({ dataset: name, preset })}` }, "Train on it") : null,
      dataset.content ? h("a", { class: "button", href: `${path}/content`, download: dataset.file_name || true }, "Download") : null,
      deleting,
    ),
  );
}

function about(dataset) {
  const { facts: found, content } = dataset;
  const shape = found.input_shape;
  const things = dataset.kind === "table" ? "rows" : "pictures";
  return h(
    "section",
    { class: "card", "aria-label": "Facts" },
    facts([
      [`Training ${things}`, text.count(found.train_images)],
      [`Validation ${things}`, found.validation_images ? text.count(found.validation_images) : null],
      [`Test ${things}`, text.count(found.test_images)],
      ["Classes", text.count(found.classes)],
      ["What a network sees", shape.length === 3 ? `${shape[1]} x ${shape[2]} pixels, ${shape[0] === 1 ? "grey" : "colour"}` : `${text.count(shape[0])} number${shape[0] === 1 ? "" : "s"}`],
      ["File", dataset.file_name ? [h("span", { class: "cut ellipsis", title: dataset.file_name }, dataset.file_name), h("span", { class: "soft" }, text.bytes(content.bytes))] : text.bytes(content.bytes)],
      ["Target column", dataset.options.table?.target],
      ["Id", h("code", {}, dataset.id)],
    ]),
  );
}

/** How the API names a table's column of classes: TARGET of app/option_words.py. */
const TARGET = '{"kind": "table", "table": {"target": "COLUMN"}}';

function refusal(dataset, again) {
  const { message, advice, code } = dataset.refusal;
  return h(
    "section",
    { class: "card refused", role: "alert" },
    h("h2", {}, "The file cannot be used"),
    h("p", {}, message),
    h("p", {}, h("strong", {}, "What to do: "), advice.replace(TARGET, "in the form's field Target column")),
    h("p", { class: "soft" }, "Code ", h("code", {}, code), dataset.file_name ? `, file ${dataset.file_name}` : ""),
    h("div", { class: "row" }, h("a", { class: "button primary", href: "#/data" }, "Send a mended file"), again),
  );
}

/** Links to the other versions of its name, where there are some. */
async function showVersions(place, dataset, signal) {
  const page = await get("/datasets", { query: { name: dataset.name, limit: 20 }, signal }).catch(() => ({ data: [] }));
  const others = page.data.filter(({ id }) => id !== dataset.id);
  if (!others.length) return;
  show(
    place,
    h(
      "section",
      { class: "card" },
      h("h2", {}, "Other versions"),
      h("ul", { class: "plain" }, others.map((each) => h("li", {}, h("a", { href: `#/data/${each.id}` }, `Version ${each.version}`), " ", state(each.status), h("span", { class: "soft" }, ` ${text.ago(each.created_at)}`)))),
    ),
  );
}
