// Shows a task's source beside its answer: a player, a picture, PDF pages, or text.

import { openFiles, request } from "./api.js";
import { overlay } from "./answers.js";
import { calmly, h, replace } from "./dom.js";
import { evidenceOf } from "./evidence.js";
import { guess } from "./recipes.js";

export async function showSource(task, name, answer) {
  await openFiles();
  const url = `/v1/tasks/${task.id}/source`;
  const head = await request(url, { method: "HEAD" });
  if (head.status === 204) return {}; // The request is words alone.
  const type = (head.headers.get("content-type") ?? guess(name)).split(";")[0];
  const family = type.split("/")[0];
  const save = h("a", { class: "button", href: `${url}?download=true`, download: "" }, "Save the source");
  if (family === "audio" || family === "video") {
    const player = h(family, { controls: true, preload: "metadata", src: url, "aria-label": name });
    const captions = (task.outputs ?? []).find((uri) => uri.endsWith(".vtt"));
    if (captions) {
      player.append(h("track", { kind: "captions", label: "Transcript", default: family === "video", src: `/v1/tasks/${task.id}/outputs/vtt` }));
    }
    return { element: h("figure", { class: `source ${family}` }, player, h("figcaption", {}, save)), player };
  }
  if (["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/avif"].includes(type)) {
    const picture = h("div", { class: "picture" }, h("img", { src: url, alt: `The picture ${name}` }));
    if (answer?.kind === "boxes") picture.append(overlay(answer.value), labels(answer.value));
    return { element: h("figure", { class: "source image" }, picture, h("figcaption", {}, save)) };
  }
  if (type === "application/pdf") {
    const open = h("a", { class: "button", href: url, target: "_blank", rel: "noopener" }, "Open it alone");
    const { showPages } = await import("./pages.js");
    const { element, showQuote } = await showPages(url, name, evidenceOf(task)).catch((error) => ({
      element: h("p", { class: "muted" }, `${error.message} `, "Your browser may show the document alone."),
    }));
    return { element: h("figure", { class: "source pdf" }, element, h("figcaption", {}, open, save)), showQuote };
  }
  if (family === "text" || type === "application/json") {
    const answered = await request(url, { headers: { Range: "bytes=0-199999" } });
    const shown = h("pre", { tabindex: "0", "aria-label": `The text of ${name}`, dir: "auto" }, await answered.text());
    return { element: h("figure", { class: "source text" }, shown, h("figcaption", {}, save)), showQuote: ({ quote }) => markIn(shown, quote) };
  }
  return { element: h("figure", { class: "source" }, h("figcaption", {}, save)) };
}

// Marks a quote in a text, and brings it into view; white space may differ.
function markIn(shown, quote) {
  const text = shown.textContent;
  const words = quote.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const match = new RegExp(words.join("\\s*"), "iu").exec(text);
  if (!match) return;
  const mark = h("mark", {}, match[0]);
  replace(shown, text.slice(0, match.index), mark, text.slice(match.index + match[0].length));
  mark.scrollIntoView({ block: "center", behavior: calmly() });
}

function labels(boxes) {
  return h("div", { class: "labels", "aria-hidden": "true" }, boxes.map((one, index) => {
    const label = h("span", { class: `tone-${index % 8}`, "data-box": index }, h("bdi", {}, one.label ?? ""));
    label.style.top = `${one.box_2d[0] / 10}%`;
    label.style.left = `${one.box_2d[1] / 10}%`;
    return label;
  }));
}
