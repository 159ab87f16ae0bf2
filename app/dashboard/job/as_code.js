/** The same job for a terminal, a program and a file. */

import { h, show } from "../dom.js";

const FORMS = {
  curl: (spec) => `curl -s ${location.origin}/jobs -H 'Content-Type: application/json' -d '${json(spec).replaceAll("'", "'\\''")}'`,
  Python: (spec) => `from traind import Client\n\nspec = ${python(spec, "")}\nwith Client("${location.origin}") as client:\n    job = client.train(spec).wait(progress=True)\n    print(job, job.diagnosis().verdict)`,
  File: (spec) => `${json(spec)}\n`,
};
const HINTS = { curl: "", Python: "pip install 'traind[client]'", File: "Save it as job.json, then: traind submit job.json --watch" };

/** A panel with the forms of a specification; `update(spec)` shows another. */
export function asCode() {
  const code = h("pre", { tabindex: 0, "aria-label": "Code" }, "");
  const hint = h("p", { class: "help" });
  let shown = {};
  let form = "curl";
  const tabs = Object.keys(FORMS).map((name) => h("button", { type: "button", "aria-pressed": name === form, onclick: () => choose(name) }, name));
  const copy = h("button", { type: "button", onclick: () => navigator.clipboard?.writeText(code.textContent).then(() => show(copy, "Copied")) }, "Copy");
  const draw = () => {
    show(code, FORMS[form](shown));
    show(hint, HINTS[form]);
    show(copy, "Copy");
  };
  const choose = (name) => {
    form = name;
    for (const tab of tabs) tab.setAttribute("aria-pressed", tab.textContent === name);
    draw();
  };
  const element = h("section", { class: "card" }, h("div", { class: "head" }, h("h2", {}, "The same as code"), h("div", { class: "row" }, tabs, copy)), code, hint);
  draw();
  return {
    element,
    update(spec) {
      shown = spec;
      draw();
    },
  };
}

const json = (spec) => JSON.stringify(spec, null, 2);

/** A value as Python writes it. */
function python(value, indent = "    ") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map((each) => python(each)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const pairs = Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${python(each, inner)},\n`);
  return pairs.length ? `{\n${pairs.join("")}${indent}}` : "{}";
}
