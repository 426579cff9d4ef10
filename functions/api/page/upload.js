// Sends a large file straight into the inbox through a resumable session, piece by piece: a lost connection or a pause
// costs at most one piece, and the same file chosen again after a reload goes on where it was.

import { json } from "./api.js";

const PIECE = 8 << 20; // a multiple of 256 KiB, as the protocol wants
const WAITS = [500, 1000, 2000, 4000, 8000];

export class Upload {
  constructor(file, contentType, name, metadata, onChange) {
    Object.assign(this, { file, contentType, name, metadata, onChange, sent: 0, state: "waiting" });
    this.memory = `dropsight.upload:${file.name}:${file.size}:${file.lastModified}:${JSON.stringify(metadata)}`;
  }

  async run() {
    const kept = JSON.parse(sessionStorage.getItem(this.memory) ?? "null");
    const session = kept ?? (await json("/v1/uploads", {
      method: "POST", body: { name: this.name, size: this.file.size, content_type: this.contentType, metadata: this.metadata },
    }));
    sessionStorage.setItem(this.memory, JSON.stringify(session));
    this.session = session;
    let isKnown = !kept;
    for (let tries = 0; ; ) {
      if (this.state === "paused") await new Promise((resume) => (this.wake = resume));
      try {
        this.change("sending");
        if (!isKnown) this.sent = await this.stored();
        isKnown = true;
        while (this.sent < this.file.size) {
          if (this.state === "paused") break;
          await this.sendPiece();
          tries = 0;
        }
        if (this.sent >= this.file.size) break;
      } catch (error) {
        isKnown = false;
        if (error.fatal) {
          sessionStorage.removeItem(this.memory);
          this.change("failed", error.message);
          throw error;
        }
        if (this.state === "paused") continue;
        this.change("waiting", "Connection lost; it goes on by itself.");
        await this.nap(WAITS[Math.min(tries, WAITS.length - 1)]);
        tries += 1;
      }
    }
    sessionStorage.removeItem(this.memory);
    this.change("sent");
    return session.uri;
  }

  pause() {
    this.state = "paused";
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

  nap(milliseconds) {
    return new Promise((done) => {
      const timer = setTimeout(done, milliseconds);
      window.addEventListener("online", () => (clearTimeout(timer), done()), { once: true });
    });
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
