// The files of what was dropped, those in folders included.

const MOST = 2000;
const HIDDEN = /^(\.|~\$|Thumbs\.db$|desktop\.ini$)/i;

// Returns the files, at most 2,000. What the drop holds is read before the first wait, when it is gone.
export async function filesOf(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const files = [];
  for (const entry of entries) if (entry) await collect(entry, files);
  return files;
}

async function collect(entry, files) {
  if (files.length >= MOST) return;
  if (entry.isFile) {
    files.push(await new Promise((done, fail) => entry.file(done, fail)));
    return;
  }
  const reader = entry.createReader();
  // A reader returns a part of a large folder at a time, and nothing at its end.
  for (let part; (part = await new Promise((done, fail) => reader.readEntries(done, fail))).length; ) {
    for (const inner of part) if (!HIDDEN.test(inner.name)) await collect(inner, files);
  }
}
