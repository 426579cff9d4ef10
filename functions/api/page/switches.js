// The local system's switch board: break things on purpose, and watch every task come to its end all the same.

import { json } from "./api.js";
import { announce, h, replace } from "./dom.js";
import { ENDED, statusText } from "./list.js";

const control = (path, method, body) => json(`/local/control/${path}`, { method, body, headers: { "Content-Type": "application/json" } });

const SWITCHES = [
  ["Gemini answers 429 for a minute", "Tasks wait for quota, and go on by themselves.", 60, async () => {
    await control("faults", "POST", [{ service: "gemini", match: "enerateContent", status: 429, retry_delay: "5s" }]);
    return () => control("faults", "DELETE");
  }],
  ["Kill a worker", "SIGKILL for generate, in the middle of whatever it does. Another one takes the tasks over.", 0, async () => {
    await control("kill", "POST", { function: "generate" });
  }],
  ["Deliver every event five times", "For a minute. Every file is still answered once.", 60, async () => {
    await control("events", "PUT", { copies: 5 });
    return () => control("events", "PUT", { copies: 1 });
  }],
  ["Drop every third connection to the database", "For half a minute. Nothing is lost.", 30, async () => {
    await control("faults", "POST", Array.from({ length: 20 }, () => ({ service: "firestore", skip: 2, times: 1, drop: "before" })));
    return () => control("faults", "DELETE");
  }],
  ["A slow model", "Answers take five seconds for a minute: watch one being written.", 60, async () => {
    await control("model", "PUT", { latency: "5s", chunks: 40 });
    return () => control("model", "DELETE");
  }],
];

export class Switches {
  constructor(list) {
    this.list = list;
    this.note = h("p", { class: "error", role: "alert" });
    this.tally = h("p", { class: "tally" });
    this.events = h("ol", { class: "events", "aria-label": "What happened" });
    this.element = h("div", { class: "switches" },
      h("h1", { tabindex: "-1" }, "Switches"),
      h("p", {}, "This system runs on your machine, so you may break it. Drop a few files, flip a switch, and watch: nothing is lost, and nothing is paid twice."),
      h("div", { class: "board" }, SWITCHES.map((one) => this.button(one))), this.note,
      h("h2", {}, "Before your eyes"), this.tally, this.events);
    this.seen = new Map();
    this.listener = () => this.watch();
  }

  start() {
    this.list.listeners.add(this.listener);
    this.watch();
    this.counting = setInterval(() => this.count(), 1500);
    this.count();
  }

  stop() {
    this.list.listeners.delete(this.listener);
    clearInterval(this.counting);
  }

  button([title, about, seconds, flip]) {
    const left = h("span", { class: "left" });
    const button = h("button", { class: "card switch", "aria-pressed": "false", onclick: async () => {
      button.disabled = true;
      this.note.textContent = "";
      try {
        const restore = await flip();
        this.log(title);
        announce(title);
        if (restore) {
          button.setAttribute("aria-pressed", "true");
          for (let rest = seconds; rest > 0; rest -= 1) {
            left.textContent = `${rest} s`;
            await new Promise((done) => setTimeout(done, 1000));
          }
          await restore();
          this.log(`${title}: over`);
        }
      } catch (error) {
        this.note.textContent = error.message;
      }
      left.textContent = "";
      button.setAttribute("aria-pressed", "false");
      button.disabled = false;
    } }, h("strong", {}, title, left), h("span", {}, about));
    return button;
  }

  log(text) {
    this.events.prepend(h("li", {}, h("time", {}, new Date().toLocaleTimeString()), " ", text));
    while (this.events.children.length > 100) this.events.lastChild.remove();
  }

  watch() {
    for (const task of this.list.tasks.values()) {
      const text = statusText(task);
      if (this.seen.has(task.id) && this.seen.get(task.id) !== text) this.log(`${this.list.nameOf(task)}: ${text}`);
      this.seen.set(task.id, text);
    }
    this.showTally();
  }

  async count() {
    try {
      const stats = await control("stats", "GET");
      this.calls = Object.entries(stats.gemini ?? {}).filter(([name]) => name.endsWith("enerateContent")).reduce((sum, [, number]) => sum + number, 0);
      this.showTally();
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  showTally() {
    if (!this.list.loaded) return;
    const tasks = [...this.list.tasks.values()];
    const ended = tasks.filter((task) => ENDED.includes(task.status)).length;
    replace(this.tally, h("strong", {}, `${ended} of ${tasks.length} tasks have ended.`), " ", h("span", { class: "muted" }, this.calls !== undefined && `Gemini was asked ${this.calls} times, refused calls included.`));
  }
}
