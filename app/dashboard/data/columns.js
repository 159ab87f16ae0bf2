/** What kind of data a file is, and the columns that the first kilobytes of a table name. */

const TABLE = /\.(csv|tsv|json|jsonl|ndjson)$/i;
const JSON_ROWS = /\.(json|jsonl|ndjson)$/i;
const EITHER = /\.(parquet|npz)$/i;
const BEGINNING = 64 * 1024;
const DELIMITERS = [",", ";", "\t", "|"];
/** Usual names of the column of the classes, as the import knows them. */
const TARGETS = ["label", "labels", "class", "class_name", "target", "category", "y", "outcome", "species", "diagnosis"];

/** "table", "image", or null where only its owner knows. */
export function kindOf(bundle) {
  if (bundle.isFolder) return "image";
  if (TABLE.test(bundle.name)) return "table";
  return EITHER.test(bundle.name) ? null : "image";
}

/** Names of the columns of CSV or JSON; none where they cannot be read here. */
export async function columnsOf(bundle) {
  if (bundle.isFolder || !TABLE.test(bundle.name)) return [];
  const text = await decoded(bundle.file.slice(0, BEGINNING));
  try {
    const names = JSON_ROWS.test(bundle.name) ? Object.keys(firstRow(text)) : header(text);
    return names.map((name) => name.trim()).filter(Boolean);
  } catch {
    return [];
  }
}

/** The column that probably holds the classes; undefined if none is called so. */
export function usualTarget(columns) {
  return TARGETS.map((name) => columns.find((column) => column.toLowerCase() === name)).find(Boolean);
}

async function decoded(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const mark = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : null;
  if (mark) return new TextDecoder(mark).decode(bytes);
  const text = new TextDecoder("utf-8").decode(bytes, { stream: true }); // the last character may be cut
  return text.includes("\ufffd") ? new TextDecoder("windows-1252").decode(bytes) : text;
}

/** The first object of JSON lines, or of an array whose rows hold single values. */
function firstRow(text) {
  if (text.trimStart().startsWith("[")) return JSON.parse(text.slice(text.indexOf("{"), text.indexOf("}") + 1));
  return JSON.parse(text.split(/\r?\n/, 1)[0]);
}

/** The first record of CSV (RFC 4180); without names where one of its values is a number. */
function header(text) {
  const counts = DELIMITERS.map((each) => text.split(/\r?\n/, 1)[0].split(each).length);
  const delimiter = DELIMITERS[counts.indexOf(Math.max(...counts))];
  const values = [""];
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (isQuoted && sign === '"' && text[at + 1] === '"') values[values.length - 1] += text[++at];
    else if (sign === '"') isQuoted = !isQuoted;
    else if (!isQuoted && (sign === "\n" || sign === "\r")) break;
    else if (!isQuoted && sign === delimiter) values.push("");
    else values[values.length - 1] += sign;
  }
  const hasNumber = values.some((value) => value.trim() !== "" && Number.isFinite(Number(value)));
  return hasNumber ? values.map((_, index) => `column_${index + 1}`) : values;
}
