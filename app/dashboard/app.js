/** The page: which view stands for which address, who is signed in, light or dark. */

import { get, session } from "./api.js";
import { h, show } from "./dom.js";
import { signIn, signOut } from "./sign_in.js";

/** Views by address: each module exports `view(place, signal)`, which fills `place`. */
const VIEWS = [
  [/^$/, () => import("./views/start.js"), "traind"],
  [/^jobs$/, () => import("./views/jobs.js"), "Jobs"],
  [/^jobs\/compare$/, () => import("./views/compare_jobs.js"), "Compare jobs"],
  [/^jobs\/(?<id>[^/]+)$/, () => import("./views/job.js"), "Job"],
  [/^new$/, () => import("./views/new_job.js"), "New job"],
  [/^data$/, () => import("./views/datasets.js"), "Data"],
  [/^data\/(?<ref>[^/]+)$/, () => import("./views/dataset.js"), "Dataset"],
  [/^models$/, () => import("./views/models.js"), "Models"],
  [/^models\/compare$/, () => import("./views/compare_models.js"), "Compare models"],
  [/^models\/(?<ref>[^/]+)$/, () => import("./views/model.js"), "Model"],
  [/^try$/, () => import("./views/try.js"), "Try it"],
];

/** How often a view is tried again while the service cannot be reached. */
const AGAIN_MS = 2000;

const main = document.getElementById("main");
let leaving = new AbortController();

/** Shows what the address after # names: `#/jobs/job_1?tab=log`. */
async function route() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { hash } = location;
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const found = VIEWS.find(([pattern]) => pattern.test(path));
  mark(path);
  const place = h("div", { class: "view" });
  if (!found) {
    document.title = "No such page · traind";
    show(main, h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "To the start")));
    return;
  }
  const [pattern, load, title] = found;
  document.title = title === "traind" ? title : `${title} · traind`;
  const groups = Object.entries(path.match(pattern).groups ?? {});
  const address = Object.fromEntries(groups.map(([name, part]) => [name, decodeURIComponent(part)]));
  try {
    const { view } = await load();
    if (signal.aborted) return;
    const hadFocus = main.contains(document.activeElement);
    show(main, place);
    if (hadFocus) main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    await view(place, { ...address, query: new URLSearchParams(query) }, signal);
    if (!signal.aborted) place.dataset.ready = hash; // a view may change its own address
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    show(main, failure(error, signal));
  }
}

/** What stands in place of a view that failed. While the service is away, the view is tried again. */
function failure(error, signal) {
  const lost = error instanceof TypeError && /fetch|network|load/i.test(error.message);
  if (!lost && error.code === undefined) console.error(error);
  if (lost) setTimeout(() => signal.aborted || route(), AGAIN_MS);
  return h(
    "section",
    { class: "card", role: "alert" },
    h("h1", {}, lost ? "The service cannot be reached" : error.status === 404 ? "Not found" : "That did not work"),
    h("p", {}, lost ? "Is traind serve still running?" : error.message),
    h("p", {}, h("button", { type: "button", onclick: route }, "Try again")),
  );
}

function mark(path) {
  for (const link of document.querySelectorAll("#pages a")) {
    const own = link.getAttribute("href").slice(2);
    const current = path === own || path.startsWith(`${own}/`);
    current ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
}

function theme() {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme.trim();
    const isDark = dark === "dark" || (dark !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    dispatchEvent(new Event("themechange"));
  });
}

/** Shows the form to sign in, then the view that was wanted. */
async function askForKey() {
  leaving.abort();
  const { asks_for_keys: asks, key } = await get("/session");
  document.getElementById("sign-out").hidden = !key;
  if (asks && !key) signIn(main, start);
}

async function start() {
  const { asks_for_keys: asks, key } = await get("/session").catch(() => ({}));
  document.getElementById("sign-out").hidden = !key;
  if (asks && !key) signIn(main, start);
  else await route();
}

session.onNeeded = askForKey;
document.getElementById("sign-out").addEventListener("click", () => signOut().then(start));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // what follows # is the address of a view here
  main.focus();
});
addEventListener("hashchange", route);
theme();
start();
