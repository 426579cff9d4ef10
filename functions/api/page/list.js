// The list of tasks, which moves by itself. It is polled with an ETag rather than streamed: an unchanged list costs an
// empty 304, nothing has to be kept open on a function that is billed while it is, and a lost connection, a sleeping
// laptop and a second device need no special case. A hidden tab asks seldom.

import { json, request } from "./api.js";
import { ago, dollars, h, replace, until } from "./dom.js";
import { RowWindow } from "./row_window.js";

const PAGE = 50;
export const ENDED = ["completed", "failed"];
export const REASONS = {
  rate_limited: "for quota", daily_quota: "for tomorrow's quota", file_store_full: "for room at Gemini", blocked: "for the operator",
  retrying: "to try again", time_limit: "to go on", inbox_cap: "for the inbox's daily cap", overwritten: "for the newest version",
  budget: "for the budget", paused: "while everything is paused", flex: "for a cheap moment",
};

export class TaskList {
  constructor(onEnd) {
    this.tasks = new Map();
    this.texts = new Map();
    this.onEnd = onEnd;
    this.listeners = new Set();
    this.selected = null;
    this.next = null;
    this.search = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search the tasks by name, status, recipe or metadata", oninput: () => this.refine() });
    this.status = h("select", { "aria-label": "Show", onchange: () => this.refine() },
      ["all", "open", "completed", "failed"].map((name) => h("option", { value: name }, name)));
    this.rows = new RowWindow((task) => new Row(task, this.nameOf(task)), () => this.fill());
    this.more = h("button", { class: "plain wide", hidden: true, onclick: () => this.loadMore() }, "Show older tasks");
    this.note = h("p", { class: "muted", hidden: true });
    this.element = h("div", { class: "list" },
      h("h2", { class: "quiet" }, "Tasks"), h("div", { class: "row filters" }, this.search, this.status), this.note, this.rows.element, this.more);
  }

  start() {
    this.running = true;
    this.wake = () => this.refresh();
    document.addEventListener("visibilitychange", this.wake);
    window.addEventListener("online", this.wake);
    this.rows.start();
    this.refresh();
    this.aging = setInterval(() => this.rows.tick(), 10_000);
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
    clearInterval(this.aging);
    this.rows.stop();
    document.removeEventListener("visibilitychange", this.wake);
    window.removeEventListener("online", this.wake);
  }

  async refresh() {
    clearTimeout(this.timer);
    if (this.busy) return void (this.again = true);
    this.busy = true;
    try {
      const headers = this.etag ? { "If-None-Match": this.etag } : {};
      const answer = await request(`/v1/tasks?brief=true&limit=${PAGE}`, { headers });
      if (answer.status !== 304) {
        const page = await answer.json();
        const isFirst = !this.loaded;
        if (isFirst) this.next = page.next;
        this.take(isFirst ? page.data : await this.upToKnown(page), !isFirst);
        this.etag = answer.headers.get("etag");
        this.loaded = true;
        this.filter();
        if (isFirst) this.fill();
      }
      await this.lookAtOlder();
      this.say("");
    } catch (error) {
      this.say(error.status ? error.message : "No connection. Trying again …");
    }
    this.busy = false;
    if (!this.running) return;
    if (this.again) {
      this.again = false;
      return this.refresh();
    }
    const open = [...this.tasks.values()].some((task) => !ENDED.includes(task.status));
    this.timer = setTimeout(() => this.refresh(), document.hidden ? 15_000 : open ? 1000 : 3000);
  }

  // Returns the tasks of a page and of those after it, up to one that is known: since the last poll more may have come
  // than a page holds.
  async upToKnown(page) {
    const tasks = [...page.data];
    for (let pages = 0; pages < 20 && page.next && !this.tasks.has(tasks.at(-1).id); pages += 1) {
      page = await json(`/v1/tasks?brief=true&limit=100&after=${page.next}`);
      tasks.push(...page.data);
    }
    return tasks;
  }

  // Newer tasks may have pushed open ones out of the page that is polled: a page from one of those on is read as well,
  // from another one each time.
  async lookAtOlder() {
    const sorted = this.sorted();
    const isOpen = (task, index) => index >= PAGE && !ENDED.includes(task.status);
    let index = sorted.findIndex((task, place) => isOpen(task, place) && this.lookedAt && newestFirst(this.lookedAt, task) < 0);
    if (index < 0) index = sorted.findIndex(isOpen);
    if (index < 0) return;
    const { data } = await json(`/v1/tasks?brief=true&limit=100&after=${sorted[index - 1].id}`);
    this.lookedAt = data.at(-1);
    this.take(data, true);
  }

  sorted() {
    return [...this.tasks.values()].sort(newestFirst);
  }

  // Loads older tasks while the list's end is in view; a search that finds little looks through so many pages by itself.
  async loadMore(pages = 20) {
    if (!this.next || this.loading) return;
    this.loading = true;
    try {
      const page = await json(`/v1/tasks?brief=true&limit=100&after=${this.next}`);
      this.next = page.next;
      this.take(page.data, false);
    } catch (error) {
      this.say(error.message);
      pages = 0;
    }
    this.loading = false;
    if (pages > 1 && this.running) this.fill(pages - 1);
  }

  // Looked at after each move: an IntersectionObserver tells nothing of an end that left and came back in one frame.
  fill(pages) {
    if (!this.more.hidden && this.more.getBoundingClientRect().top < innerHeight) this.loadMore(pages);
  }

  refine() {
    this.filter();
    this.fill();
  }

  take(tasks, notice) {
    if (!this.running) return;
    for (const task of tasks) {
      const before = this.tasks.get(task.id);
      this.tasks.set(task.id, task);
      this.texts.set(task.id, searchText(task, this.nameOf(task)));
      const ended = ENDED.includes(task.status);
      if (notice && ended && (!before || !ENDED.includes(before.status))) this.onEnd(task);
    }
    this.more.hidden = !this.next;
    this.filter();
    this.showTitle();
    this.listeners.forEach((listener) => listener());
  }

  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = this.status.value;
    const fits = (task) => (status === "all" || (status === "open" ? !ENDED.includes(task.status) : task.status === status))
      && words.every((word) => this.texts.get(task.id).includes(word));
    const shown = this.sorted().filter(fits);
    this.rows.show(shown);
    if (this.loaded && !this.problem) {
      this.note.textContent = this.tasks.size ? "No task fits." : "No tasks yet. Drop a file to begin.";
      this.note.hidden = shown.length > 0;
    }
  }

  select(id) {
    this.selected = id;
    this.rows.mark(id);
  }

  nameOf(task) {
    const name = task.metadata?.file ?? task.source?.split("/").pop();
    return name || task.id;
  }

  say(problem) {
    const was = this.problem;
    this.problem = problem;
    if (problem) [this.note.textContent, this.note.hidden] = [problem, false];
    else if (was) {
      this.note.hidden = true;
      this.filter();
    }
  }

  showTitle() {
    const open = [...this.tasks.values()].filter((task) => !ENDED.includes(task.status)).length;
    this.hadOpen ||= open > 0;
    document.title = open ? `(${open}) working · Dropsight` : this.hadOpen ? "✓ done · Dropsight" : "Dropsight";
    document.getElementById("icon").href = `/page/icon${open ? "-busy" : this.hadOpen ? "-done" : ""}.svg`;
  }
}

const newestFirst = (one, other) => other.created - one.created || (one.id < other.id ? 1 : -1);

function searchText(task, name) {
  return [name, task.status, task.recipe, task.model, ...Object.entries(task.metadata ?? {}).flat()].join(" ").toLowerCase();
}

class Row {
  constructor(task, name) {
    this.name = name;
    this.link = h("a", { href: `#/tasks/${task.id}` });
    this.element = h("li", {}, this.link);
    this.update(task);
  }

  update(task) {
    const kept = JSON.stringify(task);
    if (kept === this.kept) return;
    this.kept = kept;
    this.task = task;
    const name = this.name;
    this.age = h("span", {}, ago(task.created));
    const cost = Number(task.usage?.cost);
    replace(this.link,
      h("span", { class: `state ${task.waiting ? "waiting" : task.status}`, "aria-hidden": "true" }),
      h("span", { class: "name" }, h("bdi", {}, name)),
      h("span", { class: "cost" }, cost > 0 && dollars(cost)),
      h("span", { class: "facts" }, statusText(task), " · ", task.recipe ? `${task.recipe} · ` : "", this.age),
      task.status === "processing" && !task.waiting && h("progress", { max: 100, value: task.progress, "aria-label": `Progress of ${name}` }));
  }

  tick() {
    this.age.textContent = ago(this.task.created);
  }
}

export function statusText(task) {
  if (task.waiting) return `waits ${REASONS[task.waiting.reason] ?? `(${task.waiting.reason})`} until ${until(task.waiting.until)}`;
  if (task.status === "failed") return `failed: ${task.error?.code.replaceAll("_", " ")}`;
  if (task.status === "completed") return task.warnings?.length ? "answered, with a warning" : "answered";
  return task.status === "pending" ? "in the queue" : `${task.progress} %`;
}
