/** Tables: numbers with a bar, and a frame that scrolls where a table is too wide. */

import { h } from "./dom.js";

/** A cell with a bar below its text that is filled by `share`, 0 to 1. */
export function shareCell(share, ...children) {
  const cell = h("td", { class: "number share" }, ...children);
  cell.style.setProperty("--share", `${100 * Math.min(1, Math.max(0, share || 0))}%`);
  return cell;
}

/** Keyboards scroll what has the focus, so that the frame can have it. */
export function scrolling(label, table) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}
