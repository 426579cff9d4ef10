// Calls the API with the key that was pasted once. It is kept in sessionStorage: gone with the tab, sent to no other
// site, and, unlike a cookie, never sent by the browser itself, so no other page can act in its name.

const KEY = "dropsight.key";
export let session = null;

export const key = () => sessionStorage.getItem(KEY);
export const isLocal = document.documentElement.dataset.place === "local";

export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `The API answered ${status}.`);
    this.status = status;
    this.code = error?.code;
    this.requestId = error?.request_id;
  }
}

export async function request(path, { method = "GET", body, headers = {}, signal, secret = key() } = {}) {
  const given = { Authorization: `Bearer ${secret}`, ...headers };
  if (body !== undefined) given["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers: given, body: body && JSON.stringify(body), signal, cache: "no-store" });
  if (answer.ok || answer.status === 304) return answer;
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401 && session) {
    session = null;
    sessionStorage.removeItem(KEY);
    window.dispatchEvent(new CustomEvent("signed-out", { detail: problem.error?.message }));
  }
  throw new Refused(answer.status, problem.error);
}

export async function json(path, options) {
  const answer = await request(path, options);
  return answer.status === 204 ? null : answer.json();
}

// Signs in with a key. Throws if the API does not take it.
export async function signIn(secret) {
  session = await json("/v1/session", { method: "POST", secret });
  sessionStorage.setItem(KEY, secret);
  return session;
}

export async function signOut() {
  await request("/v1/session", { method: "DELETE" }).catch(() => {});
  session = null;
  sessionStorage.clear();
}

// Waits until the browser has a connection again, or the time is up.
export function online(milliseconds) {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", () => (clearTimeout(timer), done()), { once: true });
  });
}

// A one-time link of `dropsight up` brings a code in its fragment, which no server log ever sees.
export async function exchangeCode(code) {
  const answer = await fetch("/local/sign-in", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, body.error);
  return body.key;
}

// Lets the browser itself read this task's files, for players, pictures and downloads.
export const openFiles = () => request("/v1/session", { method: "POST" });

export const may = (scope) => session?.key.scopes.includes(scope);

let models = null;
export async function modelList() {
  models ??= json("/v1/configs/llm_generations_models");
  return (await models).data;
}

// Follows an answer while it is written, or several, one after another. Calls `onText(whole)`; returns when it has
// ended, and goes on from where it was if the connection breaks.
export async function follow(taskId, onText, signal) {
  let offset = 0;
  let whole = "";
  let last = 0;
  for (let tries = 0; tries < 200 && !signal.aborted; tries += 1) {
    try {
      const answer = await request(`/v1/llm/generations/${taskId}/stream?offset=${offset}`, { signal });
      if (answer.status === 204) return whole;
      for await (const event of events(answer.body)) {
        tries = 0;
        if (event.name === "error" || event.data === "[DONE]") return whole;
        if (event.name !== "chunk") continue;
        for (const { index, delta } of JSON.parse(event.data).choices) {
          if (index !== last) whole += "\n\n";
          last = index;
          whole += delta?.content ?? "";
        }
        offset = Number(event.id) + 1;
        onText(whole);
      }
    } catch (error) {
      if (signal.aborted || (error instanceof Refused && error.status < 500)) return whole;
    }
    await new Promise((done) => setTimeout(done, Math.min(5000, 500 + tries * 500)));
  }
  return whole;
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", id: "", data: "" };
      for (const line of block.split("\n")) {
        const [field, ...value] = line.split(": ");
        if (field === "event") event.name = value.join(": ");
        else if (field === "id") event.id = value.join(": ");
        else if (field === "data") event.data += value.join(": ");
      }
      if (event.data) yield event;
    }
  }
}
