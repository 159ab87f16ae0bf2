/** An upload and an import as they go on. */

import { get, quoted } from "../api.js";
import { h, show, text } from "../dom.js";
import { notice, progressBar } from "../parts.js";
import { chosen } from "./intake.js";
import { tarOf } from "./tar.js";
import { upload, uploadOf } from "./upload.js";

/** Another program may send the file: how often this looks. */
const LOOK_MS = 2000;

/** Shows the upload of a dataset in `place`, also one that this page has not begun; resolves at its end. */
export function sending(place, dataset, signal) {
  return new Promise((done, failed) => {
    signal.addEventListener("abort", () => failed(new DOMException("The view was left.", "AbortError")));
    const watch = (running) => {
      const bar = progressBar(0, "Upload");
      const words = h("p", { "aria-live": "polite" });
      const buttons = h("div", { class: "row" });
      const began = { at: performance.now(), sent: null };
      const draw = () => {
        const { sent, total, state, fault } = running;
        if (state === "done") return done();
        began.sent ??= sent || null;
        bar.value = (100 * sent) / total;
        show(words, described(state, fault), ` ${text.bytes(sent)} of ${text.bytes(total)}`, remaining(began, sent, total, state));
        const isRunning = state === "sending" || state === "waiting";
        if (buttons.dataset.running === String(isRunning)) return;
        buttons.dataset.running = String(isRunning);
        show(buttons, isRunning
          ? h("button", { type: "button", onclick: () => running.stop() }, "Stop")
          : h("button", { type: "button", class: "primary", onclick: () => running.goOn() }, "Go on"));
      };
      show(place, h("section", { class: "card", "aria-label": "Upload" }, h("h2", {}, "Upload"), bar, words, buttons));
      running.addEventListener("change", draw, { signal });
      draw();
    };
    const running = uploadOf(dataset.id);
    if (running) watch(running);
    else {
      const timer = setInterval(async () => {
        const { status } = await get(`/datasets/${quoted(dataset.id)}`, { signal }).catch(() => dataset);
        if (status !== dataset.status) done(clearInterval(timer));
      }, LOOK_MS);
      signal.addEventListener("abort", () => clearInterval(timer));
      show(place, resumption(dataset, (blob) => {
        clearInterval(timer);
        watch(upload(dataset.id, blob));
      }));
    }
    place.closest(".view").dataset.ready = "yes";
  });
}

/** Returns a function that shows a dataset's import. */
export function importing(place) {
  const bar = progressBar(0, "Import");
  const words = h("p", { class: "soft" });
  let isShown = false;
  return ({ status, progress }) => {
    if (!isShown) show(place, h("section", { class: "card", "aria-label": "Import" }, h("h2", {}, "Import"), bar, words));
    isShown = true;
    const share = progress?.total ? (100 * progress.done) / progress.total : null;
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    const told = progress?.total ? `${text.count(progress.done)} of ${text.count(progress.total)} ${progress.what}` : progress ? `${text.count(progress.done)} ${progress.what}` : "";
    show(words, status === "queued" ? "Waiting for a worker. If none runs: traind worker." : told || "A worker reads the file.");
  };
}

function described(state, fault) {
  if (state === "sending") return "Sending.";
  if (state === "waiting") return "The connection broke; trying again.";
  return state === "failed" ? h("span", { class: "fault", role: "alert" }, fault) : "Stopped. What has arrived stays.";
}

function remaining(began, sent, total, state) {
  const seconds = (performance.now() - began.at) / 1000;
  const gained = sent - (began.sent ?? sent);
  if (state !== "sending" || !gained || seconds < 2) return "";
  return `, ${text.bytes(gained / seconds)} a second, ${text.seconds(((total - sent) * seconds) / gained)} left`;
}

/** What is shown where this page holds no file to go on with. */
function resumption(dataset, begin) {
  const take = ({ target }) => {
    if (!target.files.length) return;
    const bundle = chosen(target.files);
    if (dataset.file_name && bundle.name !== dataset.file_name) {
      notice(`This is ${bundle.name}; the upload of ${dataset.file_name} was begun.`, true);
      target.value = "";
      return;
    }
    begin(bundle.isFolder ? tarOf(bundle.files) : bundle.file);
  };
  const file = h("input", { type: "file", hidden: true, "aria-label": "The same file", onchange: take });
  const folder = h("input", { type: "file", hidden: true, webkitdirectory: true, "aria-label": "The same folder", onchange: take });
  return h(
    "section",
    { class: "card", "aria-label": "Upload" },
    h("h2", {}, "Its file has not arrived whole"),
    h("p", {}, "Choose ", dataset.file_name ? h("strong", {}, dataset.file_name) : "the same file", " again: the upload goes on where it ended. Another page or program may be sending it at this moment."),
    h("div", { class: "row" }, h("button", { type: "button", class: "primary", onclick: () => file.click() }, "Choose the file"), h("button", { type: "button", onclick: () => folder.click() }, "Choose the folder")),
    file,
    folder,
  );
}
