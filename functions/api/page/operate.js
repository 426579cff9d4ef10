// The operator's panel: what GET /v1/status and GET /v1/usage tell, and pause or resume. For keys with the scope
// `operate`. Fields that the API adds later are shown by their names.

import { json } from "./api.js";
import { h, replace } from "./dom.js";
import { table } from "./answers.js";

export class OperatePanel {
  constructor() {
    this.note = h("p", { class: "error", role: "alert" });
    this.state = h("div", { class: "cards" });
    this.usage = h("div");
    this.element = h("div", { class: "operate" },
      h("h1", { tabindex: "-1" }, "Operate"),
      h("div", { class: "row" },
        h("button", { onclick: () => this.act("pause") }, "Pause new work"),
        h("button", { onclick: () => this.act("resume") }, "Resume")),
      this.note, this.state, h("h2", {}, "Usage"), this.usage);
  }

  start() {
    this.show();
    this.timer = setInterval(() => document.hidden || this.show(), 5000);
  }

  stop() {
    clearInterval(this.timer);
  }

  async act(name) {
    try {
      await json(`/v1/${name}`, { method: "POST", body: {} });
    } catch (error) {
      this.note.textContent = error.message;
    }
    this.show();
  }

  async show() {
    try {
      const status = await json("/v1/status");
      replace(this.state, Object.entries(status).filter(([name]) => name !== "object").map(([name, value]) =>
        h("section", { class: "card" }, h("h2", {}, name.replaceAll("_", " ")), facts(value))));
      const usage = await json("/v1/usage?group_by=key");
      replace(this.usage, table(usage.data ?? []));
      this.note.textContent = "";
    } catch (error) {
      this.note.textContent = error.status === 404 ? "This deployment has no panel yet." : error.message;
    }
  }
}

function facts(value) {
  if (value === null || typeof value !== "object") return h("p", { class: "figure" }, value === null ? "none" : String(value));
  if (Array.isArray(value)) return value.length && typeof value[0] === "object" ? table(value) : h("p", {}, value.join(", ") || "none");
  return h("dl", {}, Object.entries(value).map(([name, inner]) => [
    h("dt", {}, name.replaceAll("_", " ")),
    h("dd", {}, inner !== null && typeof inner === "object" ? facts(inner) : inner === null ? "none" : String(inner))]));
}
