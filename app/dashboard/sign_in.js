/** Turns a key into a session: the cookie is the service's, no script reads it. */

import { del, post } from "./api.js";
import { h, show } from "./dom.js";

/** Shows the form in `place`; calls `then` once the key has opened. */
export function signIn(place, then) {
  document.title = "Sign in · traind";
  const field = h("input", {
    type: "password", id: "key", name: "key", autocomplete: "current-password", required: true,
    placeholder: "traind_…", spellcheck: "false", "aria-describedby": "key-help key-fault",
  });
  const fault = h("p", { class: "fault", id: "key-fault", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await post("/session", { key: field.value });
      then();
    } catch (error) {
      show(fault, error.message);
      field.select();
    }
  };
  show(
    place,
    h(
      "form",
      { class: "card narrow", onsubmit: submit },
      h("h1", {}, "Sign in"),
      h("label", { for: "key" }, "API key"),
      field,
      h("p", { class: "soft", id: "key-help" }, "Who runs the service makes one with ", h("code", {}, "traind keys create"), "."),
      fault,
      h("button", { class: "primary", type: "submit" }, "Sign in"),
    ),
  );
  field.focus();
}

export const signOut = () => del("/session");
