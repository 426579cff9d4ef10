// Sends a large file straight into the inbox through a resumable session, piece by piece: a lost connection or a pause
// costs at most one piece. What a reload cuts off is remembered for as long as the tab is open, without the file itself,
// which a browser would have to copy: the same file chosen again goes on where it was.

import { Refused, json, online } from "./api.js";

const PIECE = 8 << 20; // a multiple of 256 KiB, as the protocol wants
const WAITS = [500, 1000, 2000, 4000, 8000];

const MEMORY = "dropsight.upload:";
const memoryOf = (file) => `${MEMORY}${file.name}:${file.size}:${file.lastModified}`;

// The uploads that a reload cut off: [{ memory, file: { name, size }, contentType, metadata, session }].
export function unfinished() {
  const kept = Object.keys(sessionStorage).filter((name) => name.startsWith(MEMORY));
  return kept.map((memory) => ({ ...JSON.parse(sessionStorage.getItem(memory)), memory })).filter(({ memory, session }) => {
    const isOver = session.expires_at * 1000 < Date.now();
    if (isOver) sessionStorage.removeItem(memory);
    return !isOver;
  });
}

export const forget = ({ memory }) => sessionStorage.removeItem(memory);

export const unfinishedOf = (file) => unfinished().find(({ memory }) => memory === memoryOf(file));

export class Upload {
  // `kept`: what `unfinishedOf(file)` returns, to go on with it.
  constructor(file, contentType, name, metadata, onChange, kept = null) {
    Object.assign(this, { file, contentType, name, metadata, onChange, sent: 0, state: "waiting", memory: memoryOf(file) });
    this.session = kept?.session;
    this.isSure = false; // whether `sent` is what Cloud Storage has
  }

  async run() {
    for (let tries = 0; this.state !== "sent"; ) {
      if (this.state === "paused") await new Promise((resume) => (this.wake = resume));
      try {
        this.change("sending");
        await this.open();
        while (this.sent < this.file.size && this.state !== "paused") {
          await this.sendPiece();
          tries = 0;
        }
        if (this.sent < this.file.size) continue;
        forget(this);
        this.change("sent");
      } catch (error) {
        this.isSure = false;
        if (error.fatal || (error instanceof Refused && error.status < 500 && error.status !== 429)) {
          forget(this);
          this.change("failed", error.message);
          throw error;
        }
        if (this.state === "paused") continue;
        this.change("waiting", "Connection lost; it goes on by itself.");
        await online(WAITS[Math.min(tries, WAITS.length - 1)]);
        tries += 1;
      }
    }
    return this.session.uri;
  }

  // Opens a session, or finds out how much has arrived by the one that there is.
  async open() {
    const { file, contentType, metadata } = this;
    if (!this.session) {
      const body = { name: this.name, size: file.size, content_type: contentType, metadata };
      this.session = await json("/v1/uploads", { method: "POST", body });
      sessionStorage.setItem(this.memory, JSON.stringify({ file: { name: file.name, size: file.size }, contentType, metadata, session: this.session }));
    } else if (!this.isSure) {
      this.sent = await this.stored();
    }
    this.isSure = true;
  }

  pause() {
    this.state = "paused";
    this.note = "";
    this.call?.abort();
    this.onChange(this);
  }

  resume() {
    this.state = "waiting";
    this.wake?.();
  }

  change(state, note = "") {
    if (this.state === "paused" && state !== "sent" && state !== "failed") return;
    this.state = state;
    this.note = note;
    this.onChange(this);
  }

  async sendPiece() {
    const start = this.sent;
    const end = Math.min(start + PIECE, this.file.size);
    const call = await this.put(this.file.slice(start, end), `bytes ${start}-${end - 1}/${this.file.size}`, start);
    this.sent = call.status === 308 ? received(call) : this.file.size;
    this.onChange(this);
  }

  // How much Cloud Storage has.
  async stored() {
    const call = await this.put(null, `bytes */${this.file.size}`, this.sent);
    return call.status === 308 ? received(call) : this.file.size;
  }

  put(body, range, start) {
    return new Promise((done, fail) => {
      const call = (this.call = new XMLHttpRequest());
      call.open("PUT", this.session.url);
      call.setRequestHeader("Content-Range", range);
      call.upload.onprogress = (event) => {
        if (body) {
          this.sent = start + event.loaded;
          this.onChange(this);
        }
      };
      call.onload = () => {
        if (call.status === 200 || call.status === 201 || call.status === 308) return done(call);
        const fatal = call.status >= 400 && call.status < 500 && ![408, 429].includes(call.status);
        fail(Object.assign(new Error(`Cloud Storage answered ${call.status}.`), { fatal }));
      };
      call.onerror = call.onabort = () => fail(new Error("connection lost"));
      call.send(body);
    });
  }
}

function received(call) {
  const range = call.getResponseHeader("Range");
  return range ? Number(range.split("-")[1]) + 1 : 0;
}
