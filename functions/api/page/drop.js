// Takes files, by drop, paste or choice; asks what to do with them; says what it will cost; sends them.

import { json, session } from "./api.js";
import { announce, append, bytes, clock, dollars, h, replace } from "./dom.js";
import { inputTokens, price } from "./estimate.js";
import { aboutOf, familyOf, guess, labelOf, schemaOf } from "./recipes.js";
import { Upload } from "./upload.js";

const SMALL = 4 << 20; // Smaller files go with the request itself, larger ones straight into the inbox.
const AT_ONCE = 3;

export class DropZone {
  constructor(_session, onSent) {
    this.onSent = onSent;
    this.files = [];
    this.input = h("input", { type: "file", multiple: true, class: "quiet", id: "files", onchange: () => this.add(this.input.files, true) });
    this.tray = h("form", { class: "tray", hidden: true, onsubmit: (event) => this.send(event) });
    this.sending = h("ul", { class: "sending", "aria-label": "Files being sent" });
    this.problem = h("p", { class: "error", role: "alert" });
    this.invite = h("label", { class: "invite", for: "files" },
      h("strong", {}, "Drop files here"), h("span", {}, "or paste, or choose: recordings, pictures, videos, PDF, text"));
    this.element = h("div", { class: "drop" }, this.input, this.invite, this.tray, this.sending, this.problem);
    this.buildTray();
    this.listen();
  }

  listen() {
    const veil = document.getElementById("veil");
    let depth = 0;
    const show = (isOn) => (veil.hidden = !isOn);
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragenter", (event) => carriesFiles(event) && show(++depth > 0));
    addEventListener("dragleave", (event) => carriesFiles(event) && show(--depth > 0));
    addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      show((depth = 0) > 0);
      this.add(event.dataTransfer.files);
    });
    addEventListener("paste", (event) => {
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
    for (const file of files) {
      if (!file.size) {
        this.problem.textContent = `${file.name} is empty: it was left out.`;
        continue;
      }
      const entry = { file, family: familyOf(file), tokens: undefined };
      this.files.push(entry);
      inputTokens(file, entry.family).then((found) => {
        entry.tokens = found;
        this.showFiles();
      });
    }
    if (chosen) this.input.value = "";
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
      const facts = [bytes(entry.file.size)];
      if (entry.tokens?.seconds) facts.push(clock(entry.tokens.seconds));
      if (entry.tokens?.pages) facts.push(`${entry.tokens.pages} pages`);
      const remove = () => {
        this.files = this.files.filter((other) => other !== entry);
        this.showFiles();
        this.showRecipes();
      };
      return h("li", {}, h("bdi", {}, entry.file.name), h("span", { class: "muted" }, facts.join(" · ")),
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
    this.asked = {};
    const field = (name, label, control) => {
      this.asked[name] = control;
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
        const cost = await price(recipe.model, entry.tokens.tokens, entry.family).catch(() => null);
        if (cost) [money, output] = [money + cost.input, cost.output];
        else unpriced += 1;
      }
    }
    if (turn !== this.turn) return;
    const parts = [];
    if (tokens) parts.push(`About ${tokens.toLocaleString("en")} tokens to read`);
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
      const schema = this.asked.schema && schemaOf(this.asked.schema.value);
      const given = Object.fromEntries(Object.entries(this.asked).map(([name, control]) => [name, control.value.trim()]));
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
      for (let job; (job = queue.shift()); ) await this.deliver(job, folder, names);
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

  async deliver(job, folder, names) {
    const [{ file }] = job.entries;
    const bar = h("progress", { max: 1, value: 0, "aria-label": `Sent of ${file.name}` });
    const note = h("span", { class: "muted" });
    const button = h("button", { type: "button", class: "plain", hidden: true }, "Pause");
    const row = h("li", {}, h("bdi", {}, file.name), note, button, bar);
    this.sending.append(row);
    try {
      if (file.size <= SMALL || job.entries.length > 1) await this.submit(job);
      else await this.upload(job, folder, names, { bar, note, button });
      row.remove();
      this.onSent();
    } catch (error) {
      note.textContent = error.message;
      note.className = "error";
      bar.remove();
      replace(button, "Dismiss");
      button.hidden = false;
      button.onclick = () => row.remove();
      announce(`${file.name} was not sent: ${error.message}`);
    }
  }

  async submit({ entries, recipe, given, schema }) {
    const parts = await Promise.all(entries.map(async ({ file }) => ({ type: "file_url", file_url: { url: await dataUrl(file) } })));
    const prose = !recipe.structured && !recipe.transcript && entries.length === 1;
    const metadata = { file: entries.map(({ file }) => file.name).join(", ").slice(0, 500) };
    if (given.find) metadata.find = given.find;
    if (given.range) metadata["dropsight-range"] = given.range;
    if (given.prompt) parts.push({ type: "text", text: given.prompt });
    const body = { model: recipe.model, recipe: recipe.name, messages: [{ role: "user", content: parts }], metadata };
    if (prose) body.stream = true;
    // Quotes that prove the values, where there is a text to look them up in.
    if (schema && entries.length === 1 && ["pdf", "text"].includes(entries[0].family)) body.evidence = true;
    if (schema) body.response_format = { type: "json_schema", json_schema: { name: "rows", schema } };
    await json("/v1/llm/generations", { method: "POST", body, headers: { "Idempotency-Key": crypto.randomUUID() } });
  }

  async upload({ entries: [{ file }], recipe, given, schema }, folder, names, { bar, note, button }) {
    const metadata = { "dropsight-recipe": recipe.name };
    if (given.prompt) metadata["dropsight-prompt"] = given.prompt;
    if (given.range) metadata["dropsight-range"] = given.range;
    if (given.find) metadata.find = given.find;
    if (schema) metadata["dropsight-schema"] = JSON.stringify(schema);
    const name = `${session.inboxes[0].prefix}${folder}/${unique(file.name, names)}`;
    const upload = new Upload(file, file.type || guess(file.name), name, metadata, (state) => {
      bar.value = state.sent / file.size;
      const done = `${bytes(state.sent)} of ${bytes(file.size)}`;
      note.textContent = state.note || (state.state === "paused" ? `${done}, paused` : done);
      button.textContent = state.state === "paused" ? "Resume" : "Pause";
    });
    button.hidden = false;
    button.onclick = () => (upload.state === "paused" ? upload.resume() : upload.pause());
    const uri = await upload.run();
    button.hidden = true;
    note.textContent = "in the inbox; its task appears in a moment";
    for (let tries = 0; tries < 40; tries += 1) {
      const found = await json(`/v1/tasks?brief=true&limit=1&object=${encodeURIComponent(uri)}`).catch(() => null);
      if (found?.data.length) return;
      await new Promise((done) => setTimeout(done, 300));
    }
  }
}

function unique(name, names) {
  const plain = name.replace(/[\u0000-\u001f\u007f/\\]/g, "_");
  const [, stem, ending] = plain.match(/^(.*?)(\.[^.]*)?$/s);
  let candidate = plain;
  for (let number = 2; names.has(candidate); number += 1) candidate = `${stem} (${number})${ending ?? ""}`;
  names.add(candidate);
  return candidate;
}

function dataUrl(file) {
  const type = (file.type || guess(file.name)).split(";")[0];
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(`data:${type};base64,${reader.result.split(",")[1]}`);
    reader.onerror = () => fail(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}
