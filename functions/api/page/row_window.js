// Keeps elements only for the rows in view and some around them, however long the list is. All rows are equally high.

import { h, markCurrent } from "./dom.js";

const AROUND = 12;

export class RowWindow {
  // `make(task)` returns a row: { element, update(task), tick() }. `onMove` is called after each scroll or resize.
  constructor(make, onMove) {
    Object.assign(this, { make, onMove, tasks: [], rows: new Map(), height: 58 });
    this.element = h("ul", { class: "tasks" });
    this.moved = () => (this.frame ??= requestAnimationFrame(() => {
      this.render();
      this.onMove();
    }));
  }

  start() {
    // Scrolling is heard wherever it happens: in the side on wide screens, in the window on phones.
    document.addEventListener("scroll", this.moved, { capture: true, passive: true });
    window.addEventListener("resize", this.moved);
    this.resized = new ResizeObserver(this.moved);
    this.resized.observe(document.body);
  }

  stop() {
    document.removeEventListener("scroll", this.moved, { capture: true });
    window.removeEventListener("resize", this.moved);
    this.resized.disconnect();
  }

  show(tasks) {
    this.tasks = tasks;
    this.render();
  }

  mark(id) {
    this.marked = id;
    for (const [task, row] of this.rows) markCurrent(row.element.firstChild, task === id);
  }

  tick() {
    for (const row of this.rows.values()) row.tick();
  }

  render() {
    if (this.frame) cancelAnimationFrame(this.frame);
    this.frame = null;
    const [first, last] = this.range();
    const shown = this.tasks.slice(first, last);
    const ids = new Set(shown.map((task) => task.id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    let after = this.element.firstChild;
    shown.forEach((task, index) => {
      const row = this.row(task);
      row.element.setAttribute("aria-posinset", first + index + 1);
      row.element.setAttribute("aria-setsize", this.tasks.length);
      // A row that stands right already is not moved: it would lose the focus.
      if (row.element === after) after = after.nextSibling;
      else this.element.insertBefore(row.element, after);
    });
    const above = first * this.height;
    const below = (this.tasks.length - last) * this.height;
    this.element.style.padding = `${above}px 0 ${below}px`;
    this.height = this.element.firstElementChild?.offsetHeight || this.height;
  }

  row(task) {
    let row = this.rows.get(task.id);
    if (row) row.update(task);
    else {
      this.rows.set(task.id, (row = this.make(task)));
      markCurrent(row.element.firstChild, task.id === this.marked);
    }
    return row;
  }

  range() {
    const top = this.element.isConnected ? this.element.getBoundingClientRect().top : 0;
    const first = Math.floor(-top / this.height) - AROUND;
    const count = Math.ceil(innerHeight / this.height) + 2 * AROUND;
    const start = Math.max(0, Math.min(first, this.tasks.length - count));
    return [start, Math.min(this.tasks.length, start + count)];
  }
}
