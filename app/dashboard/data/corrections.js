/**
 * Examples that a model got wrong, kept with their right classes. They are the file of a dataset of
 * their own that adds to the one that the model was trained on: its test part stays, so that the
 * next model can be compared with this one.
 */

import { get, items, make, quoted, request } from "../api.js";
import { tarOf, withoutEnd } from "./tar.js";
import { upload } from "./upload.js";

const ENDING = "-corrected";
/** A folder that archives are read with as one folder, and that is not passed over as hidden. */
const FOLDER = /^(?!\.)[^/\\\0]+$/;

/**
 * Adds `examples`, `[{ label, picture }]` of right classes and Blobs; `model` is the model that
 * answered. Answers the dataset with all that was kept until now, imported. Throws what was refused,
 * and an Error for a class whose name is none for a folder.
 */
export async function keep(model, examples, signal) {
  const odd = examples.find(({ label }) => !FOLDER.test(label.trim()));
  if (odd) throw new Error(`Corrections of the class “${odd.label}” cannot be kept: they are sent as a folder for each class, and a folder's name is not empty, has no slash and begins with no dot.`);
  const { name, base } = await placeOf(model, signal);
  const before = await newest(name, signal);
  const kept = before ? await contentOf(before, signal) : new Blob();
  const now = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const added = examples.map(({ label, picture }, at) => ({ path: `${label}/${now}-${at}.png`, file: picture }));
  const file = new Blob([await withoutEnd(kept), tarOf(added)], { type: "application/x-tar" });
  const dataset = await make("/datasets", { name, base, file_name: "corrections.tar" }, { signal });
  await whole(upload(dataset.id, file));
  return imported(dataset.id, signal);
}

/** Submits the model's job again, on a dataset of corrections; answers the job. */
export function trainAgain(model, dataset) {
  const { dataset: { facts: _, ...before }, ...spec } = model.spec;
  return make("/jobs", { ...spec, name: `${spec.name}, corrected`.slice(0, 128), dataset: { ...before, name: dataset.name } });
}

/** What corrections of a model's dataset are called, and what they add to. */
async function placeOf({ spec: { dataset } }, signal) {
  const { id, version } = dataset.facts;
  if (!id) return { name: dataset.name + ENDING, base: dataset.name };
  const { options } = await get(`/datasets/${quoted(id)}`, { signal });
  if (dataset.name.endsWith(ENDING) && options.base) return { name: dataset.name, base: options.base };
  return { name: dataset.name.slice(0, 63 - ENDING.length) + ENDING, base: `${dataset.name}@${version}` };
}

/** The newest version of a name that was imported, or null. */
async function newest(name, signal) {
  for await (const version of items("/datasets", { query: { name }, signal })) {
    if (version.status === "ready") return version;
  }
  return null;
}

const contentOf = ({ id }, signal) => request("GET", `/datasets/${quoted(id)}/content`, { signal, as: "blob" });

function whole(sending) {
  return new Promise((done, failed) => {
    const changed = () => {
      if (sending.state === "done") done();
      if (sending.state === "failed") failed(new Error(sending.fault));
    };
    sending.addEventListener("change", changed);
    changed();
  });
}

async function imported(id, signal) {
  for (;;) {
    const dataset = await get(`/datasets/${quoted(id)}`, { query: { wait: 30 }, signal });
    if (dataset.status === "ready") return dataset;
    if (dataset.status === "refused") throw new Error(`${dataset.refusal.message} ${dataset.refusal.advice}`);
  }
}
