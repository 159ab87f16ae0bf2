/** Pieces that several views show. */

import { h, text } from "./dom.js";

/** The states that a job never leaves. */
export const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const SIGNS = {
  queued: "○", running: "◐", paused: "‖", succeeded: "●", failed: "✕", cancelled: "–",
  awaiting_upload: "○", importing: "◐", ready: "●", refused: "✕",
};

/** A state as a word with a sign: colour alone says nothing to some. */
export function state(status) {
  return h("span", { class: `state ${status}` }, h("span", { "aria-hidden": "true" }, SIGNS[status] ?? "·"), ` ${text.words(status)}`);
}

/** A bar of progress, 0 to 100. */
export function progressBar(percent, label) {
  return h("progress", { max: 100, value: percent ?? 0, "aria-label": label }, `${Math.round(percent ?? 0)}%`);
}

/** The verdict of a diagnosis as a badge; null while there is none. */
export function verdict(code) {
  if (!code || code === "unknown" || code === "off") return null;
  return h("span", { class: `badge ${code === "healthy" ? "good" : "warn"}` }, text.words(code));
}

/** What stands where a list is empty: what it is for, and what to do. */
export function empty(title, ...children) {
  return h("section", { class: "empty" }, h("h2", {}, title), ...children);
}

/** A list of names and values. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** A button that shows that it works, and says in `fault` why it could not. */
export function action(label, run, { primary = false, danger = false } = {}) {
  const button = h("button", {
    type: "button",
    class: primary ? "primary" : danger ? "danger" : null,
    onclick: async () => {
      const hadFocus = document.activeElement === button; // a disabled button loses it
      button.disabled = true;
      try {
        await run();
      } catch (error) {
        if (error.name !== "AbortError") notice(error.message, true);
      } finally {
        button.disabled = false;
        if (hadFocus && document.activeElement === document.body) button.focus();
      }
    },
  }, label);
  return button;
}

let clearing;

/** Says something for a while, above the view; read out by screen readers. */
export function notice(message, isFault = false) {
  const place = document.getElementById("notice");
  place.textContent = message;
  place.classList.toggle("fault", isFault);
  place.hidden = false;
  clearTimeout(clearing);
  clearing = setTimeout(() => (place.hidden = true), isFault ? 12000 : 5000);
}
