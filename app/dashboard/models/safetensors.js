/**
 * Reads one tensor of a safetensors file: eight bytes with the length of a JSON header, the header
 * (names with dtype, shape and place), the numbers (huggingface.co/docs/safetensors).
 */

const LENGTH_BYTES = 8;
/** Most bytes of a header that is read; the format's own limit is the same. */
const MOST_HEADER = 100_000_000;

/**
 * Reads as far as is needed. `choose(header)` names a float32 tensor or answers null. Answers
 * `{ name, shape, values }`, or null.
 */
export async function readTensor(path, choose, signal) {
  const answer = await fetch(path, { signal });
  if (!answer.ok) throw new Error(`The weights answer HTTP ${answer.status}.`);
  const source = new Source(answer.body.getReader());
  try {
    const length = Number(new DataView((await source.upTo(LENGTH_BYTES)).buffer).getBigUint64(0, true));
    if (length > MOST_HEADER) throw new Error("The weights are no safetensors file.");
    const begin = LENGTH_BYTES + length;
    const header = JSON.parse(new TextDecoder().decode((await source.upTo(begin)).subarray(LENGTH_BYTES)));
    const name = choose(header);
    if (!name || header[name].dtype !== "F32") return null;
    const [from, to] = header[name].data_offsets;
    const bytes = (await source.upTo(begin + to)).slice(begin + from, begin + to);
    return { name, shape: header[name].shape, values: floats(bytes) };
  } finally {
    source.close();
  }
}

/** The numbers are little-endian, whatever the machine is. */
function floats(bytes) {
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(4 * at, true));
}

/** The beginning of a stream, as long as it has been needed. */
class Source {
  constructor(reader) {
    this.reader = reader;
    this.chunks = [];
    this.length = 0;
  }

  /** A copy of the first `end` bytes. */
  async upTo(end) {
    while (this.length < end) {
      const { done, value } = await this.reader.read();
      if (done) throw new Error("The weights end too early.");
      this.chunks.push(value);
      this.length += value.length;
    }
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    this.chunks = [all];
    return all.slice(0, end);
  }

  close() {
    this.reader.cancel().catch(() => {});
  }
}
