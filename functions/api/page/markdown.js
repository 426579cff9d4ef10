// Renders the Markdown that models write as elements. Raw HTML in it stays text; links open only http(s) addresses;
// pictures are shown as links, so that an answer cannot call another host.

import { append, h } from "./dom.js";

export function markdown(text) {
  const root = h("div", { class: "markdown", dir: "auto" });
  blocks(root, text.replace(/\r\n?/g, "\n").split("\n"), 0);
  return root;
}

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+-]*)/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const ROW = /^\s*\|?.*\|.*$/;
const LINE_OF_TABLE = /^\s*\|?(\s*:?-+:?\s*\|)+\s*(:?-+:?\s*)?$/;
const DEEPEST = 12;

function blocks(parent, lines, depth) {
  let index = 0;
  while (index < lines.length) {
    const line = lines[index];
    const fence = line.match(FENCE);
    const heading = line.match(HEADING);
    if (!line.trim()) index += 1;
    else if (fence) index = code(parent, lines, index, fence);
    else if (heading) {
      append(parent, [h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2]))]);
      index += 1;
    } else if (RULE.test(line)) {
      parent.append(h("hr"));
      index += 1;
    } else if (/^ {0,3}>/.test(line) && depth < DEEPEST) {
      let end = index;
      while (end < lines.length && /^ {0,3}>/.test(lines[end])) end += 1;
      const quote = h("blockquote");
      blocks(quote, lines.slice(index, end).map((line) => line.replace(/^ {0,3}> ?/, "")), depth + 1);
      parent.append(quote);
      index = end;
    } else if (ITEM.test(line) && depth < DEEPEST) index = list(parent, lines, index, depth);
    else if (ROW.test(line) && LINE_OF_TABLE.test(lines[index + 1] ?? "")) index = grid(parent, lines, index);
    else index = paragraph(parent, lines, index);
  }
}

function code(parent, lines, start, fence) {
  let end = start + 1;
  while (end < lines.length && !lines[end].trim().startsWith(fence[1])) end += 1;
  parent.append(h("pre", { tabindex: "0" }, h("code", {}, lines.slice(start + 1, end).join("\n"))));
  return end + 1;
}

function list(parent, lines, start, depth) {
  const first = lines[start].match(ITEM);
  const indent = first[1].length;
  const ordered = /\d/.test(first[2]);
  const element = ordered ? h("ol", { start: parseInt(first[2], 10) }) : h("ul");
  let index = start;
  while (index < lines.length) {
    const match = lines[index].match(ITEM);
    if (!match || match[1].length < indent || match[1].length > indent + 1 || /\d/.test(match[2]) !== ordered) break;
    const inner = [match[3]];
    index += 1;
    while (index < lines.length) {
      const next = lines[index];
      const item = next.match(ITEM);
      if (item && item[1].length <= indent + 1) break;
      if (!next.trim()) {
        const after = lines[index + 1] ?? "";
        if (!after.trim() || after.search(/\S/) <= indent) break;
      } else if (!item && next.search(/\S/) <= indent && (HEADING.test(next) || FENCE.test(next) || RULE.test(next))) break;
      inner.push(next.slice(Math.min(next.search(/\S|$/), indent + 2)));
      index += 1;
    }
    const element_ = h("li");
    if (inner.some((line, at) => at > 0 && line.trim())) blocks(element_, inner, depth + 1);
    else append(element_, inline(match[3]));
    element.append(element_);
    let blank = index;
    while (blank < lines.length && !lines[blank].trim()) blank += 1;
    if (blank > index && ITEM.test(lines[blank] ?? "") && lines[blank].match(ITEM)[1].length >= indent) index = blank;
  }
  parent.append(element);
  return index;
}

function grid(parent, lines, start) {
  const cells = (line) => line.trim().replace(/^\|/, "").replace(/\|$/, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
  const head = cells(lines[start]);
  const body = h("tbody");
  let index = start + 2;
  for (; index < lines.length && ROW.test(lines[index]) && lines[index].trim(); index += 1) {
    const given = cells(lines[index]);
    body.append(h("tr", {}, head.map((_, at) => h("td", {}, inline(given[at] ?? "")))));
  }
  parent.append(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    h("table", {}, h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, inline(cell))))), body)));
  return index;
}

function paragraph(parent, lines, start) {
  let end = start + 1;
  while (end < lines.length && lines[end].trim() && !FENCE.test(lines[end]) && !HEADING.test(lines[end]) && !ITEM.test(lines[end])
    && !RULE.test(lines[end]) && !/^ {0,3}>/.test(lines[end])) end += 1;
  const parts = lines.slice(start, end).map((line, at, all) => [inline(line.trim()), at + 1 < all.length && (/ {2}$|\\$/.test(line) ? h("br") : " ")]);
  append(parent, [h("p", {}, parts)]);
  return end;
}

const INLINE = /(`+)([^`]|[^`].*?[^`])\1(?!`)|\*\*(?=\S)(.+?\S?)\*\*|__(?=\S)(.+?)__|\*(?=[^\s*])(.+?)\*|(?<![\w])_(?=\S)(.+?)_(?![\w])|~~(.+?)~~|(!?)\[([^\]]*)\]\(<?([^\s)>]+)>?(?:\s+"[^"]*")?\)|<?(https?:\/\/[^\s<>)\]]+)>?|\\([\\`*_{}[\]()#+.!|~>-])/;

function inline(text, depth = 0) {
  if (text.length > 20_000) return [text]; // Hostile lines would hold the page up.
  const parts = [];
  let rest = text;
  for (let match; depth < DEEPEST && (match = rest.match(INLINE)); rest = rest.slice(match.index + match[0].length)) {
    parts.push(rest.slice(0, match.index));
    const [, tick, literal, strong, strong2, soft, soft2, gone, , label, address, bare, escaped] = match;
    if (tick) parts.push(h("code", {}, literal));
    else if (strong ?? strong2) parts.push(h("strong", {}, inline(strong ?? strong2, depth + 1)));
    else if (soft ?? soft2) parts.push(h("em", {}, inline(soft ?? soft2, depth + 1)));
    else if (gone) parts.push(h("del", {}, inline(gone, depth + 1)));
    else if (address ?? bare) parts.push(link(address ?? bare, label === undefined ? bare : inline(label, depth + 1)));
    else parts.push(escaped);
  }
  parts.push(rest);
  return parts;
}

export function link(address, label) {
  if (!/^https?:\/\//i.test(address)) return h("span", {}, label);
  return h("a", { href: address, rel: "noopener noreferrer nofollow", target: "_blank" }, label);
}

// Copies the elements of an HTML answer that only carry text. Everything else, and every attribute that could load or run
// something, stays behind: the parsed document is inert, and each element here is made anew.
const KEPT = new Set("a abbr b blockquote br caption cite code col colgroup dd del dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s samp section small span strong sub sup table tbody td tfoot th thead time tr u ul var".split(" "));
const DROPPED = new Set("script style template iframe object embed noscript svg math head title textarea select button form input video audio canvas link meta base".split(" "));

export function sanitised(text) {
  // Handlers and styles never run in the parsed document, but the browser reports each of them: they go before that.
  const quiet = text.replace(/<style[\s>][\s\S]*?(<\/style\s*>|$)/gi, "").replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/\s(on\w+|style|srcdoc)\s*=/gi, " data-left-out="));
  const inert = new DOMParser().parseFromString(quiet, "text/html");
  return h("div", { class: "markdown", dir: "auto" }, [...inert.body.childNodes].map((node) => clean(node, 0)));
}

function clean(node, depth) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE || depth > 200) return null;
  const name = node.localName;
  if (DROPPED.has(name)) return null;
  const inner = [...node.childNodes].map((child) => clean(child, depth + 1));
  if (!KEPT.has(name)) return inner;
  if (name === "a") return link(node.getAttribute("href") ?? "", inner);
  const heading = name.match(/^h([1-6])$/);
  const attributes = {};
  for (const span of ["colspan", "rowspan"]) {
    const count = Number(node.getAttribute(span));
    if (count > 1 && count < 1000) attributes[span] = count;
  }
  return h(heading ? `h${Math.min(6, Number(heading[1]) + 2)}` : name, attributes, inner);
}
