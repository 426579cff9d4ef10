// Recognises what an answer is (a transcript, boxes, rows, JSON, HTML, Markdown, or several answers) and renders it.

import { calmly, clock, h, svg } from "./dom.js";
import { markdown, sanitised } from "./markdown.js";

const contentOf = (choice) => choice?.message?.content ?? "";

export function textOf(task) {
  return (task.results ?? []).flatMap((result) => (result.choices ?? []).map(contentOf)).join("\n\n");
}

// Returns { kind, text, value }: kind is transcript, boxes, rows, json, html or text; or choices, each with a kind.
export function recognise(task) {
  const text = textOf(task);
  const choices = task.results?.[0]?.choices ?? [];
  if (choices.length > 1) return { kind: "choices", text, value: choices.map((choice) => recogniseText(contentOf(choice), task)) };
  return recogniseText(text, task);
}

function recogniseText(text, task) {
  const value = parse(text);
  if (value !== undefined) {
    const segments = Array.isArray(value) ? value : value?.segments;
    const isList = Array.isArray(segments) && segments.length > 0;
    if (isList && segments.every((one) => one?.start !== undefined && "text" in one)) return { kind: "transcript", text, value: segments.map(segment) };
    if (Array.isArray(value) && value.length && value.every((one) => Array.isArray(one?.box_2d))) return { kind: "boxes", text, value };
    const rows = rowsOf(value);
    if (rows) return { kind: "rows", text, value: rows, whole: value };
    return { kind: "json", text, value };
  }
  const timed = linesWithTimes(text);
  if (timed) return { kind: "transcript", text, value: timed };
  if ((task.outputs ?? []).some((uri) => uri.endsWith(".html")) || /^\s*(```html\s*)?<(!doctype|html|div|h[1-6]|p|table|section|article)[\s>]/i.test(text)) {
    return { kind: "html", text: text.replace(/^\s*```html\s*|\s*```\s*$/g, "") };
  }
  return { kind: "text", text };
}

function parse(text) {
  const plain = text.trim().replace(/^```(?:json)?\s*|\s*```$/g, "");
  if (!/^[[{]/.test(plain)) return undefined;
  try {
    return JSON.parse(plain);
  } catch {
    return undefined;
  }
}

export function seconds(time) {
  if (typeof time === "number") return time;
  return String(time).replace(",", ".").split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

const segment = (one) => ({
  start: seconds(one.start), end: one.end === undefined || one.end === null ? null : seconds(one.end),
  speaker: one.speaker ?? "", text: String(one.text ?? ""), words: Array.isArray(one.words) ? one.words : null,
});

function linesWithTimes(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  const timed = lines.map((line) => line.match(/^\s*[-*]?\s*[[(]?((?:\d{1,3}:){1,2}\d{2}(?:[.,]\d+)?)(?:\s*(?:-->|[-–])\s*((?:\d{1,3}:){1,2}\d{2}(?:[.,]\d+)?))?[\])]?\s*[:–-]*\s*(.*)$/));
  if (lines.length < 2 || timed.filter(Boolean).length < lines.length * 0.7) return null;
  return timed.filter(Boolean).map(([, start, end, words]) => {
    const [, speaker, spoken] = words.match(/^([A-Z][\w .'-]{0,30}):\s+(.*)$/) ?? [null, "", words];
    return { start: seconds(start), end: end ? seconds(end) : null, speaker, text: spoken, words: null };
  });
}

function rowsOf(value) {
  const isRow = (one) => one !== null && typeof one === "object" && !Array.isArray(one);
  if (Array.isArray(value) && value.length && value.every(isRow)) return value;
  if (isRow(value)) {
    const lists = Object.values(value).filter((one) => Array.isArray(one) && one.length && one.every(isRow));
    if (lists.length === 1) return lists[0];
  }
  return null;
}

export function render(answer, { player } = {}) {
  switch (answer.kind) {
    case "transcript": return transcript(answer.value, player);
    case "rows": return h("div", {}, others(answer), table(answer.value));
    case "boxes": return h("ol", { class: "found" }, answer.value.map((one, index) => h("li", { "data-box": index }, h("span", { class: `swatch tone-${index % 8}` }), h("bdi", {}, one.label ?? "thing"))));
    case "choices": return h("div", {}, answer.value.map((one, index) => h("section", {}, h("h2", {}, `Answer ${index + 1}`), render(one, { player }))));
    case "json": return tree(answer.value);
    case "html": return sanitised(answer.text);
    default: return markdown(answer.text);
  }
}

function others({ whole }) {
  if (Array.isArray(whole)) return null;
  const plain = Object.entries(whole).filter(([, value]) => value === null || typeof value !== "object");
  return plain.length ? h("dl", { class: "fields-found" }, plain.map(([name, value]) => [h("dt", {}, name), h("dd", {}, h("bdi", {}, String(value)))])) : null;
}

const MOST_ROWS = 500;

export function table(rows) {
  if (!rows.length) return h("p", { class: "muted" }, "Nothing yet.");
  const columns = [...new Set(rows.slice(0, MOST_ROWS).flatMap((row) => Object.keys(row)))];
  const isNumber = (name) => rows.every((row) => row[name] === null || row[name] === undefined || typeof row[name] === "number");
  const numeric = new Set(columns.filter(isNumber));
  const cell = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", class: numeric.has(name) && "number" }, name)))),
      h("tbody", {}, rows.slice(0, MOST_ROWS).map((row) => h("tr", {}, columns.map((name) => h("td", { class: numeric.has(name) && "number" }, h("bdi", { class: /^\S{8,24}$/.test(cell(row[name])) && "short" }, cell(row[name])))))))),
    rows.length > MOST_ROWS && h("p", { class: "muted" }, `The first ${MOST_ROWS} of ${rows.length} rows. The files below have them all.`));
}

function tree(value, depth = 0) {
  if (value === null || typeof value !== "object") return h("span", { class: "leaf" }, JSON.stringify(value));
  if (depth > 8) return h("code", {}, JSON.stringify(value).slice(0, 500));
  return h("dl", { class: "tree" }, Object.entries(value).slice(0, 300).map(([name, inner]) => [h("dt", {}, name), h("dd", {}, tree(inner, depth + 1))]));
}

// Each line jumps to its moment and lights up while it is heard.
function transcript(segments, player) {
  const speakers = [...new Set(segments.map((one) => one.speaker).filter(Boolean))];
  let before = null;
  const lines = segments.map((one) => {
    const button = h("button", { class: "stamp", type: "button", "aria-label": `Play from ${clock(one.start)}`, disabled: !player }, clock(one.start));
    const words = one.words?.map((word) => h("span", { class: "word", "data-at": seconds(word.start ?? one.start) }, `${word.text ?? word.word} `)) ?? one.text;
    const line = h("li", {}, button,
      h("div", {}, one.speaker && one.speaker !== before && h("span", { class: `speaker tone-${speakers.indexOf(one.speaker) % 8}` }, h("bdi", {}, one.speaker)), h("p", { dir: "auto" }, words)));
    before = one.speaker;
    if (player) {
      line.addEventListener("click", (event) => {
        const at = Number(event.target.dataset?.at ?? one.start);
        if (String(getSelection()) === "") {
          player.currentTime = at;
          player.play().catch(() => {});
        }
      });
    }
    return line;
  });
  const list = h("ol", { class: "transcript" }, lines);
  let lit = -1;
  player?.addEventListener("timeupdate", () => {
    const now = player.currentTime + 0.05;
    let at = segments.findLastIndex((one) => one.start <= now);
    if (at >= 0 && segments[at].end !== null && now > segments[at].end + 2) at = -1;
    if (at !== lit) {
      lines[lit]?.classList.remove("now");
      lines[at]?.classList.add("now");
      lit = at;
      if (!player.paused && at >= 0) lines[at].scrollIntoView({ block: "nearest", behavior: calmly() });
    }
    if (segments[at]?.words) for (const word of lines[at].querySelectorAll(".word")) word.classList.toggle("past", Number(word.dataset.at) <= now);
  });
  return list;
}

// Boxes and masks over a picture: coordinates are [ymin, xmin, ymax, xmax] in thousandths.
export function overlay(boxes) {
  const layer = svg("svg", { viewBox: "0 0 1000 1000", preserveAspectRatio: "none", class: "overlay", "aria-hidden": "true" });
  boxes.forEach((one, index) => {
    const [top, left, bottom, right] = one.box_2d.map((number) => Math.min(1000, Math.max(0, Number(number))));
    const place = { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
    const group = svg("g", { class: `tone-${index % 8}`, "data-box": index });
    if (typeof one.mask === "string" && one.mask.startsWith("data:image/png;base64,")) {
      group.append(svg("image", { ...place, href: one.mask, preserveAspectRatio: "none", opacity: "0.45" }));
    }
    group.append(svg("rect", place));
    layer.append(group);
  });
  return layer;
}
