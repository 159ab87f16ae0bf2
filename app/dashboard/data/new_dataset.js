/** The form that turns what was dropped into a dataset: its name, its target, how it is read. */

import { make } from "../api.js";
import { h, show, text } from "../dom.js";
import { columnsOf, kindOf, usualTarget } from "./columns.js";
import { tarOf } from "./tar.js";
import { upload } from "./upload.js";

const MOST_COLUMNS = 1000;

/**
 * The form for `bundle` (see intake.js). `versionOf(name)` is the newest version of that name, if
 * there is one. Calls `onmade(dataset)` once its upload has begun, or `oncancel`.
 */
export async function newDataset(bundle, { versionOf, onmade, oncancel }) {
  const columns = await columnsOf(bundle);
  const known = kindOf(bundle);
  const name = h("input", { id: "name", required: true, maxlength: 63, value: slug(bundle.name), autocomplete: "off", spellcheck: "false", "aria-describedby": "name-help" });
  const nameHelp = h("p", { class: "help", id: "name-help" });
  const kind = h("select", { id: "kind" }, h("option", { value: "image" }, "Pictures"), h("option", { value: "table", selected: /\.parquet$/i.test(bundle.name) }, "A table: rows with columns"));
  const target = targetField(columns);
  const pictures = pictureOptions();
  const rows = columnOptions(columns);
  const testPercent = h("input", { id: "test", type: "number", min: 1, max: 50, value: 20, required: true });
  const deduplicate = h("input", { type: "checkbox", id: "deduplicate" });
  const fault = h("p", { class: "fault", role: "alert" });
  const send = h("button", { class: "primary", type: "submit" }, "Upload");
  const chosenKind = () => known ?? kind.value;
  const tableParts = [field("target", "Target column: what the model is to tell", target, "Every row names its class there.")];

  const renamed = () => {
    const version = versionOf(name.value);
    show(nameHelp, version ? `You have ${name.value} already: this becomes version ${version + 1} of it.` : "What jobs call it: small letters, digits, - _ and dots.");
  };
  const kindChanged = () => {
    const isTable = chosenKind() === "table";
    for (const part of tableParts) part.hidden = !isTable;
    target.required = isTable && target.tagName === "SELECT";
    pictures.element.hidden = isTable;
    if (rows.element) rows.element.hidden = !isTable;
  };
  const wanted = () => ({
    name: name.value,
    kind: chosenKind(),
    file_name: bundle.name.slice(0, 255),
    parts: { test_fraction: Number(testPercent.value) / 100 },
    deduplicate: deduplicate.checked,
    ...(chosenKind() === "table" ? { table: { target: target.value || null, columns: rows.chosen() } } : { image: pictures.chosen() }),
  });
  const submit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    show(fault);
    name.removeAttribute("aria-invalid");
    try {
      const blob = bundle.isFolder ? tarOf(bundle.files) : bundle.file;
      const dataset = await make("/datasets", wanted());
      upload(dataset.id, blob);
      onmade(dataset);
    } catch (error) {
      show(fault, error.errors?.length ? error.errors.map(({ pointer, detail }) => `${(pointer ?? "").slice(1)} ${detail}`.trim()).join("; ") : error.message);
      if (error.code === "dataset_name_taken" || error.errors?.some(({ pointer }) => pointer === "/name")) {
        name.setAttribute("aria-invalid", "true");
        name.focus();
      }
      send.disabled = false;
    }
  };
  name.addEventListener("input", renamed);
  kind.addEventListener("change", kindChanged);
  renamed();
  kindChanged();
  const isEmpty = bundle.isFolder ? !bundle.files.length : !bundle.bytes;
  const form = h(
    "form",
    { class: "card", onsubmit: submit, "aria-labelledby": "new-title" },
    h("h2", { id: "new-title" }, bundle.name),
    h("p", { class: "soft" }, bundle.isFolder ? `A folder with ${text.count(bundle.files.length)} files, ` : "", text.bytes(bundle.bytes)),
    isEmpty
      ? h("p", { class: "fault", role: "alert" }, bundle.isFolder ? "There are no files in it." : "The file is empty.")
      : [
        h("div", { class: "columns" }, field("name", "Name", name, nameHelp), known ? null : field("kind", "What is in it", kind), tableParts),
        h(
          "details",
          {},
          h("summary", {}, "How it is read"),
          pictures.element,
          rows.element,
          h("div", { class: "columns" }, field("test", "Kept for the test, in percent", testPercent, "Where the file does not say it by folders or a column named split."),
            h("div", { class: "field" }, h("label", { class: "check", for: "deduplicate" }, deduplicate, " Leave out duplicates"), h("p", { class: "help" }, "What is also in the test part, or twice in the training part."))),
        ),
        fault,
      ],
    h("div", { class: "row" }, isEmpty ? null : send, h("button", { type: "button", onclick: oncancel }, "Cancel")),
  );
  return form;
}

/** A name for a dataset from that of a file. */
export function slug(fileName) {
  const stem = fileName.replace(/(\.tar)?\.[a-z0-9]{1,8}$/i, "");
  const plain = stem.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  const sound = plain.replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "").slice(0, 63);
  return !sound || sound.startsWith("ds_") ? "my-data" : sound;
}

function field(id, label, input, help) {
  const shown = typeof help === "string" ? h("p", { class: "help" }, help) : help;
  return h("div", { class: "field" }, h("label", { for: id }, label), input, shown);
}

function targetField(columns) {
  if (!columns.length) return h("input", { id: "target", maxlength: 200, placeholder: "found by its usual names", spellcheck: "false" });
  const usual = usualTarget(columns);
  const options = columns.map((column) => h("option", { value: column, selected: column === usual }, column));
  return h("select", { id: "target" }, h("option", { value: "" }, "Choose the column…"), options);
}

function pictureOptions() {
  const size = h("input", { id: "size", placeholder: "chosen from the pictures", pattern: "\\s*\\d{1,3}(\\s*[x×]\\s*\\d{1,3})?\\s*", title: "Such as 64, or 48 x 64 for height and width" });
  const select = (id, options) => h("select", { id }, options.map(([value, label]) => h("option", { value }, label)));
  const fit = select("fit", [["crop", "Crop to the middle"], ["pad", "Pad with the background"], ["stretch", "Stretch"]]);
  const color = select("color", [["auto", "As the pictures have it"], ["grey", "Grey: one channel"], ["rgb", "Colour: three channels"]]);
  const ground = h("input", { id: "ground", type: "color", value: "#ffffff" });
  return {
    element: h(
      "div",
      { class: "columns" },
      field("size", "Size in pixels", size, "One number, or height x width; 8 to 512."),
      field("fit", "Where the shape differs", fit),
      field("color", "Colour", color),
      field("ground", "Background", ground, "Behind transparent pixels, and around padded pictures."),
    ),
    chosen() {
      const sides = size.value.match(/\d+/g)?.map(Number);
      return { size: sides ? (sides.length === 1 ? sides[0] : sides) : null, fit: fit.value, color: color.value, ground: ground.value };
    },
  };
}

/** What each column holds, where that is not what the import would find. */
function columnOptions(columns) {
  const shown = columns.slice(0, MOST_COLUMNS);
  if (!shown.length) return { element: null, chosen: () => ({}) };
  const kinds = [["", "as found"], ["number", "number"], ["date", "date"], ["category", "category"], ["ignore", "leave out"]];
  const selects = shown.map((column) => [column, h("select", { "aria-label": `What ${column} holds` }, kinds.map(([value, label]) => h("option", { value }, label)))]);
  const element = h(
    "fieldset",
    { class: "column-kinds" },
    h("legend", {}, "Columns"),
    h("p", { class: "help" }, "Leave out what is not known where the model will be used. Numbers that are names, such as zip codes, are categories."),
    selects.map(([column, select]) => h("label", { class: "pair" }, h("span", { class: "ellipsis", title: column }, column), select)),
  );
  return { element, chosen: () => Object.fromEntries(selects.filter(([, { value }]) => value).map(([column, { value }]) => [column, value])) };
}
