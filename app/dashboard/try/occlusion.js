/**
 * What speaks for an answer, by occlusion (Zeiler and Fergus, "Visualizing and Understanding
 * Convolutional Networks", 2014, section 4.2): a patch of the picture is covered, and the fall of
 * the class's probability is charged to the pixels of the patch. Of a row, one column at a time is
 * replaced by its usual value.
 */

import { post, quoted, request } from "../api.js";

/** A patch is a fourth of the shorter side, but no smaller than this part of the longer one, so that a
 * long picture asks for some hundred answers and not for thousands. It moves by half of itself. */
const PATCHES = 4;
const MOST_PATCHES = 32;
/** Most bytes of inputs in one request, so that it passes services and proxies with small limits. */
const MOST_BYTES = 5e5;
/** Bytes that a request has around its rows, `{"inputs":[]}`, and some room. */
const AROUND_ROWS = 32;
const encoder = new TextEncoder();

/**
 * The fall of the probability of class `index` at each pixel, Float32 of height x width; `pixels`
 * are bytes from 0 to 255, channel after channel.
 */
export async function pixelRelevance(model, { pixels, channels, height, width }, index, signal) {
  const side = Math.max(1, Math.round(Math.min(height, width) / PATCHES), Math.ceil(Math.max(height, width) / MOST_PATCHES));
  const step = Math.max(1, Math.floor(side / 2));
  const places = [];
  for (let top = 1 - step; top < height; top += step) for (let left = 1 - step; left < width; left += step) places.push([top, left]);
  const ground = groundOf(pixels, channels, height, width);
  const [{ [index]: before }] = await ask(model, [pixels], signal);
  const fall = new Float32Array(height * width);
  const covers = new Float32Array(height * width);
  const count = Math.max(1, Math.floor(MOST_BYTES / pixels.length));
  for (let start = 0; start < places.length; start += count) {
    const some = places.slice(start, start + count);
    const covered = some.map((place) => cover(pixels, channels, height, width, ground, side, place));
    const rows = await ask(model, covered, signal);
    some.forEach(([top, left], at) => {
      for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
        for (let x = Math.max(0, left); x < Math.min(width, left + side); x++) {
          fall[y * width + x] += before - rows[at][index];
          covers[y * width + x] += 1;
        }
      }
    });
  }
  return fall.map((sum, at) => sum / Math.max(1, covers[at]));
}

/**
 * What each column of a row contributes to the probability of class `index`: how far it falls when
 * the column has its usual value instead. Answers `[{ name, contribution }]`; a column that has its
 * usual value already explains nothing, and its contribution is null.
 */
export async function columnRelevance(model, row, columns, index, signal) {
  const unusual = columns.filter((column) => !isUsual(column, row[column.name]));
  const inputs = unusual.map((column) => ({ ...row, [column.name]: usual(column) }));
  const falls = new Map();
  if (inputs.length) {
    const [before, ...after] = await askRows(model, [row, ...inputs], signal);
    unusual.forEach(({ name }, at) => falls.set(name, before[index] - after[at][index]));
  }
  return columns.map(({ name }) => ({ name, contribution: falls.get(name) ?? null }));
}

/** The value that a column's form begins with: the mean, or the first category, as no counts are kept. */
export function usual({ kind, mean, low, high, categories }) {
  if (kind === "category") return categories[0] ?? null;
  if (kind === "date") return new Date(Math.round(mean) * 86400000).toISOString().slice(0, 10);
  const digits = Math.max(0, 3 - Math.ceil(Math.log10(Math.max(high - low, 1e-9))));
  return Number(mean.toFixed(Math.min(digits, 12)));
}

/** Whether a column's value, as it was typed, is its usual one. A missing value is null. */
function isUsual(column, value) {
  const expected = usual(column);
  if (value === null || expected === null) return value === expected;
  return column.kind === "number" ? Number(value) === expected : String(value) === expected;
}

/** The probabilities that a model gives rows, asked in requests of at most MOST_BYTES. */
async function askRows(model, rows, signal) {
  const answers = [];
  let pending = [];
  let bytes = 0;
  const send = async () => {
    const { predictions } = await post(`/models/${quoted(model)}/predict`, { inputs: pending }, { signal });
    answers.push(...predictions.map(({ probabilities }) => probabilities));
    [pending, bytes] = [[], 0];
  };
  for (const row of rows) {
    const size = encoder.encode(JSON.stringify(row)).length + 1; // a comma follows
    if (pending.length && bytes + size > MOST_BYTES - AROUND_ROWS) await send();
    pending.push(row);
    bytes += size;
  }
  await send();
  return answers;
}

/** The probabilities that a model gives pictures of bytes. */
async function ask(model, pictures, signal) {
  const body = new Blob(pictures);
  const headers = { "Content-Type": "application/octet-stream" };
  const query = { pixel_range: "0,255" };
  const { predictions } = await request("POST", `/models/${quoted(model)}/predict`, { body, headers, query, signal });
  return predictions.map(({ probabilities }) => probabilities);
}

/** The colour of the ground: the median of each channel along the border. */
function groundOf(pixels, channels, height, width) {
  return Array.from({ length: channels }, (_, channel) => {
    const border = [];
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (!y || !x || y === height - 1 || x === width - 1) border.push(pixels[(channel * height + y) * width + x]);
    return border.sort((a, b) => a - b)[border.length >> 1];
  });
}

function cover(pixels, channels, height, width, ground, side, [top, left]) {
  const covered = pixels.slice();
  for (let channel = 0; channel < channels; channel++) {
    for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
      covered.fill(ground[channel], (channel * height + y) * width + Math.max(0, left), (channel * height + y) * width + Math.min(width, left + side));
    }
  }
  return covered;
}
