/** "It is a …": keeps what the network saw with its right class, and trains on it. */

import { quoted } from "../api.js";
import { keep, trainAgain } from "../data/corrections.js";
import { h, show, text } from "../dom.js";
import { action } from "../parts.js";

/** That a dataset has what was kept, and the way on from there. */
export function kept(model, dataset) {
  const again = async () => (location.hash = `#/jobs/${(await trainAgain(model, dataset)).id}`);
  return [
    h("p", {}, "Kept in ", h("a", { href: `#/data/${quoted(dataset.name)}` }, dataset.name), ` with its ${text.count(dataset.facts.train_images)} training pictures.`),
    action("Train again", again, { primary: true }),
  ];
}

/** The panel of a correction; `offer(prediction)` shows it for the picture that `network` shows. */
export function correcting(model, network, signal) {
  const choice = h("select", { id: "right-class" }, model.classes.map((label) => h("option", { value: label }, label)));
  const told = h("div", { role: "status" });
  const keeping = action("Keep it", async () => {
    show(told, h("p", { class: "soft" }, "Keeping it…"));
    try {
      const dataset = await keep(model, [{ label: choice.value, picture: network.png }], signal);
      show(told, kept(model, dataset));
    } catch (error) {
      show(told);
      throw error;
    }
  });
  const element = h("details", { class: "correct", hidden: true }, h("summary", {}, "That is wrong"), h("label", { for: "right-class" }, "It is a"), h("div", { class: "row" }, choice, keeping), told);
  return {
    element,
    offer({ label }) {
      element.hidden = false;
      choice.value = label;
      show(told);
    },
    withdraw() {
      element.hidden = true;
    },
  };
}
