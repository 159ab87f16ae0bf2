/** A folder as one tar file (POSIX.1-2001, pax), made of the files themselves: none is read here. */

const BLOCK = 512;
/** Bytes of a name that a ustar header holds; a longer one stands in a pax record. */
const NAME_BYTES = 100;
/** Largest size that eleven octal digits tell. */
const MOST_OCTAL = 8 ** 11 - 1;
const encoder = new TextEncoder();

/**
 * A Blob of `[{ path, file }]`. The same files give the same bytes: entries are sorted by path and
 * have no times, so that an interrupted upload can go on after the page was closed.
 */
export function tarOf(files) {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts = sorted.flatMap(({ path, file }) => [...headers(path, file.size), file, padding(file.size)]);
  return new Blob([...parts, new Uint8Array(2 * BLOCK)], { type: "application/x-tar" });
}

/** A tar without the blocks of zeros at its end, so that another can follow. */
export async function withoutEnd(tar) {
  let size = tar.size;
  while (size >= BLOCK) {
    const block = new Uint8Array(await tar.slice(size - BLOCK, size).arrayBuffer());
    if (block.some((byte) => byte)) break;
    size -= BLOCK;
  }
  return tar.slice(0, size);
}

/** The header of an entry, behind one with pax records where its path or its size needs them. */
function headers(path, size) {
  const bytes = encoder.encode(path);
  const isPlain = bytes.length <= NAME_BYTES && /^[\x20-\x7e]*$/.test(path);
  if (isPlain && size <= MOST_OCTAL) return [header(bytes, size, "0")];
  const records = encoder.encode(record("path", path) + (size > MOST_OCTAL ? record("size", size) : ""));
  const standIn = encoder.encode("entry");
  return [
    header(encoder.encode("PaxHeaders/entry"), records.length, "x"), records, padding(records.length),
    header(isPlain ? bytes : standIn, Math.min(size, MOST_OCTAL), "0"),
  ];
}

/** A pax record, `LENGTH key=value\n`; the length in bytes counts its own digits. */
function record(key, value) {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function header(name, size, type) {
  const block = new Uint8Array(BLOCK);
  const write = (at, text) => block.set(typeof text === "string" ? encoder.encode(text) : text, at);
  write(0, name);
  write(100, "0000644\0");
  write(108, "0000000\0");
  write(116, "0000000\0");
  write(124, `${size.toString(8).padStart(11, "0")}\0`);
  write(136, "00000000000\0");
  write(148, "        "); // the checksum counts as spaces in its own sum
  write(156, type);
  write(257, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  write(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

function padding(size) {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
