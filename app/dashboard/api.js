/** Speaks to the service, as every client does. */

/** What the service refused (RFC 9457): `code` is stable, `errors` names the fields. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.code = body.code || "unknown";
    this.errors = body.errors || [];
  }
}

/** Told when a request is refused for want of a key; app.js shows the form to sign in. */
export const session = { onNeeded: () => {} };

/**
 * A request; `json` is sent as the body. Answers the parsed JSON, text, or null for no content;
 * a Blob where `as` is "blob".
 * Throws a Problem for what the service refused, a TypeError where it cannot be reached.
 */
export async function request(method, path, { json, body, headers = {}, signal, query, as } = {}) {
  const sent = { method, headers: { Accept: "application/json", ...headers }, signal, body };
  if (json !== undefined) {
    sent.body = JSON.stringify(json);
    sent.headers["Content-Type"] = "application/json";
  }
  const answer = await fetch(path + asQuery(query), sent);
  const kind = answer.headers.get("Content-Type") || "";
  const content = answer.status === 204 ? null : await read(answer, answer.ok && as, kind);
  if (!answer.ok) {
    const problem = new Problem(answer.status, typeof content === "object" && content ? content : {});
    if (problem.code === "unauthorized" && path !== "/session") session.onNeeded();
    throw problem;
  }
  return content;
}

function read(answer, as, kind) {
  if (as === "blob") return answer.blob();
  return kind.includes("json") ? answer.json() : answer.text();
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, json, options) => request("POST", path, { json, ...options });
export const put = (path, json, options) => request("PUT", path, { json, ...options });
export const del = (path, options) => request("DELETE", path, options);

/** A POST that makes something once, however often a broken connection repeats it. */
export async function make(path, json, options = {}) {
  const headers = { "Idempotency-Key": randomKey() };
  for (let attempt = 1; ; attempt++) {
    try {
      return await post(path, json, { ...options, headers });
    } catch (error) {
      if (!(error instanceof TypeError) || attempt === 3) throw error;
      await new Promise((done) => setTimeout(done, 300 * attempt));
    }
  }
}

/** 128 random bits. crypto.randomUUID is missing where the page comes by plain http from another host. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Every item of a list, page by page. */
export async function* items(path, { query = {}, signal } = {}) {
  let after;
  do {
    const page = await get(path, { query: { ...query, after }, signal });
    yield* page.data;
    after = page.next;
  } while (after);
}

/** An id or a name as one part of a path. */
export const quoted = encodeURIComponent;

/**
 * Server-sent events: `handlers` by the name of the event, called with the parsed data. The browser
 * takes a broken stream up again behind the last number; where it gives up (the service restarts),
 * this opens a new one. `onopen` is called at each opening, `onlost` when it breaks.
 */
export function stream(path, handlers, { signal, onopen, onlost, onend } = {}) {
  let source;
  let last = 0;
  let timer;
  const open = () => {
    source = new EventSource(last ? `${path}?after=${last}` : path);
    source.onopen = () => onopen?.();
    source.onerror = () => {
      onlost?.();
      if (source.readyState !== EventSource.CLOSED) return;
      ended().then((over) => (over ? onend?.() : (timer = setTimeout(open, 1000))));
    };
    for (const [name, handler] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) last = Number(event.lastEventId);
        handler(JSON.parse(event.data));
      });
    }
  };
  // A stream that was read to its end answers 204, and EventSource cannot tell that from a fault.
  const ended = async () => {
    try {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": String(last) };
      const probe = new AbortController();
      const answer = await fetch(path, { headers, signal: probe.signal });
      probe.abort();
      if (answer.status === 401) session.onNeeded();
      return answer.status === 204 || answer.status === 404 || signal?.aborted;
    } catch {
      return signal?.aborted ?? false;
    }
  };
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    source.close();
  });
  open();
}

function asQuery(query) {
  const pairs = Object.entries(query || {}).flatMap(([name, value]) =>
    [value].flat().filter((each) => each !== undefined && each !== null && each !== "")
      .map((each) => [name, String(each)]),
  );
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}
