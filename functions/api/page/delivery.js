// Sends what was dropped, a row of progress each: small files with the request itself, large ones straight into the
// inbox. Both wait for a lost connection and go on by themselves.

import { Refused, json, online, session } from "./api.js";
import { announce, bytes, h, replace } from "./dom.js";
import { guess } from "./recipes.js";
import { Upload, forget, unfinished, unfinishedOf } from "./upload.js";

export const SMALL = 4 << 20;
const LONGEST_NAME = 600; // bytes; an object's whole name may have 1,024
const WAITS = [1000, 2000, 4000, 8000];

export class Delivery {
  // `onSent()`: a task is to appear. `choose()`: opens the dialog that chooses files.
  constructor(onSent, choose) {
    this.onSent = onSent;
    this.element = h("ul", { class: "sending", "aria-label": "Files being sent" });
    this.cutOff = new Map(unfinished().map((kept) => [kept.memory, this.cutOffRow(kept, choose)]));
    this.element.append(...this.cutOff.values());
  }

  // An upload that a reload cut off.
  cutOffRow(kept, choose) {
    const { name, size } = kept.file;
    const row = h("li", {}, h("bdi", {}, name), h("button", { type: "button", class: "plain", onclick: choose }, "Choose it again"),
      h("button", { type: "button", class: "plain", onclick: () => (forget(kept), row.remove()), "aria-label": `Forget ${name}` }, "Forget"),
      h("span", { class: "muted broad" }, `Not sent whole (${bytes(size)}). Choose or drop the same file: it goes on where it stopped.`));
    return row;
  }

  // Goes on with an upload that a reload cut off, if this is its file; returns whether it is.
  goOn(file) {
    const kept = unfinishedOf(file);
    const row = kept && this.cutOff.get(kept.memory);
    if (!row) return false;
    row.remove();
    this.cutOff.delete(kept.memory);
    this.follow(file, (shown) => this.upload(new Upload(file, kept.contentType, "", kept.metadata, shown.tell, kept), shown));
    return true;
  }

  send(job, name) {
    const [{ file }] = job.entries;
    const isSmall = file.size <= SMALL || job.entries.length > 1;
    return this.follow(file, (shown) => (isSmall ? this.submit(job, shown) : this.upload(newUpload(job, name, shown.tell), shown)));
  }

  async follow(file, work) {
    const bar = h("progress", { max: 1, value: 0, "aria-label": `Sent of ${file.name}` });
    const note = h("span", { class: "muted" });
    const button = h("button", { type: "button", class: "plain", hidden: true }, "Pause");
    const row = h("li", {}, h("bdi", {}, file.name), note, button, bar);
    const tell = (upload) => {
      bar.value = upload.sent / file.size;
      const done = `${bytes(upload.sent)} of ${bytes(file.size)}`;
      note.textContent = upload.note || (upload.state === "paused" ? `${done}, paused` : done);
      button.textContent = upload.state === "paused" ? "Resume" : "Pause";
    };
    this.element.append(row);
    try {
      await work({ note, button, tell });
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

  async submit(job, { note }) {
    const body = await requestOf(job);
    const headers = { "Idempotency-Key": crypto.randomUUID() }; // Sent again, it makes no second task.
    for (let tries = 0; ; tries += 1) {
      try {
        return await json("/v1/llm/generations", { method: "POST", body, headers });
      } catch (error) {
        if (error instanceof Refused && error.status < 500 && error.status !== 429) throw error;
        note.textContent = error instanceof Refused ? "The API is busy; it goes on by itself." : "No connection; it goes on by itself.";
        await online(WAITS[Math.min(tries, WAITS.length - 1)]);
      }
    }
  }

  async upload(upload, { note, button }) {
    button.hidden = false;
    button.onclick = () => (upload.state === "paused" ? upload.resume() : upload.pause());
    const uri = await upload.run();
    button.hidden = true;
    note.textContent = "in the inbox; its task appears in a moment";
    for (let tries = 0; tries < 40; tries += 1) {
      const listed = await json(`/v1/tasks?brief=true&limit=1&object=${encodeURIComponent(uri)}`).catch(() => null);
      if (listed?.data.length) return;
      await new Promise((done) => setTimeout(done, 300));
    }
  }
}

function newUpload({ entries: [{ file }], recipe, given, schema }, name, tell) {
  const metadata = { "dropsight-recipe": recipe.name };
  if (given.prompt) metadata["dropsight-prompt"] = given.prompt;
  if (given.range) metadata["dropsight-range"] = given.range;
  if (given.find) metadata.find = given.find;
  if (schema) metadata["dropsight-schema"] = JSON.stringify(schema);
  return new Upload(file, file.type || guess(file.name), session.inboxes[0].prefix + name, metadata, tell);
}

async function requestOf({ entries, recipe, given, schema }) {
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
  return body;
}

// Returns the name under which a file lies in the inbox: possible there, not too long, and none of `names`.
export function unique(name, names) {
  const plain = name.replace(/[\u0000-\u001f\u007f-\u009f/\\]/g, "_");
  const [, stem, ending] = plain.match(/^(.*?)(\.[^.]{0,20})?$/s);
  let short = Array.from(stem);
  while (new TextEncoder().encode(short.join("")).length > LONGEST_NAME) short = short.slice(0, -8);
  let candidate = `${short.join("")}${ending ?? ""}`;
  for (let number = 2; names.has(candidate); number += 1) candidate = `${short.join("")} (${number})${ending ?? ""}`;
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
