// The operator's keys: list, make, rotate, revoke. A secret is shown once, where it was made, until the panel is left.

import { json, session } from "./api.js";
import { ago, announce, copy, dollars, h, replace } from "./dom.js";

const LIFETIMES = [["never", ""], ["in 7 days", 7], ["in 90 days", 90], ["in a year", 365]];
const SCOPES = [["submit", "create tasks"], ["read", "see tasks and answers"], ["operate", "this panel: pause, budgets, keys"]];

export class KeysPanel {
  constructor() {
    this.made = h("div", { role: "status" });
    this.problem = h("p", { class: "error", role: "alert" });
    this.rows = h("ul", { class: "keys" });
    this.element = h("section", { class: "card broad", "aria-labelledby": "keys-title" }, h("h2", { id: "keys-title" }, "Keys"),
      this.made, this.problem, this.rows, h("details", {}, h("summary", {}, "Make a key"), this.form()));
  }

  async show() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const { data } = await json("/v1/keys");
      if (turn !== this.turn) return; // An answer that was overtaken by a later one tells how it was.
      const order = (key) => (key.state === "active" ? 0 : 1);
      replace(this.rows, data.sort((one, other) => order(one) - order(other)).map((key) => this.row(key)));
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  row(key) {
    const sees = key.sources.length ? key.sources.join(", ") : "only its own tasks";
    const limits = [`${key.requests_per_minute.toLocaleString("en")} requests a minute`, key.daily_tasks !== null && `${key.daily_tasks} tasks a day`,
      key.daily_budget !== null && `${dollars(Number(key.daily_budget))} a day`].filter(Boolean).join(", ");
    const life = key.expires_at === null ? "" : ` · ${key.state === "expired" ? "expired" : "expires"} ${new Date(key.expires_at * 1000).toLocaleDateString()}`;
    const isOwn = key.id === session.key.id;
    return h("li", { class: key.state !== "active" && "over" },
      h("div", {}, h("p", {}, h("strong", {}, h("bdi", {}, key.name)), " ", h("code", {}, key.id), isOwn && " (yours)", key.state !== "active" && ` · ${key.state}`),
        h("p", { class: "muted" }, `${key.scopes.join(", ")} · sees `, h("bdi", {}, sees), ` · ${limits} · made ${ago(key.created)}${life}`)),
      key.state === "active" && h("div", { class: "row" },
        twice("Rotate", "Make a new secret", key, () => this.act(key, "rotate")),
        twice("Revoke", isOwn ? "Revoke your own key" : "Revoke it", key, () => this.act(key, "revoke"))));
  }

  form() {
    this.name = h("input", { id: "key-name", required: true, maxlength: 200, placeholder: "Whose it is: nightly import, Amina …" });
    this.scopes = SCOPES.filter(([scope]) => session.key.scopes.includes(scope)).map(([scope, about]) => {
      const box = h("input", { type: "checkbox", id: `scope-${scope}`, value: scope, checked: scope !== "operate" });
      return { box, row: h("div", { class: "check" }, box, h("label", { for: box.id }, scope, h("span", { class: "muted" }, ` ${about}`))) };
    });
    this.sources = h("textarea", { id: "key-sources", rows: 2, placeholder: session.key.sources[0] ?? "gs://inbox/team-a/", "aria-describedby": "key-sources-note" });
    this.life = h("select", { id: "key-life" }, LIFETIMES.map(([label, days]) => h("option", { value: days }, label)));
    this.budget = h("input", { id: "key-budget", type: "number", min: 0, step: "any", placeholder: "no limit of its own" });
    return h("form", { class: "again", onsubmit: (event) => this.make(event) },
      h("label", { for: "key-name" }, "Name"), this.name,
      h("fieldset", {}, h("legend", {}, "What it may do"), this.scopes.map(({ row }) => row)),
      h("label", { for: "key-sources" }, "Whose files and tasks it sees, one a line"), this.sources,
      h("p", { class: "muted", id: "key-sources-note" }, session.key.sources.length ? `At most what yours sees: ${session.key.sources.join(", ")}. Empty: only tasks that it submits itself.`
        : "Yours sees only its own tasks, so this one does too."),
      h("div", { class: "row" }, h("div", {}, h("label", { for: "key-life" }, "Expires"), this.life),
        h("div", {}, h("label", { for: "key-budget" }, "Dollars a day"), this.budget)),
      h("button", { class: "primary" }, "Make the key"));
  }

  async make(event) {
    event.preventDefault();
    const body = {
      name: this.name.value.trim(), scopes: this.scopes.filter(({ box }) => box.checked).map(({ box }) => box.value),
      sources: this.sources.value.split("\n").map((line) => line.trim()).filter(Boolean),
    };
    if (this.life.value) body.expires_in = Number(this.life.value) * 86_400;
    if (this.budget.value) body.daily_budget = Number(this.budget.value);
    const made = await this.call("/v1/keys", body);
    if (!made) return;
    event.target.reset();
    event.target.parentElement.open = false;
    this.showSecret(made, "");
  }

  async act(key, action) {
    const changed = await this.call(`/v1/keys/${key.id}/${action}`, action === "rotate" ? {} : undefined);
    if (!changed) return;
    if (changed.secret) this.showSecret(changed, " The old secret goes on for a day.");
    else announce(`${key.name} is revoked; it ends everywhere within half a minute.`);
  }

  async call(path, body) {
    this.problem.textContent = "";
    try {
      const answer = await json(path, { method: "POST", body });
      await this.show();
      return answer;
    } catch (error) {
      this.problem.textContent = error.message;
      return null;
    }
  }

  showSecret({ name, secret }, more) {
    const button = h("button", { type: "button", onclick: () => copy(secret, button) }, "Copy");
    const close = h("button", { type: "button", class: "plain", onclick: () => replace(this.made) }, "I have it");
    replace(this.made, h("div", { class: "band wait" }, h("div", { class: "secret" },
      h("p", {}, "The secret of ", h("strong", {}, h("bdi", {}, name)), `, shown only now.${more}`), h("code", {}, secret), h("div", { class: "row" }, button, close))));
  }
}

// A button that acts with its second press, unless the focus left it meanwhile: what it does cannot be taken back.
function twice(label, question, key, act) {
  const ask = (isSure) => {
    button.textContent = isSure ? `${question}?` : label;
    button.setAttribute("aria-label", isSure ? `${question}: ${key.name}?` : `${label} ${key.name}`);
    button.classList.toggle("sure", isSure);
  };
  const press = () => {
    if (button.classList.contains("sure")) {
      button.disabled = true;
      act().finally(() => {
        button.disabled = false;
        ask(false);
      });
    } else {
      ask(true);
      button.focus(); // which Safari does not give to what is clicked
    }
  };
  const button = h("button", { type: "button", onclick: press, onblur: () => ask(false) });
  ask(false);
  return button;
}
