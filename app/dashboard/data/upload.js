/** Uploads in parts. They go on while the page is open, whatever view it shows. */

import { get, Problem, quoted, request } from "../api.js";

const FIRST_PART = 2 ** 20;
const LARGEST_PART = 2 ** 24;
const SMALLEST_PART = 2 ** 18;
/** A part that took less time is followed by one of twice the size; one that took more, by half. */
const QUICK_MS = 400;
const SLOW_MS = 3000;
/** How often in a row an upload is taken up again without getting any further. */
const BREAKS = 20;
/** What a broken connection has left behind may still be written; a busy service asks for patience; a line stalls. */
const PASSING = new Set([
  "upload_busy", "upload_misplaced", "too_many_requests", "digest_mismatch", "request_timeout",
]);

const uploads = new Map();

/** The upload of a dataset that this page knows of. */
export const uploadOf = (id) => uploads.get(id);

/** Sends a Blob as the file of a dataset; returns the upload, which has begun. */
export function upload(id, blob) {
  uploads.get(id)?.stop();
  const begun = new Upload(id, blob);
  uploads.set(id, begun);
  begun.goOn();
  return begun;
}

addEventListener("beforeunload", (event) => {
  if ([...uploads.values()].some(({ state }) => state === "sending" || state === "waiting")) event.preventDefault();
});

/**
 * One upload; a `change` event tells of each step. `state` is "sending", "waiting" (the connection
 * broke, and is tried again), "stopped", "failed" (`fault` says why) or "done".
 */
class Upload extends EventTarget {
  constructor(id, blob) {
    super();
    Object.assign(this, { id, blob, total: blob.size, sent: 0, state: "stopped", fault: null });
  }

  /** Begins, or goes on from what has arrived. */
  async goOn() {
    if (this.state === "sending" || this.state === "waiting") return;
    this.stopping = new AbortController();
    this.#become("sending");
    try {
      await this.#send(this.stopping.signal);
      this.#become("done");
      uploads.delete(this.id);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.fault = error.name === "NotReadableError" || error.name === "NotFoundError"
        ? "The file changed or vanished while it was sent. Choose it again."
        : error instanceof TypeError ? "The service cannot be reached." : error.message;
      this.#become("failed");
    }
  }

  /** What has arrived stays with the service. */
  stop() {
    this.stopping?.abort();
    if (this.state !== "done") this.#become("stopped");
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }

  async #send(signal) {
    let size = FIRST_PART;
    let breaks = 0;
    let furthest = 0;
    for (;;) {
      try {
        const arrived = await received(this.id, signal);
        if (arrived === null) return;
        // Where all has arrived but the answer was lost, the last byte is sent again.
        let start = Math.min(arrived, this.total - 1);
        for (;;) {
          if (start > furthest) [furthest, breaks] = [start, 0];
          this.sent = start;
          this.#become("sending");
          const before = performance.now();
          const answer = await this.#sendPart(start, Math.min(start + size, this.total), signal);
          if (answer.received === undefined) {
            this.sent = this.total;
            return;
          }
          start = answer.received;
          const took = performance.now() - before;
          if (took < QUICK_MS) size = Math.min(2 * size, LARGEST_PART);
          else if (took > SLOW_MS) size = Math.max(size / 2, SMALLEST_PART);
        }
      } catch (error) {
        const passes = error instanceof TypeError || PASSING.has(error.code) || error.status >= 500;
        if (!passes || error.status === 507 || ++breaks > BREAKS) throw error;
        this.#become("waiting");
        await paused(Math.min(5000, 100 * 2 ** breaks), signal);
      }
    }
  }

  /** Sends the bytes from `start` to before `end`; answers how many have arrived, or the dataset. */
  async #sendPart(start, end, signal) {
    const bytes = await this.blob.slice(start, end).arrayBuffer();
    const headers = { "Content-Range": `bytes ${start}-${end - 1}/${this.total}`, "Content-Type": "application/octet-stream" };
    if (crypto.subtle) headers["Content-Digest"] = `sha-256=:${await digestOf(bytes)}:`; // not over plain http
    return request("PUT", `/datasets/${quoted(this.id)}/content`, { body: bytes, headers, signal });
  }
}

/** How many bytes have arrived; null if the file is whole. */
async function received(id, signal) {
  const answer = await fetch(`/datasets/${quoted(id)}/content`, { method: "HEAD", signal });
  if (answer.status === 204) return Number(answer.headers.get("Upload-Offset"));
  if (answer.ok) return null;
  await get(`/datasets/${quoted(id)}`, { signal }); // an answer to HEAD has no body that says why
  throw new Problem(answer.status, {});
}

async function digestOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return btoa(String.fromCharCode(...digest));
}

function paused(milliseconds, signal) {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      failed(new DOMException("The upload was stopped.", "AbortError"));
    });
  });
}
