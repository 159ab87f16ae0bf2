/** Stylesheets that only some views need. */

import { h } from "./dom.js";

const loading = new Map();

/**
 * Loads `style/NAME.css` for each name, once, and gives the view's place these classes: the rules
 * hold below them, so that no other view is changed. Resolves when they apply.
 */
export async function styled(place, ...names) {
  place.classList.add(...names);
  await Promise.all(names.map(loaded));
}

function loaded(name) {
  if (!loading.has(name)) {
    const applied = new Promise((done) => {
      const href = `/dashboard/style/${name}.css`;
      document.head.append(h("link", { rel: "stylesheet", href, onload: done, onerror: done }));
    });
    loading.set(name, applied);
  }
  return loading.get(name);
}
