/** Numbers as cells of a table with a bar behind them, 0 to 1. */

import { h } from "./dom.js";

/** A cell whose ground is filled from the left by `share`. */
export function shareCell(share, ...children) {
  const cell = h("td", { class: "number share" }, ...children);
  cell.style.setProperty("--share", `${100 * Math.min(1, Math.max(0, share || 0))}%`);
  return cell;
}
