// What changed between two answers, word by word.

import { h } from "./dom.js";

const MOST = 3000;

export function difference(before, after) {
  const old = before.split(/(\s+)/).slice(0, MOST);
  const fresh = after.split(/(\s+)/).slice(0, MOST);
  const width = fresh.length + 1;
  const lengths = new Uint16Array((old.length + 1) * width);
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = fresh.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] = old[row] === fresh[column]
        ? lengths[(row + 1) * width + column + 1] + 1
        : Math.max(lengths[(row + 1) * width + column], lengths[row * width + column + 1]);
    }
  }
  const parts = [];
  const add = (kind, text) => (parts.at(-1)?.kind === kind ? (parts.at(-1).text += text) : parts.push({ kind, text }));
  let row = 0;
  let column = 0;
  while (row < old.length || column < fresh.length) {
    if (row < old.length && column < fresh.length && old[row] === fresh[column]) {
      add("same", fresh[column]);
      row += 1;
      column += 1;
    } else if (column < fresh.length && (row === old.length || lengths[row * width + column + 1] >= lengths[(row + 1) * width + column])) {
      add("ins", fresh[column++]);
    } else {
      add("del", old[row++]);
    }
  }
  return h("p", { class: "difference", dir: "auto" }, parts.map(({ kind, text }) => (kind === "same" ? text : h(kind, {}, text))));
}
