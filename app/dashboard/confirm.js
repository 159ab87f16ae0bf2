/** Asks before something is lost. */

import { h } from "./dom.js";

/**
 * Shows a dialog with a title and an explanation; `does` is what the button says. Answers whether
 * it was confirmed; Escape, Cancel and leaving the view say no.
 */
export function confirmed({ title, explanation, does, isDangerous = true }, signal) {
  return new Promise((answer) => {
    const close = (isConfirmed) => {
      answer(isConfirmed);
      dialog.close();
    };
    const dialog = h(
      "dialog",
      { class: "card narrow", "aria-labelledby": "dialog-title", onclose: () => (dialog.remove(), answer(false)) },
      h("h2", { id: "dialog-title" }, title),
      h("p", {}, explanation),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", class: isDangerous ? "danger" : "primary", onclick: () => close(true) }, does),
        h("button", { type: "button", autofocus: true, onclick: () => close(false) }, "Cancel"),
      ),
    );
    signal.addEventListener("abort", () => dialog.close());
    document.body.append(dialog);
    dialog.showModal();
  });
}
