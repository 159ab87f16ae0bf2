/** Stylesheets that only some views need. */

import { h } from "./dom.js";

const loading = new Map();

/** Loads `style/NAME.css` once; resolves when it applies, so that nothing is seen without it. */
export function stylesheet(name) {
  if (!loading.has(name)) {
    const applied = new Promise((done) => {
      const href = `/dashboard/style/${name}.css`;
      document.head.append(h("link", { rel: "stylesheet", href, onload: done, onerror: done }));
    });
    loading.set(name, applied);
  }
  return loading.get(name);
}
