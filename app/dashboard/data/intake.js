/** What was dropped or chosen, as one thing to send: a file, or a folder with the files in it. */

/** File managers leave these behind; a name that begins with a dot is hidden. */
const LEFT_BEHIND = /(^|\/)(\.|__MACOSX\/|thumbs\.db$|desktop\.ini$)/i;

/** The files of a drop. Its entries must be taken before anything is awaited. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return ofFiles([...transfer.files]);
  if (entries.length === 1 && entries[0].isFile) return ofFiles([await fileOf(entries[0])]);
  const isOneFolder = entries.length === 1;
  const inside = isOneFolder ? await children(entries[0]) : entries;
  return ofFolder(isOneFolder ? entries[0].name : "pictures", await walk(inside, ""));
}

/** The files of an `<input type="file">`, with or without `webkitdirectory`. */
export function chosen(files) {
  const paths = [...files].map((file) => ({ path: file.webkitRelativePath, file }));
  if (!paths.some(({ path }) => path)) return ofFiles([...files]);
  const [top] = paths[0].path.split("/");
  return ofFolder(top, paths.map(({ path, file }) => ({ path: path.slice(top.length + 1), file })));
}

function ofFiles(files) {
  if (files.length === 1) return { name: files[0].name, isFolder: false, file: files[0], bytes: files[0].size };
  return ofFolder("pictures", files.map((file) => ({ path: file.name, file })));
}

/** `files` is `[{ path, file }]`, the paths below the folder. */
function ofFolder(name, files) {
  const kept = files.filter(({ path }) => !LEFT_BEHIND.test(path));
  return { name, isFolder: true, files: kept, bytes: kept.reduce((sum, { file }) => sum + file.size, 0) };
}

async function walk(entries, above) {
  const found = await Promise.all(entries.map(async (entry) => {
    const path = above + entry.name;
    return entry.isFile ? [{ path, file: await fileOf(entry) }] : walk(await children(entry), `${path}/`);
  }));
  return found.flat();
}

const fileOf = (entry) => new Promise((done, failed) => entry.file(done, failed));

/** What a folder holds; readEntries answers a hundred at a time, and none at the end. */
async function children(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    found.push(...some);
  }
}
