import { h, show } from "../dom.js";

export async function view(place) {
  show(place, h("h1", {}, "models"));
}
