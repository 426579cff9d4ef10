// The operator's panel, for keys with the scope `operate`: today's money against the budget, pause and resume, what is
// throttled, failures by code, and usage. Fields that the API adds later are shown under their names.

import { json } from "./api.js";
import { table } from "./answers.js";
import { dollars, h, replace } from "./dom.js";
import { KeysPanel } from "./keys.js";

const GROUPS = ["day", "key", "inbox", "prefix", "recipe", "model"];
const MOMENTS = ["since", "until", "opened_at"];
const OWN_CARDS = ["object", "budget", "paused", "open_tasks"];

export class OperatePanel {
  constructor() {
    this.turn = 0;
    this.note = h("p", { class: "error", role: "alert" });
    this.cards = h("div", { class: "cards" });
    this.group = h("select", { id: "group", onchange: () => this.show() }, GROUPS.map((name) => h("option", { value: name }, name)));
    this.usage = h("div", { class: "usage" });
    this.keys = new KeysPanel();
    this.element = h("div", { class: "operate" }, h("h1", { tabindex: "-1" }, "Operate"), this.note, this.cards,
      h("h2", {}, "Usage of the last 30 days"), h("div", { class: "row" }, h("label", { for: "group" }, "By"), this.group), this.usage, this.keys.element);
  }

  start() {
    this.show();
    this.keys.show();
    this.timer = setInterval(() => document.hidden || this.show(), 5000);
  }

  stop() {
    clearInterval(this.timer);
  }

  async act(name) {
    try {
      const status = await json(`/v1/${name}`, { method: "POST", body: {} });
      this.turn += 1; // An answer to what was asked before tells how it was.
      this.shown = null;
      this.showStatus(status);
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  async show() {
    const turn = (this.turn += 1);
    try {
      const [status, failed, usage] = await Promise.all([
        json("/v1/status"), json("/v1/tasks?status=failed&brief=true&limit=100"), json(`/v1/usage?group_by=${this.group.value}`),
      ]);
      const shown = JSON.stringify([status, failed.data, usage]);
      if (turn !== this.turn) return;
      this.note.textContent = "";
      if (shown === this.shown) return; // What has not changed keeps its focus and where it was scrolled to.
      this.shown = shown;
      this.failures = countCodes(failed.data);
      this.showStatus(status);
      replace(this.usage, table(withoutZeros(usage.data.map(withMoney))));
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  showStatus(status) {
    const others = Object.entries(status).filter(([name]) => !OWN_CARDS.includes(name));
    const isNone = ([, value]) => Array.isArray(value) && !value.length;
    replace(this.cards, budgetCard(status.budget), this.workCard(status, others.filter(isNone).map(([name]) => titleOf(name))),
      card("Failures by code", table(this.failures ?? [])),
      others.filter((other) => !isNone(other)).map(([name, value]) => {
        const made = card(titleOf(name), facts(value));
        if (Array.isArray(value)) made.classList.add("broad");
        return made;
      }));
  }

  workCard({ open_tasks: open, paused = [] }, none) {
    const everything = paused.some((pause) => pause.what === "everything");
    return card("Work",
      h("p", { class: "figure" }, everything ? "paused" : "running"),
      open !== undefined && h("p", {}, open === 1 ? "1 task is open." : `${open} tasks are open.`),
      paused.map((pause) => h("p", { class: "muted" }, `${pause.what}: paused since ${moment(pause.since)} by ${pause.by}`)),
      none.map((title) => h("p", { class: "muted" }, `${title}: none`)),
      h("button", { onclick: () => this.act(everything ? "resume" : "pause") }, everything ? "Resume work" : "Pause all work"));
  }
}

function budgetCard(budget) {
  if (!budget) return null;
  const spent = Number(budget.spent_today ?? 0);
  const limit = Number(budget.daily_budget ?? 0);
  return card("Today’s money", h("p", { class: "figure" }, dollars(spent)),
    limit > 0 ? [h("progress", { max: limit, value: Math.min(spent, limit), "aria-label": "Spent of today’s budget" }), h("p", { class: "muted" }, `of ${dollars(limit)} a day`)]
      : h("p", { class: "muted" }, "No daily budget is set."));
}

const titleOf = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
const card = (title, ...inner) => h("section", { class: "card" }, h("h2", {}, title), inner);
const moment = (seconds) => new Date(seconds * 1000).toLocaleString();

function countCodes(tasks) {
  const counts = new Map();
  for (const task of tasks) counts.set(task.error?.code, (counts.get(task.error?.code) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]).map(([code, count]) => ({ failure: String(code).replaceAll("_", " "), tasks: count }));
}

const withMoney = ({ cost, ...row }) => ({ ...row, cost: cost === null || cost === undefined ? "unknown" : dollars(Number(cost)) });

// Leaves out the columns that are zero in every row.
function withoutZeros(rows) {
  const used = new Set(rows.flatMap((row) => Object.keys(row).filter((name) => row[name] !== 0)));
  return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => used.has(name))));
}

function withMoments(row) {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, MOMENTS.includes(name) && typeof value === "number" ? moment(value) : value]));
}

function facts(value) {
  if (value === null || typeof value !== "object") return h("p", { class: "figure" }, value === null ? "none" : String(value));
  if (Array.isArray(value)) {
    if (!value.length) return h("p", {}, "none");
    return typeof value[0] === "object" ? table(value.map(withMoments)) : h("p", {}, value.join(", "));
  }
  return h("dl", {}, Object.entries(value).map(([name, inner]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, facts(inner))]));
}
