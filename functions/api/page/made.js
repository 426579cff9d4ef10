// Shows the pictures and plays the speech that a task has made.

import { recognise } from "./answers.js";
import { h } from "./dom.js";

export function madeFiles(task, files) {
  const isPicture = recognise(task).kind === "text" ? /\.(png|jpg|webp)$/ : /^$/;
  return files.map((file) => {
    const src = `/v1/tasks/${task.id}/outputs/${encodeURIComponent(file)}`;
    if (file.endsWith(".wav")) return h("audio", { controls: true, preload: "metadata", src, "aria-label": file });
    return isPicture.test(file) ? h("img", { class: "made", src, alt: file }) : null;
  }).filter(Boolean);
}
