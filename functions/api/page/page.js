// Starts the page: signs in, shows what the address names, and loads the rest when it is needed.

import * as api from "./api.js";
import { announce, append, h, markCurrent, replace } from "./dom.js";
import { DropZone } from "./drop.js";
import { TaskList } from "./list.js";

const main = document.getElementById("main");
const nav = document.getElementById("nav");
let turns = 0; // how often an address was chosen
let list = null;
let zone = null;
let panes = null;
let shown = null;

async function start() {
  const code = location.hash.match(/^#sign-in=([\w-]+)$/)?.[1];
  if (code) history.replaceState(null, "", "/");
  try {
    const secret = code ? await api.exchangeCode(code) : api.key();
    if (secret) return enter(await api.signIn(secret));
  } catch (error) {
    return showSignIn(error.message);
  }
  showSignIn();
}

function showSignIn(problem) {
  nav.hidden = true;
  for (const part of [list, zone, shown]) part?.stop?.();
  list = zone = shown = null;
  const field = h("input", {
    id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true, placeholder: "sk-…",
    "aria-describedby": "key-note",
  });
  const note = h("p", { class: "error", role: "alert" }, problem ?? "");
  const form = h("form", { class: "card sign-in", onsubmit: submit },
    h("h1", {}, "Drop a file, read what is in it"),
    h("p", {}, "Recordings become transcripts, pictures and videos are described, documents are summarised. Or ask anything else."),
    h("label", { for: "key" }, "Your API key"),
    h("div", { class: "row" }, field, h("button", { class: "primary" }, "Sign in")),
    note,
    h("p", { id: "key-note", class: "muted" }, "The key stays in this tab and is forgotten when you close it. The operator of this system makes keys",
      api.isLocal ? [", and ", h("code", {}, "dropsight env"), " prints the one of this machine."] : "."));
  async function submit(event) {
    event.preventDefault();
    note.textContent = "";
    try {
      enter(await api.signIn(field.value.trim()));
    } catch (error) {
      note.textContent = error.message;
      field.focus();
    }
  }
  replace(main, form);
  field.focus();
}

function enter(session) {
  nav.hidden = false;
  replace(nav,
    h("a", { href: "#/" }, "Tasks"),
    api.may("operate") && h("a", { href: "#/operate" }, "Operate"),
    api.isLocal && h("a", { href: "#/switches" }, "Switches"),
    h("button", { class: "plain", title: session.key.name, onclick: leave }, "Sign out"));
  const side = h("section", { class: "side", "aria-label": "Drop files, and your tasks" });
  panes = { side, view: h("section", { class: "view", "aria-label": "Task" }) };
  replace(main, h("div", { class: "panes" }, side, panes.view));
  list = new TaskList((task) => noticeEnd(task));
  zone = new DropZone(() => list?.refresh());
  append(side, [zone.element, list.element]);
  list.start();
  route();
}

async function leave() {
  await api.signOut();
  location.hash = "";
  showSignIn();
}

async function route() {
  if (!list) return;
  const [, place, id] = location.hash.split("?")[0].split("/");
  const query = new URLSearchParams(location.hash.split("?")[1] ?? "");
  shown?.stop?.();
  shown = null;
  const isTask = place === "tasks" && id;
  document.body.dataset.view = place || "list";
  for (const link of nav.querySelectorAll("a")) {
    markCurrent(link, link.hash === (isTask ? "#/" : `#/${place ?? ""}`));
  }
  list.select(isTask ? id : null);
  const turn = (turns += 1);
  const view = await (isTask ? openTask(id, query.get("beside")) : openPlace(place));
  // While the module was loaded, another address may have been chosen, or the person signed out.
  if (turn !== turns || !list) return;
  shown = view;
  replace(panes.view, shown.element);
  shown.start?.();
  if (isTask || place) panes.view.querySelector("h1, h2")?.focus({ preventScroll: true });
  if (matchMedia("(max-width: 860px)").matches) scrollTo(0, 0);
}

async function openTask(id, beside) {
  const { TaskView } = await import("./task.js");
  return new TaskView(id, list, beside);
}

async function openPlace(place) {
  if (place === "operate") return new (await import("./operate.js")).OperatePanel();
  if (place === "switches") return new (await import("./switches.js")).Switches(list);
  return new (await import("./welcome.js")).Welcome(list);
}

function noticeEnd(task) {
  const text = `${list.nameOf(task)} ${task.status === "completed" ? "is answered" : "failed"}`;
  announce(text);
  if (document.hidden && window.Notification?.permission === "granted") {
    const note = new Notification("Dropsight", { body: text, tag: task.id, icon: "/page/icon-done.svg" });
    note.onclick = () => {
      window.focus();
      location.hash = `#/tasks/${task.id}`;
    };
  }
}

window.addEventListener("hashchange", route);
window.addEventListener("signed-out", ({ detail }) => showSignIn(`The key is no longer accepted. ${detail ?? "Sign in again."}`));
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    list?.search.focus();
  } else if (event.key === "Escape" && !typing && location.hash.startsWith("#/")) {
    location.hash = "#/";
  }
});
start();
