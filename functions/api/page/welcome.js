// What the wide pane shows while no task is chosen: how it works, samples with one click, and notifications.

import { isLocal, json, key } from "./api.js";
import { h } from "./dom.js";

const SAMPLES = [
  ["speech.mp3", "A recording", "Transcribed with times and speakers", "transcribe-timed", {}],
  ["photo.jpg", "A photo", "Everything in it, with boxes", "detect", {}],
  ["report.pdf", "A document", "Summarised, page beside answer", "summarise", {}],
];

export class Welcome {
  constructor(list) {
    this.list = list;
    this.note = h("p", { class: "error", role: "alert" });
    this.element = h("div", { class: "welcome" },
      h("h1", { tabindex: "-1" }, "Drop a file. Watch it. Read it."),
      h("p", {}, "Choose a task to read its answer, or drop files anywhere on this page. What it costs is said before anything is sent."),
      isLocal && [h("h2", {}, "Try it with a sample"), h("div", { class: "samples" }, SAMPLES.map((sample) => this.sample(sample)))],
      this.note, this.notify(),
      h("p", { class: "muted" }, "Keys: ", h("kbd", {}, "/"), " searches, ", h("kbd", {}, "Esc"), " comes back here. ",
        h("a", { href: "/docs" }, "The API’s reference"), "."));
  }

  sample([name, title, about, recipe, metadata]) {
    const button = h("button", { class: "card sample", onclick: async () => {
      button.disabled = true;
      try {
        await send(name, recipe, metadata);
        await this.list.refresh();
      } catch (error) {
        this.note.textContent = error.message;
      }
      button.disabled = false;
    } }, h("strong", {}, title), h("span", {}, about), h("code", {}, name));
    return button;
  }

  notify() {
    if (!("Notification" in window) || Notification.permission !== "default") return null;
    const button = h("button", { class: "plain", onclick: async () => {
      await Notification.requestPermission();
      button.remove();
    } }, "Tell me when a task is done, while I am elsewhere");
    return button;
  }
}

async function send(name, recipe, metadata) {
  const answer = await fetch(`/local/samples/${name}`, { headers: { Authorization: `Bearer ${key()}` } });
  const file = await answer.blob();
  const upload = { name: `samples/${Date.now()}/${name}`, size: file.size, content_type: file.type, metadata: { ...metadata, "dropsight-recipe": recipe } };
  const session = await json("/v1/uploads", { method: "POST", body: upload });
  const sent = await fetch(session.url, { method: "PUT", body: file, headers: { "Content-Type": file.type } });
  if (!sent.ok) throw new Error(`The sample was not taken: ${sent.status}`);
}
