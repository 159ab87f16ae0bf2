/** The same job for a terminal, a program and a file. */

import { h, show } from "../dom.js";

const FORMS = {
  curl: (spec) => `curl -s ${location.origin}/jobs -H 'Content-Type: application/json' -d '${json(spec).replaceAll("'", "'\\''")}'`,
  Python: (spec) => `from traind import Client\n\nspec = ${python(spec, "")}\nwith Client("${location.origin}") as client:\n    job = client.train(spec).wait(progress=True)\n    print(job, job.diagnosis().verdict)`,
  JSON: (spec) => `${json(spec)}\n`,
  YAML: yaml,
};
const HINTS = {
  curl: "", Python: "pip install 'traind[client]'",
  JSON: "Save it as job.json, then: traind submit job.json --watch", YAML: "Save it as job.yaml, then: traind submit job.yaml --watch",
};
/** Words that YAML 1.1 reads as other than a string. */
const YAML_WORDS = /^(y|n|yes|no|on|off|true|false|null)$/;
/** What must be escaped in YAML, where JSON leaves it as it is. */
const YAML_ESCAPED = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

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

/** A specification as YAML: an object below its name, a list in one line. */
export function yaml(spec, indent = "") {
  return Object.entries(spec).map(([key, value]) => {
    const name = /^[a-z][a-z_0-9]*$/.test(key) && !YAML_WORDS.test(key) ? key : inYaml(key);
    const isBlock = value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length;
    return `${indent}${name}:${isBlock ? `\n${yaml(value, `${indent}  `)}` : ` ${inYaml(value)}\n`}`;
  }).join("");
}

/** A value in one line: JSON, where a number with an exponent has a point, too, as YAML 1.1 wants it. */
function inYaml(value) {
  if (Array.isArray(value)) return `[${value.map(inYaml).join(", ")}]`;
  if (value !== null && typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${inYaml(key)}: ${inYaml(each)}`).join(", ")}}`;
  if (typeof value === "number") return String(value).replace(/^(-?\d+)e/, "$1.0e");
  return JSON.stringify(value).replace(YAML_ESCAPED, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
