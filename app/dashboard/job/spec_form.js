/**
 * A form of the specification, made from its JSON schema. A field that is left empty means what the
 * preset and the defaults mean, which stands in it as its placeholder.
 */

import { h, show, text } from "../dom.js";

/** Fields that most people change; they stand above, all others in sections below. */
const FIRST = ["name", "dataset.name", "model.kind", "model.hidden", "training.epochs", "training.batch_size", "training.optimizer.name", "training.optimizer.lr"];
const LABELS = {
  name: "name of the job", "dataset.name": "dataset", "model.kind": "network", "model.hidden": "hidden layers",
  "training.optimizer.name": "optimizer", "training.optimizer.lr": "learning rate", "training.loss.name": "loss",
};
const LEFT_OUT = new Set(["preset", "dataset.facts"]);
/** Word for a null where one has to be typed. */
const NONE = "none";

export class SpecForm {
  /** `schema` is that of GET /presets/schema; `onchange` is called after every change. */
  constructor(schema, onchange, suggestions = {}) {
    this.fields = new Map();
    this.definitions = schema.$defs;
    const others = Object.entries(schema.properties).map(([name, property]) => this.part(name, property, suggestions)).filter(Boolean);
    const [sections, lone] = [true, false].map((is) => others.filter(({ localName }) => (localName === "details") === is));
    const first = FIRST.map((path) => this.fields.get(path)?.element);
    this.element = h("div", { oninput: onchange }, h("div", { class: "fields" }, first), h("h2", {}, "All other fields"), h("div", { class: "fields" }, lone), sections);
  }

  /** A field, or a section of them; those that stand above are not repeated. */
  part(path, property, suggestions) {
    if (LEFT_OUT.has(path)) return null;
    const own = resolved(property, this.definitions);
    if (!own.properties) {
      const field = new Field(path, own, property.description, suggestions[path]);
      this.fields.set(path, field);
      return FIRST.includes(path) ? null : field.element;
    }
    const parts = Object.entries(own.properties).map(([name, each]) => this.part(`${path}.${name}`, each, suggestions));
    return h(
      "details",
      { class: "section" },
      h("summary", {}, text.words(path.split(".").at(-1)), h("span", { class: "soft" }, ` ${firstSentence(property.description ?? own.description)}`)),
      h("div", { class: "fields" }, parts),
    );
  }

  /** The fields that were filled in, as a part of a specification. */
  get spec() {
    const spec = {};
    for (const [path, field] of this.fields) {
      const value = field.value;
      if (value === undefined) continue;
      const names = path.split(".");
      const last = names.pop();
      names.reduce((at, name) => (at[name] ??= {}), spec)[last] = value;
    }
    return spec;
  }

  /** Fills the form with a part of a specification. */
  set spec(spec) {
    for (const [path, field] of this.fields) {
      field.value = path.split(".").reduce((at, name) => at?.[name], spec);
      if (field.value !== undefined) {
        for (let at = field.element.parentElement; at; at = at.parentElement) if (at.localName === "details") at.open = true;
      }
    }
  }

  /** Shows in empty fields what they mean: `plan.spec` is the whole specification. */
  explain(spec) {
    for (const [path, field] of this.fields) field.meaning = path.split(".").reduce((at, name) => at?.[name], spec);
  }

  /** Shows each error at its field; answers those that belong to none. */
  blame(errors) {
    for (const field of this.fields.values()) field.fault = "";
    return errors.filter(({ pointer, detail }) => {
      const path = (pointer ?? "").slice(1).split("/");
      for (; path.length; path.pop()) {
        const field = this.fields.get(path.join("."));
        if (field) {
          field.fault = detail;
          return false;
        }
      }
      return true;
    });
  }
}

class Field {
  constructor(path, { type, choices, isNullable, inner, limits }, description, suggestions) {
    Object.assign(this, { path, type, isNullable, inner });
    const id = `field-${path.replaceAll(".", "-")}`;
    const described = `${id}-help ${id}-fault`;
    if (choices) {
      this.unset = h("option", { value: "" }, "–");
      this.input = h("select", { id, "aria-describedby": described }, this.unset, choices.map((value) => h("option", { value: String(value) }, written(value))), isNullable ? h("option", { value: NONE }, NONE) : null);
    } else {
      const isNumber = type === "number" || type === "integer";
      this.input = h("input", { id, "aria-describedby": described, autocomplete: "off", spellcheck: "false", inputmode: isNumber ? "decimal" : null, list: suggestions ? `${id}-list` : null });
    }
    const list = suggestions ? h("datalist", { id: `${id}-list` }, suggestions.map((value) => h("option", { value }))) : null;
    this.wrong = h("p", { class: "fault", id: `${id}-fault` });
    const help = [firstSentence(description), limits].filter(Boolean).join(" ");
    this.element = h(
      "div",
      { class: "field" },
      h("label", { for: id, title: description?.replaceAll("\n", " ") }, label(path)),
      this.input,
      list,
      h("p", { class: "help", id: `${id}-help` }, help),
      this.wrong,
    );
  }

  /** What was filled in; undefined where nothing was. Text that is no number is left as it is: the service says what is wrong with it. */
  get value() {
    const typed = this.input.value.trim();
    if (!typed) return undefined;
    if (typed === NONE && this.isNullable) return null;
    return parsed(typed, this.type, this.inner);
  }

  set value(value) {
    const isChoice = this.unset !== undefined;
    this.input.value = value === undefined ? "" : value === null ? NONE : isChoice ? String(value) : written(value);
  }

  set meaning(value) {
    const words = value === undefined ? "" : value === null ? NONE : written(value);
    if (this.unset) show(this.unset, words ? `${words} (as it is)` : "–");
    else this.input.placeholder = words;
  }

  set fault(detail) {
    show(this.wrong, detail);
    if (detail) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

/** A property behind its reference, with what a field needs: type, choices, limits, whether null is one. */
function resolved(property, definitions) {
  const kinds = (property.anyOf ?? [property]).map((each) => (each.$ref ? definitions[each.$ref.split("/").at(-1)] : each));
  const isNullable = kinds.some(({ type }) => type === "null");
  const own = kinds.find(({ type }) => type === "array" || type === "object") ?? kinds.find(({ type }) => type !== "null");
  if (own.properties) return own;
  const choices = own.type === "boolean" ? [true, false] : (own.enum ?? (own.const !== undefined && kinds.length <= 2 ? [own.const] : null));
  return { type: own.type, choices, isNullable, inner: own.items?.type ?? own.additionalProperties?.type, limits: limitsOf(own), description: property.description };
}

function limitsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  const low = exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : minimum !== undefined ? `from ${minimum}` : "";
  const high = exclusiveMaximum !== undefined ? `below ${short(exclusiveMaximum)}` : maximum !== undefined ? `to ${short(maximum)}` : "";
  return low || high ? `(${[low, high].filter(Boolean).join(" ")})` : "";
}

const short = (value) => (value > 1e12 ? value.toExponential(0) : value);

function parsed(typed, type, inner) {
  if (type === "boolean") return typed === "true";
  if (type === "integer" || type === "number") return asNumber(typed);
  if (type === "array") return /^[a-z]/i.test(typed) ? typed : typed.replace(/^\[|\]$/g, "").split(/[\s,]+/).filter(Boolean).map((each) => (inner === "string" ? each : asNumber(each)));
  if (type === "object") return Object.fromEntries(typed.split(",").map((pair) => pair.split(/[:=](.*)/s).map((each) => each.trim())).filter(([key]) => key).map(([key, value]) => [key, value ?? ""]));
  return typed;
}

/** A number that keeps its value, or the text: integers beyond 2^53 are left for the service to read. */
function asNumber(typed) {
  const number = Number(typed);
  return Number.isNaN(number) || (Number.isInteger(number) && !Number.isSafeInteger(number)) ? typed : number;
}

function written(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ");
  if (value && typeof value === "object") return Object.entries(value).map(([key, each]) => `${key}: ${each}`).join(", ");
  return String(value);
}

/** The label of a field: its own words where the last part of its path does not tell it from others. */
function label(path) {
  const parts = path.split(".");
  return LABELS[path] ?? text.words(parts.length > 2 ? parts.slice(-2).join(" ") : parts.at(-1));
}

function firstSentence(description = "") {
  return description.replaceAll("\n", " ").replaceAll("`", "").split(/(?<=\.)\s/)[0];
}
