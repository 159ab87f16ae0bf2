/** A new job: a form with what each field means, told at once what is wrong and how long it takes. */

import { get, items, make, post, Problem, quoted } from "../api.js";
import { BUILT_IN } from "../data/built_in.js";
import { h, show, text } from "../dom.js";
import { asCode } from "../job/as_code.js";
import { SpecForm } from "../job/spec_form.js";
import { action, facts } from "../parts.js";

const TYPING_MS = 200;

export async function view(place, { query }, signal) {
  const [schema, presets, own, from] = await Promise.all([
    get("/presets/schema", { signal }),
    get("/presets", { signal }),
    names(signal),
    query.get("from") ? get(`/jobs/${quoted(query.get("from"))}`, { signal }) : null,
  ]);
  const code = asCode();
  const plan = h("section", { class: "card plan", "aria-live": "polite" });
  const loose = h("div", { class: "fault", role: "alert" });
  let preset = query.get("preset");
  let timer;
  let asked = 0;

  const spec = () => ({ ...(preset ? { preset } : {}), ...form.spec });
  const changed = () => {
    clearTimeout(timer);
    code.update(spec());
    timer = setTimeout(check, TYPING_MS);
  };
  const form = new SpecForm(schema, changed, { "dataset.name": [...BUILT_IN.map(([each]) => each), ...own] });
  const choice = h(
    "fieldset",
    { class: "chips" },
    h("legend", {}, "Begin with"),
    [null, ...presets.data.map(({ name }) => name)].map((name) => {
      const about = presets.data.find((each) => each.name === name)?.about ?? "Every field at its default: the textbook's network on MNIST.";
      const radio = h("input", { type: "radio", name: "preset", value: name ?? "", checked: name === preset, onchange: () => ((preset = name), show(said, about), changed()) });
      return h("label", { title: about }, radio, ` ${name ?? "defaults"}`);
    }),
  );
  const said = h("p", { class: "help" }, presets.data.find(({ name }) => name === preset)?.about ?? "");

  async function check() {
    const turn = ++asked;
    try {
      const found = await post("/jobs/validate", spec(), { signal });
      if (turn !== asked) return;
      form.blame([]);
      form.explain(found.spec);
      show(loose);
      show(plan, h("h2", {}, "What would run"), planned(found));
      submit.disabled = false;
    } catch (error) {
      if (error.name === "AbortError" || turn !== asked) return;
      blame(error);
    }
  }

  function blame(error) {
    const rest = form.blame(error instanceof Problem ? error.errors : []);
    const isUnsaid = !(error instanceof Problem) || !error.errors.length;
    show(loose, isUnsaid ? h("p", {}, error.message) : rest.map(({ pointer, detail }) => h("p", {}, `${pointer ?? ""} ${detail}`)));
    show(plan, h("h2", {}, "What would run"), h("p", { class: "soft" }, "Nothing yet: see what is marked in the form."));
    submit.disabled = true;
  }

  const submit = action("Train", async () => {
    try {
      const job = await make("/jobs", spec());
      location.hash = `#/jobs/${job.id}`;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      blame(error);
    }
  }, { primary: true });

  if (from) form.spec = changes(from.spec, schema);
  if (query.get("dataset")) form.spec = { ...form.spec, dataset: { ...form.spec.dataset, name: query.get("dataset") } };
  if (query.get("lr")) form.spec = { ...form.spec, training: { ...form.spec.training, optimizer: { ...form.spec.training?.optimizer, lr: Number(query.get("lr")) } } };
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, from ? `Change and run: ${from.name}` : "New job"), from ? h("a", { href: `#/jobs/${from.id}` }, "Back to the job") : null),
    h(
      "div",
      { class: "two" },
      h("form", { class: "card", onsubmit: (event) => (event.preventDefault(), submit.disabled || submit.click()) }, choice, said, form.element),
      h("div", { class: "aside" }, plan, loose, h("p", {}, submit), code.element),
    ),
  );
  code.update(spec());
  await check();
  signal.addEventListener("abort", () => clearTimeout(timer));
}

/** What the answer of /jobs/validate says, in words. */
function planned(plan) {
  const { training } = plan.spec;
  return facts([
    ["network", plan.layer_sizes.join(" → ")],
    ["parameters", text.count(plan.parameters)],
    ["training examples", text.count(plan.training_images)],
    ["held out", text.count(plan.validation_images)],
    ["steps", `${text.count(plan.steps)} of ${training.batch_size}`],
    ["time, about", plan.estimated_seconds == null ? "unknown until a worker has measured itself" : text.seconds(plan.estimated_seconds)],
    ["checkpoint", text.bytes(plan.checkpoint_bytes)],
  ]);
}

/** Names of the datasets of one's own. */
async function names(signal) {
  const found = new Set();
  for await (const { name } of items("/datasets", { query: { limit: 100 }, signal })) found.add(name);
  return [...found];
}

/** What a stored specification says beyond the defaults of the schema. */
function changes(spec, schema) {
  const { preset: _, dataset: { facts: __, ...dataset }, ...rest } = spec;
  const defaults = Object.fromEntries(Object.entries(schema.properties).map(([name, property]) => [name, property.default]));
  return beyond({ dataset, ...rest }, defaults);
}

function beyond(value, usual) {
  const found = Object.entries(value)
    .filter(([name, each]) => JSON.stringify(each) !== JSON.stringify(usual?.[name]))
    .map(([name, each]) => [name, isObject(each) && name !== "labels" ? beyond(each, usual?.[name]) : each]);
  return Object.fromEntries(found);
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
