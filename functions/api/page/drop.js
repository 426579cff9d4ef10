// Takes files, by drop, paste or choice; asks what to do with them; says what it will cost; sends them.

import { session } from "./api.js";
import { announce, append, bytes, clock, dollars, h, replace } from "./dom.js";
import { inputTokens, price } from "./estimate.js";
import { filesOf } from "./folders.js";
import { aboutOf, familyOf, labelOf, schemaOf } from "./recipes.js";
import { Delivery, SMALL, unique } from "./delivery.js";

const AT_ONCE = 3;

export class DropZone {
  constructor(onSent) {
    this.files = [];
    this.input = h("input", { type: "file", multiple: true, class: "quiet", id: "files", onchange: () => this.add(this.input.files, true) });
    this.tray = h("form", { class: "tray", hidden: true, onsubmit: (event) => this.send(event) });
    this.delivery = new Delivery(onSent, () => this.input.click());
    this.problem = h("p", { class: "error", role: "alert" });
    this.invite = h("label", { class: "invite", for: "files" },
      h("strong", {}, "Drop files here"), h("span", {}, "or paste, or choose: recordings, pictures, videos, documents, text"));
    this.element = h("div", { class: "drop" }, this.input, this.invite, this.tray, this.delivery.element, this.problem);
    this.buildTray();
    this.listen();
  }

  // Ends what the zone hears: when a person signs out, and another zone is made for the next one.
  stop() {
    this.stopped.abort();
  }

  listen() {
    this.stopped = new AbortController();
    const hear = (name, act) => addEventListener(name, act, { signal: this.stopped.signal });
    const veil = document.getElementById("veil");
    let depth = 0;
    const show = (isOn) => (veil.hidden = !isOn);
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    hear("dragenter", (event) => carriesFiles(event) && show(++depth > 0));
    hear("dragleave", (event) => carriesFiles(event) && show(--depth > 0));
    hear("dragover", (event) => carriesFiles(event) && event.preventDefault());
    hear("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      show((depth = 0) > 0);
      filesOf(event.dataTransfer).then((files) => this.add(files));
    });
    hear("paste", (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])];
      if (pasted.length) return this.add(pasted);
      const text = event.clipboardData?.getData("text/plain");
      if (text?.trim() && !event.target.matches?.("input, textarea")) {
        this.add([new File([text], "pasted.txt", { type: "text/plain" })]);
      }
    });
  }

  buildTray() {
    this.list = h("ul", { class: "chosen" });
    this.recipe = h("select", { id: "recipe", onchange: () => this.showRecipe() });
    this.about = h("p", { class: "muted", id: "about" });
    this.fields = h("div", { class: "fields" });
    this.estimate = h("p", { class: "estimate", role: "status" });
    this.button = h("button", { class: "primary" }, "Send");
    append(this.tray, [this.list, h("label", { for: "recipe" }, "What shall be done"), this.recipe, this.about, this.fields,
      this.estimate, h("div", { class: "row" }, this.button, h("button", { type: "button", class: "plain", onclick: () => this.clear() }, "Clear"))]);
  }

  add(files, chosen = false) {
    const isUnread = (file) => !file.size || UNREAD.test(file.name);
    this.problem.textContent = leftOut([...files].filter(isUnread));
    for (const file of files) {
      if (isUnread(file) || this.delivery.goOn(file)) continue;
      const entry = { file, family: familyOf(file), tokens: undefined, facts: h("span", { class: "muted" }, bytes(file.size)) };
      this.files.push(entry);
      // A file that cannot be read, as one that was moved meanwhile, is of unknown length.
      inputTokens(file, entry.family).catch(() => null).then((tokens) => {
        entry.tokens = tokens;
        entry.facts.textContent = factsOf(entry);
        this.showEstimate();
      });
    }
    if (chosen) this.input.value = "";
    if (!this.files.length) return;
    if (location.hash.length > 2 && matchMedia("(max-width: 860px)").matches) location.hash = "#/";
    this.showFiles();
    this.showRecipes();
    this.recipe.focus();
  }

  clear() {
    this.files = [];
    this.showFiles();
  }

  showFiles() {
    this.tray.hidden = this.files.length === 0;
    replace(this.list, this.files.slice(0, 30).map((entry) => {
      const remove = () => {
        this.files = this.files.filter((other) => other !== entry);
        this.showFiles();
        this.showRecipes();
      };
      return h("li", {}, h("bdi", {}, entry.file.name), entry.facts,
        h("button", { type: "button", class: "plain", "aria-label": `Leave out ${entry.file.name}`, onclick: remove }, "×"));
    }), this.files.length > 30 && h("li", { class: "muted" }, `and ${this.files.length - 30} more`));
    this.button.textContent = this.files.length > 1 ? `Send ${this.files.length} files` : "Send";
    this.showEstimate();
  }

  showRecipes() {
    const families = new Set(this.files.map((entry) => entry.family));
    const fitting = session.recipes.filter((recipe) => [...families].every((family) => recipe.takes.includes(family)));
    const before = this.recipe.value;
    replace(this.recipe, h("option", { value: "" }, "What suits each file"),
      fitting.map((recipe) => h("option", { value: recipe.name }, labelOf(recipe))));
    if (fitting.some((recipe) => recipe.name === before)) this.recipe.value = before;
    this.showRecipe();
  }

  chosen() {
    return session.recipes.find((recipe) => recipe.name === this.recipe.value) ?? null;
  }

  recipeFor(entry) {
    return this.chosen() ?? session.recipes.find((recipe) => recipe.default_for.includes(entry.family));
  }

  showRecipe() {
    const recipe = this.chosen();
    this.about.textContent = recipe ? aboutOf(recipe)
      : "Recordings are transcribed, pictures and videos described, documents summarised.";
    const needs = recipe?.needs ?? [];
    this.controls = {};
    const field = (name, label, control) => {
      this.controls[name] = control;
      control.id = `field-${name}`;
      return [h("label", { for: control.id }, label), control];
    };
    replace(this.fields,
      needs.includes("prompt") && field("prompt", "Your question", h("textarea", { rows: 2, required: true, maxlength: 4000 })),
      needs.includes("schema") && field("schema", "Fields, separated by commas (or a JSON Schema)",
        h("textarea", { rows: 2, required: true, placeholder: "name, date, amount: number" })),
      needs.includes("range") && field("range", "Which part", h("input", { required: true, placeholder: "02:30-03:29", pattern: "[0-9:]+-[0-9:]+" })),
      ["detect", "segment-image"].includes(recipe?.name) && field("find", "What to look for (empty: everything that stands out)", h("input", { maxlength: 500 })));
    this.showEstimate();
  }

  async showEstimate() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    let tokens = 0;
    let isMost = true;
    let money = 0;
    let unknown = 0;
    let unpriced = 0;
    let output = null;
    for (const entry of this.files) {
      const recipe = this.recipeFor(entry);
      if (entry.tokens === undefined) continue;
      if (entry.tokens === null || !recipe) unknown += 1;
      else {
        tokens += entry.tokens.tokens;
        isMost &&= Boolean(entry.tokens.isMost);
        const cost = await price(recipe.model, entry.tokens.tokens, entry.family).catch(() => null);
        if (cost) [money, output] = [money + cost.input, cost.output];
        else unpriced += 1;
      }
    }
    if (turn !== this.turn) return;
    const parts = [];
    if (tokens) parts.push(`${isMost ? "At most" : "About"} ${tokens.toLocaleString("en")} tokens to read`);
    if (money) parts.push(dollars(money));
    if (unpriced) parts.push("no price is known for the model");
    if (output) parts.push(`the answer ${dollars(output / 1000)} for each 1,000 tokens`);
    if (unknown) parts.push(`${unknown} of unknown length`);
    this.estimate.textContent = parts.join(" · ");
  }

  async send(event) {
    event.preventDefault();
    this.problem.textContent = "";
    let jobs;
    try {
      const schema = this.controls.schema && schemaOf(this.controls.schema.value);
      const given = Object.fromEntries(Object.entries(this.controls).map(([name, control]) => [name, control.value.trim()]));
      const isTogether = this.chosen()?.needs.includes("with");
      const groups = isTogether ? [this.files] : this.files.map((entry) => [entry]);
      jobs = groups.map((entries) => ({ entries, recipe: this.recipeFor(entries[0]), given, schema }));
      this.refuse(jobs, isTogether);
    } catch (error) {
      this.problem.textContent = error.message;
      return;
    }
    this.clear();
    announce(`Sending ${jobs.length} ${jobs.length > 1 ? "files" : "file"}`);
    const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
    const folder = `${stamp}-${crypto.randomUUID().slice(0, 4)}`;
    const names = new Set();
    const queue = [...jobs];
    const worker = async () => {
      for (let job; (job = queue.shift()); ) await this.delivery.send(job, `${folder}/${unique(job.entries[0].file.name, names)}`);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  refuse(jobs, isTogether) {
    if (isTogether && this.files.length < 2) throw new Error("Comparing needs two files or more.");
    const size = this.files.reduce((sum, entry) => sum + entry.file.size, 0);
    if (isTogether && size > 14 << 20) throw new Error("Files that are compared may have 14 MB together.");
    for (const { entries, recipe } of jobs) {
      if (!recipe) throw new Error(`Nothing is known to be done with ${entries[0].file.name}.`);
      if (entries[0].file.size > SMALL && !isTogether && !session.inboxes.length) {
        throw new Error(`${entries[0].file.name} is large, and this key may upload into no inbox. Its operator can give it one as a source.`);
      }
    }
  }
}

function factsOf({ file, tokens }) {
  return [bytes(file.size), tokens?.seconds && clock(tokens.seconds), tokens?.pages && `${tokens.pages} pages`].filter(Boolean).join(" · ");
}

// What no model reads, so that it is said at once rather than by a failed task.
const UNREAD = /\.(zip|rar|7z|tar|gz|tgz|bz2|xz|zst|exe|msi|dmg|iso|apk|jar|dll|so)$/i;

function leftOut(files) {
  const empty = files.filter((file) => !file.size).map((file) => file.name);
  const packed = files.filter((file) => file.size).map((file) => file.name);
  const listed = (names) => names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
  return [
    empty.length && `${listed(empty)} ${empty.length > 1 ? "are" : "is"} empty: left out.`,
    packed.length && `${listed(packed)} ${packed.length > 1 ? "are" : "is"} an archive or a program, which no model reads: left out. Unpack it, and drop what is inside.`,
  ].filter(Boolean).join(" ");
}
