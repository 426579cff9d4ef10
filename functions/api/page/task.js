// One task: what it is about, how it stands, its answer beside its source, what to do next.

import { Refused, follow, json, may, modelList, request, session } from "./api.js";
import { recognise, render, textOf } from "./answers.js";
import { append, clock, copy, dollars, h, replace, until } from "./dom.js";
import { difference } from "./difference.js";
import { citationsOf, evidenceOf, quotes, sources } from "./evidence.js";
import { madeFiles } from "./made.js";
import { markdown } from "./markdown.js";
import { ratesOf } from "./estimate.js";
import { labelOf } from "./recipes.js";
import { snippets } from "./snippets.js";
import { showSource } from "./source.js";
import { ENDED, statusText } from "./list.js";

export class TaskView {
  constructor(id, list, beside) {
    Object.assign(this, { id, list, besideId: beside });
    this.title = h("h1", { tabindex: "-1", dir: "auto" }, "…");
    this.facts = h("p", { class: "muted facts-line" });
    this.actions = h("div", { class: "row actions" });
    this.band = h("div", { class: "bands", role: "status" });
    this.source = h("div");
    this.answer = h("div", { class: "answer" });
    this.outputs = h("div", { class: "outputs" });
    this.foot = h("div", { class: "foot" });
    this.element = h("article", { class: "task" }, h("a", { class: "back", href: "#/" }, "‹ Tasks"), this.title, this.facts, this.actions, this.band,
      h("div", { class: "beside" }, this.source, h("div", {}, this.answer, this.outputs)), this.foot);
    this.stopped = new AbortController();
    this.listener = () => this.look();
  }

  start() {
    this.list.listeners.add(this.listener);
    this.load();
  }

  stop() {
    this.list.listeners.delete(this.listener);
    this.stopped.abort();
    clearTimeout(this.retry);
  }

  // The list moved: is there news of this task?
  look() {
    const row = this.list.tasks.get(this.id);
    const news = row && JSON.stringify([row.status, row.progress, row.waiting, row.outputs, row.warnings]);
    if (news && news !== this.news) {
      this.news = news;
      this.load();
    }
  }

  async load() {
    if (this.loading) return void (this.again = true);
    this.loading = true;
    let isLost = false;
    try {
      const answer = await request(`/v1/tasks/${this.id}`, { headers: this.etag ? { "If-None-Match": this.etag } : {}, signal: this.stopped.signal });
      if (answer.status !== 304) {
        this.etag = answer.headers.get("etag");
        await this.show(await answer.json());
      }
    } catch (error) {
      if (this.stopped.signal.aborted) return;
      this.etag = null; // What is shown is not the task any more.
      if (error instanceof Refused) replace(this.band, band("bad", error.message));
      if (error.status === 404) replace(this.title, "No such task");
      isLost = !(error instanceof Refused) || error.status >= 500 || error.status === 429;
    }
    this.loading = false;
    if (this.stopped.signal.aborted) return;
    if (this.again || isLost || (this.task && !ENDED.includes(this.task.status) && !this.list.tasks.has(this.id))) {
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.load(), this.again ? 0 : 2000);
      this.again = false;
    }
  }

  async show(task) {
    this.task = task;
    const name = this.list.nameOf(task);
    replace(this.title, name);
    replace(this.facts, ...factsOf(task));
    this.showActions();
    replace(this.band, bandsOf(task));
    if (!ENDED.includes(task.status)) {
      if (!this.following) replace(this.answer, task.status === "processing" && !task.waiting ? progress(task) : null);
      if (task.stream && !this.following && task.status === "processing") this.followAnswer();
    } else if (!task.results) {
      replace(this.answer);
    }
    const answer = task.results ? recognise(task) : null;
    await this.showSourceOnce(name, answer);
    if (task.results) this.showAnswerOnce(answer);
    this.showOutputs();
    if (this.footShown) this.askAgain?.estimate(); // A task that has ended says what it cost.
    else this.showFoot();
  }

  async followAnswer() {
    this.following = true;
    const written = h("div");
    replace(this.answer, h("p", { class: "writing" }, "Being written …"), written);
    let due = false;
    let latest = "";
    await follow(this.id, (text) => {
      latest = text;
      if (due) return;
      due = true;
      requestAnimationFrame(() => {
        due = false;
        if (!this.task.results) replace(written, markdown(latest));
      });
    }, this.stopped.signal);
    this.following = false;
    this.load();
  }

  async showSourceOnce(name, answer) {
    const wanted = `${this.id}:${answer?.kind ?? ""}:${(this.task.outputs ?? []).length}`;
    if (this.sourceShown === wanted || (this.sourceShown && this.player && !this.player.paused)) return;
    this.sourceShown = wanted;
    try {
      const shown = await showSource(this.task, name, answer);
      this.player = shown.player;
      this.showQuote = shown.showQuote;
      replace(this.source, shown.element);
    } catch (error) {
      if (!this.stopped.signal.aborted) replace(this.source, h("p", { class: "muted" }, `The source cannot be shown here: ${error.message}`));
    }
  }

  // News of a task that has ended (a callback, an output) leaves the answer as a person reads it.
  showAnswerOnce(answer) {
    const shown = JSON.stringify([answer.kind, this.task.results]);
    if (shown === this.answerShown && this.player === this.answerPlayer) return;
    Object.assign(this, { answerShown: shown, answerPlayer: this.player });
    this.showAnswer(answer);
  }

  showAnswer(answer) {
    const views = { Answer: () => render(answer, { player: this.player }), Raw: () => h("pre", { class: "raw", tabindex: "0" }, answer.text) };
    const place = h("div");
    const tabs = h("div", { class: "tabs", role: "group", "aria-label": "Show the answer as" }, Object.entries(views).map(([label, make], index) => {
      const button = h("button", { type: "button", class: "plain", "aria-pressed": String(index === 0), onclick: () => {
        tabs.querySelectorAll("[aria-pressed]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        replace(place, make());
      } }, label);
      return button;
    }), h("button", { type: "button", class: "plain", onclick: (event) => copy(answer.text, event.target) }, "Copy"));
    replace(place, views.Answer());
    replace(this.answer, tabs, place);
    const evidence = evidenceOf(this.task);
    if (evidence.length) append(this.answer, [quotes(evidence, (entry) => this.showQuote?.(entry))]);
    const citations = citationsOf(this.task);
    if (citations.length) append(this.answer, [sources(citations)]);
    if (answer.kind === "boxes") this.linkBoxes();
    if (this.besideId) this.showBeside(place, answer);
  }

  linkBoxes() {
    const light = (event) => {
      const index = event.target.closest?.("[data-box]")?.dataset.box;
      for (const part of this.element.querySelectorAll("[data-box]")) part.classList.toggle("lit", part.dataset.box === index);
    };
    this.element.addEventListener("pointerover", light);
    this.element.addEventListener("focusin", light);
  }

  async showBeside(place, answer) {
    try {
      const old = await json(`/v1/tasks/${this.besideId}`);
      const before = textOf(old);
      const button = h("button", { type: "button", class: "plain", "aria-pressed": "false", onclick: () => {
        const isOn = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(isOn));
        replace(fresh, isOn ? difference(before, answer.text) : render(answer, { player: this.player }));
      } }, "Show the difference");
      const fresh = h("div", {}, render(answer, { player: this.player }));
      replace(place, button, h("div", { class: "two" },
        h("section", {}, h("h2", {}, h("a", { href: `#/tasks/${old.id}` }, "Before")), h("p", { class: "muted" }, factsOf(old)), render(recognise(old), { player: this.player })),
        h("section", {}, h("h2", {}, "Now"), h("p", { class: "muted" }, factsOf(this.task)), fresh)));
    } catch {
      // The older task may be gone: the new answer stands alone.
    }
  }

  showActions() {
    if (this.actionsShown === this.task.status) return;
    this.actionsShown = this.task.status;
    const link = `${location.origin}/#/tasks/${this.id}`;
    replace(this.actions,
      !ENDED.includes(this.task.status) && may("submit") && h("button", { onclick: () => this.act("cancel") }, "Cancel"),
      h("button", { onclick: (event) => copy(link, event.target) }, "Copy link"),
      this.task.status === "failed" && may("submit") && h("button", { onclick: () => this.act("rerun") }, "Try again"));
  }

  async act(name) {
    try {
      const task = await json(`/v1/tasks/${this.id}/${name}`, { method: "POST", body: name === "rerun" ? {} : undefined });
      await this.list.refresh();
      if (task.id !== this.id) location.hash = `#/tasks/${task.id}`;
      else this.load();
    } catch (error) {
      append(this.band, [band("bad", error.message)]);
    }
  }

  showOutputs() {
    const files = (this.task.outputs ?? []).map((uri) => uri.split("/").pop());
    replace(this.outputs, files.length > 0 && [...madeFiles(this.task, files), h("h2", {}, "Files"), h("ul", { class: "files" }, files.map((file) =>
      h("li", {}, h("a", { href: `/v1/tasks/${this.id}/outputs/${encodeURIComponent(file)}?download=true`, download: file }, h("bdi", {}, file)))))]);
  }

  showFoot() {
    this.footShown = true;
    if (may("submit")) this.askAgain = new AskAgain(this);
    replace(this.foot,
      this.askAgain && h("details", { class: "card" }, h("summary", {}, "Ask again"), this.askAgain.element),
      h("details", { class: "card", ontoggle: (event) => {
        const details = event.target;
        if (details.open && details.children.length === 1) details.append(...snippets(this.task, session));
      } }, h("summary", {}, "This call, as code")));
  }
}

class AskAgain {
  constructor(view) {
    this.view = view;
    const task = view.task;
    this.recipe = h("select", { id: "again-recipe", onchange: () => this.estimate() }, h("option", { value: "" }, `As before${task.recipe ? ` (${task.recipe})` : ""}`),
      session.recipes.filter((recipe) => !recipe.needs.some((need) => ["schema", "range", "with"].includes(need)))
        .map((recipe) => h("option", { value: recipe.name }, labelOf(recipe))));
    this.model = h("select", { id: "again-model", onchange: () => this.estimate() }, h("option", { value: "" }, "The recipe’s own model"));
    this.prompt = h("textarea", { id: "again-prompt", rows: 2, maxlength: 100000, placeholder: "Leave empty to keep the question" });
    this.cost = h("p", { class: "estimate", role: "status" });
    this.problem = h("p", { class: "error", role: "alert" });
    this.element = h("form", { class: "again", onsubmit: (event) => this.send(event) },
      h("label", { for: "again-prompt" }, "Question"), this.prompt,
      h("div", { class: "row" },
        h("div", {}, h("label", { for: "again-recipe" }, "Recipe"), this.recipe),
        h("div", {}, h("label", { for: "again-model" }, "Model"), this.model)),
      this.cost, this.problem, h("button", { class: "primary" }, "Ask"));
    this.fill();
  }

  async fill() {
    this.models = (await modelList()).filter((model) => model.outputs.includes("text"));
    append(this.model, this.models.map((model) => h("option", { value: model.id }, `${model.label} (${model.id})`)));
    this.estimate();
  }

  estimate() {
    const recipe = session.recipes.find((one) => one.name === this.recipe.value);
    const id = this.model.value || recipe?.model || this.view.task.model;
    const usage = this.view.task.usage;
    const price = ratesOf(this.models?.find((model) => model.id === id), usage?.prompt_tokens_by_modality?.audio ? "audio" : "text");
    if (!usage?.prompt_tokens) return void (this.cost.textContent = "");
    const tokens = `About ${usage.prompt_tokens.toLocaleString("en")} tokens to read`;
    const cost = price && (usage.prompt_tokens * price.input + (usage.completion_tokens ?? 0) * price.output) / 1e6;
    this.cost.textContent = cost ? `${tokens} · about ${dollars(cost)} for an answer as long as this one` : `${tokens} · no price is known for ${id}`;
  }

  async send(event) {
    event.preventDefault();
    this.problem.textContent = "";
    const body = {};
    if (this.recipe.value) body.recipe = this.recipe.value;
    if (this.model.value) body.model = this.model.value;
    const prompt = this.prompt.value.trim();
    const isAsk = this.recipe.value === "ask" || (prompt && !this.recipe.value);
    if (prompt) body.prompt = prompt;
    if (isAsk && !this.view.task.results?.[0]?.choices?.[0]?.message?.content?.trim().match(/^[[{]/)) body.stream = true;
    try {
      const task = await json(`/v1/tasks/${this.view.id}/rerun`, { method: "POST", body });
      await this.view.list.refresh();
      location.hash = `#/tasks/${task.id}?beside=${this.view.id}`;
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }
}

function factsOf(task) {
  const usage = task.usage;
  const cost = Number(usage?.cost);
  const took = task.completed_at && task.started_at ? task.completed_at - task.started_at : null;
  return [
    statusText(task), task.recipe && ` · ${task.recipe}`, ` · ${usage?.model ?? task.model}`,
    usage?.total_tokens && ` · ${usage.total_tokens.toLocaleString("en")} tokens`, cost > 0 && ` · ${dollars(cost)}`,
    took !== null && ` · took ${took < 1 ? "under 1 s" : took < 90 ? `${took} s` : clock(took)}`, ` · ${new Date(task.created * 1000).toLocaleString()}`,
  ];
}

function progress(task) {
  return h("p", { class: "writing" }, "Being worked on … ", h("progress", { max: 100, value: task.progress, "aria-label": "Progress" }));
}

const WAYS_OUT = {
  unsupported_content_type: "Convert the file, or drop it in another format.",
  payload_too_large: "Split or shrink the file, and drop it again.",
  media_too_long: "Drop it in parts, or ask about one part with a range.",
  empty_answer: "Ask again, with another question or model.",
  content_policy_violation: "Gemini refused to answer. Another question may pass.",
  schema_not_satisfied: "Ask again with a simpler schema, or another model.",
  context_length_exceeded: "Ask about a part of the file, or with a model that reads more.",
  budget_exceeded: "Wait for tomorrow, or ask the operator for a larger budget.",
  source_gone: "The file was deleted or overwritten. Drop it again.",
};

// The honest band: why it waits, what went wrong, what is missing or was changed, and the way out.
function bandsOf(task) {
  const bands = [];
  if (task.waiting) {
    bands.push(band("wait", `It ${statusText(task)}.`, task.waiting.detail, `Nothing is lost: it goes on by itself at ${until(task.waiting.until)}.`));
  }
  if (task.error) bands.push(band("bad", task.error.message, null, WAYS_OUT[task.error.code]));
  for (const warning of task.warnings ?? []) bands.push(band("warn", warning));
  const served = task.usage?.model;
  if (served && served !== task.model) bands.push(band("warn", `${served} answered instead of ${task.model}.`));
  const reason = task.results?.[0]?.choices?.[0]?.finish_reason;
  if (reason === "length") bands.push(band("warn", "The answer was cut at the model’s limit.", null, "Ask again about a part, or with a model that writes more."));
  if (reason === "content_filter") bands.push(band("warn", "Gemini held a part of the answer back."));
  const state = task.callback?.state;
  if (state && !["pending", "delivered"].includes(state)) bands.push(band("warn", `The callback was not delivered: ${state}.`, task.callback.last_error));
  return bands;
}

function band(kind, text, detail, wayOut) {
  const icon = { bad: "✕", warn: "!", wait: "◷" }[kind];
  return h("div", { class: `band ${kind}` }, h("span", { "aria-hidden": "true", class: "sign" }, icon),
    h("div", {}, h("p", { dir: "auto" }, text), detail && h("p", { class: "muted", dir: "auto" }, detail), wayOut && h("p", {}, wayOut)));
}
