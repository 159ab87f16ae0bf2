/** Receives files: dropped, pasted, photographed or chosen; makes them fit for /predict. */

import { h } from "../dom.js";

/** What /predict takes as the body of a request. */
const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"];
/** Pictures of more bytes are scaled down: photographs would be slow to send, and are seen small anyway. */
const MOST_BYTES = 2e6;
/** Longest side of a picture that was scaled down, in pixels. */
const MOST_SIDE = 1024;
const QUALITY = 0.95;

/** The buttons to choose and to photograph; `bring(files)` also gets what lands on the page. */
export function receiving(bring, signal) {
  const some = (files) => files.length && bring([...files]);
  addEventListener("dragover", (event) => event.preventDefault(), { signal });
  addEventListener("drop", (event) => (event.preventDefault(), some(event.dataTransfer.files)), { signal });
  addEventListener("paste", (event) => some(event.clipboardData.files), { signal });
  const picker = (properties) => {
    const input = h("input", {
      type: "file", class: "only-read", ...properties,
      onchange: () => {
        const files = [...input.files];
        input.value = ""; // else the same file, chosen again, would be no change
        some(files);
      },
    });
    return input;
  };
  return [
    h("p", { class: "row" },
      h("label", { class: "button", for: "file" }, "Choose pictures"), picker({ id: "file", accept: "image/*", multiple: true }),
      h("label", { class: "button", for: "camera" }, "Photograph"), picker({ id: "camera", accept: "image/*", capture: "environment" })),
    h("p", { class: "help" }, "Or drop or paste one anywhere on this page."),
  ];
}

/**
 * The file as /predict takes it: itself, or a smaller picture of it where it is large or of a type
 * that /predict does not take.
 * Throws an Error that says in words that the file is no picture.
 */
export async function fitted(file) {
  const isTaken = TYPES.includes(file.type);
  if (isTaken && file.size <= MOST_BYTES) return file;
  const image = await decoded(file);
  if (!image) {
    if (isTaken) return file; // such as a TIFF, which browsers do not read; the service does
    throw new Error(`${file.name} is no picture that this browser or the service can read.`);
  }
  const scale = Math.min(1, MOST_SIDE / Math.max(image.width, image.height));
  const canvas = h("canvas", { width: Math.max(1, Math.round(image.width * scale)), height: Math.max(1, Math.round(image.height * scale)) });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  // WebP keeps transparency and is small; a browser that cannot write it writes PNG instead.
  return new Promise((done) => canvas.toBlob(done, "image/webp", QUALITY));
}

/** The picture of a file, upright; null where the browser finds none in it. */
async function decoded(file) {
  if (file.type && !file.type.startsWith("image/")) return null; // films, say, are not read whole
  return createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
}

/** A small picture of a file, until the view is left. */
export function thumbnail(file, signal) {
  const url = URL.createObjectURL(file);
  signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  return h("img", { src: url, alt: "The picture that was brought", class: "thumbnail", onerror: ({ target }) => target.remove() });
}
