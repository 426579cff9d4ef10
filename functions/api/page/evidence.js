// Where an answer comes from: the quotes that prove its values, which jump to their place in the source, and the
// passages of other files that an answer from an index rests on, which lead to their tasks.

import { h } from "./dom.js";

const MOST = 300;
const MATCHES = {
  exact: "stands there", normalised: "stands there, but for case or punctuation", missing: "not in the source", unchecked: "not looked up",
};

// Returns [{ path, quote, page, match, boxes, index }], as the API has it in the message.
export function evidenceOf(task) {
  const entries = (task.results ?? []).flatMap((result) => result.choices?.[0]?.message?.evidence ?? []);
  return entries.slice(0, MOST).map((entry, index) => ({ ...entry, boxes: entry.boxes ?? [], index }));
}

export function quotes(evidence, onChosen) {
  const buttons = evidence.map((entry) => {
    const place = [MATCHES[entry.match] ?? entry.match, entry.page && `page ${entry.page}`].filter(Boolean).join(" · ");
    const canJump = ["exact", "normalised"].includes(entry.match);
    const button = h("button", { type: "button", "data-quote": entry.index, disabled: !canJump, onclick: () => {
      for (const other of buttons) other.classList.toggle("lit", other === button);
      onChosen(entry);
    } }, h("strong", {}, placeOf(entry.path)), h("span", { class: `match ${entry.match}` }, place), h("q", { dir: "auto" }, entry.quote));
    return button;
  });
  return h("section", { class: "quotes", "aria-label": "Quotes that prove the answer" }, h("h2", {}, "Where it says so"),
    h("ul", {}, buttons.map((button) => h("li", {}, button))));
}

// Returns [{ task, object, title, page, quote }], as the API has it in the message.
export function citationsOf(task) {
  return (task.results ?? []).flatMap((result) => result.choices?.[0]?.message?.citations ?? []).slice(0, MOST);
}

export function sources(citations) {
  return h("section", { class: "quotes", "aria-label": "Files that the answer rests on" }, h("h2", {}, "Rests on"),
    h("ul", {}, citations.map(({ task, object, title, page, quote }) => h("li", {}, h("a", { href: `#/tasks/${task}`, title: object },
      h("strong", {}, h("bdi", {}, title)), h("span", { class: "match" }, page && `page ${page}`), h("q", { dir: "auto" }, quote))))));
}

// A value's place as people say it: "[2].total" is "row 3, total".
function placeOf(path) {
  const place = path.replace(/^\$?\.?/, "").replace(/\.?\[(\d+)\]\.?/g, (_, index) => `, row ${Number(index) + 1}, `).replaceAll("_", " ");
  return place.replace(/^, |, $/g, "") || "the answer";
}
