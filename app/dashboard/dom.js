/** Builds elements. Text from users only ever becomes text nodes, never markup. */

/**
 * An element: `h("a", { href, class: "quiet", onclick }, "text", child, …)`.
 * Properties that begin with `on` are listeners; null, undefined and false are left out, and so are
 * such children. An array of children is taken apart.
 */
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same in SVG. */
export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

/** Replaces what stands in a node; returns the node. */
export function show(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((each) => each || each === 0));
  return node;
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return show(element, ...children);
}

/** Numbers, times and names as people read them. */
export const text = {
  percent: (value, digits = 1) => (value == null ? "–" : `${(value * 100).toFixed(digits)}%`),
  /** A difference with its sign, "+1.5" or "−0.2"; what rounds to zero has none. */
  signed(value, digits) {
    const size = Math.abs(value).toFixed(digits);
    return `${Number(size) === 0 ? "" : value > 0 ? "+" : "−"}${size}`;
  },
  number: (value, digits = 4) =>
    value == null ? "–" : Number(value.toPrecision(digits)).toLocaleString("en"),
  count: (value) => (value == null ? "–" : Math.round(value).toLocaleString("en")),
  bytes(value) {
    const units = ["bytes", "kB", "MB", "GB", "TB"];
    let index = 0;
    while (value >= 1000 && index < units.length - 1) [value, index] = [value / 1000, index + 1];
    return `${index && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[index]}`;
  },
  seconds(value) {
    if (value == null) return "–";
    if (value < 1) return `${Math.max(0, Math.round(value * 1000))} ms`;
    if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
    if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
    return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
  },
  ago(time) {
    const seconds = (Date.now() - Date.parse(time)) / 1000;
    if (seconds < 5) return "just now";
    if (seconds < 90) return `${Math.round(seconds)} s ago`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
    if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
    return new Date(time).toLocaleDateString("en", { dateStyle: "medium" });
  },
  /** `learning_rate_too_high` as "learning rate too high". */
  words: (code) => code.replaceAll("_", " "),
};
