// The pages of a PDF, drawn by the API and loaded as they are scrolled to, with the boxes of quotes over them.

import { json } from "./api.js";
import { overlay } from "./answers.js";
import { calmly, h } from "./dom.js";

const MOST = 1000;

export async function showPages(url, name, evidence) {
  const { pages, width, height } = await json(`${url}/pages`);
  const element = h("div", { class: "pages", tabindex: "0", role: "region", "aria-label": `Pages of ${name}` });
  const shown = Array.from({ length: Math.min(pages, MOST) }, (_, index) => {
    const number = index + 1;
    const picture = h("img", { src: `${url}/pages/${number}.png`, alt: `Page ${number} of ${pages}`, loading: "lazy", decoding: "async", width, height });
    const page = h("div", { class: "page", "data-page": number }, picture, h("span", { class: "number", "aria-hidden": "true" }, `${number} / ${pages}`));
    const here = evidence.filter((entry) => entry.page === number && entry.boxes.length);
    if (here.length) page.append(boxesOf(here));
    return page;
  });
  element.append(...shown);
  if (pages > MOST) element.append(h("p", { class: "muted" }, `The first ${MOST} of ${pages} pages. The source below has them all.`));
  return { element, showQuote: (entry) => showQuote(element, shown[entry.page - 1], entry) };
}

function boxesOf(entries) {
  const layer = overlay(entries.flatMap((entry) => entry.boxes));
  const owners = entries.flatMap((entry) => entry.boxes.map(() => entry.index));
  [...layer.children].forEach((group, index) => {
    group.removeAttribute("data-box");
    group.setAttribute("data-quote-box", owners[index]);
  });
  return layer;
}

// Scrolls within the pages alone: what a person reads beside them stays where it is.
function showQuote(element, page, entry) {
  if (!page) return;
  for (const group of element.querySelectorAll("[data-quote-box]")) {
    group.classList.toggle("lit", group.getAttribute("data-quote-box") === String(entry.index));
  }
  const top = page.offsetTop + ((entry.boxes[0]?.box_2d[0] ?? 0) / 1000) * page.offsetHeight;
  element.scrollTo({ top: Math.max(0, top - element.clientHeight / 3), behavior: calmly() });
  const place = element.getBoundingClientRect();
  if (place.bottom < 80 || place.top > innerHeight - 80) element.scrollIntoView({ block: "nearest", behavior: calmly() });
}
