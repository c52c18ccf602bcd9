// Files on their way to the server for a question: each with how far it is, and what went wrong.
import { upload } from "../core/api.js";

const MOST = 20;
let number = 0;

/** A list of files that upload at once. changed: told at each step. */
export class Uploads {
  constructor(changed) {
    this.items = [];
    this.changed = changed;
  }

  get busy() {
    return this.items.some((item) => item.state === "sending");
  }

  get ready() {
    return this.items.filter((item) => item.state === "there");
  }

  add(files) {
    for (const file of [...files].slice(0, MOST - this.items.length)) this.begin(file);
    this.changed();
  }

  begin(file) {
    const item = {
      name: file.name || "picture.png",
      bytes: file.size,
      key: `u${++number}`,
      state: "sending",
      part: 0,
      id: null,
      type: null,
      error: null,
      picture: /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/.test(file.type) ? URL.createObjectURL(file) : null,
      stopper: new AbortController(),
    };
    this.items = [...this.items, item];
    this.send(item, file);
  }

  async send(item, file) {
    const form = new FormData();
    form.append("file", file, item.name);
    try {
      const told = await upload("/files/upload", form, (part) => this.step(item, { part }), item.stopper.signal);
      const one = Array.isArray(told.files) ? told.files[0] : told;
      if (one.error) throw Object.assign(new Error(one.error.message), { code: one.error.code, details: {} });
      this.step(item, { state: "there", part: 1, id: one.id, name: one.filename || item.name, type: one.content_type });
    } catch (error) {
      if (error.name !== "AbortError") this.step(item, { state: "failed", error });
    }
  }

  step(item, parts) {
    Object.assign(item, parts);
    this.changed();
  }

  remove(item) {
    item.stopper.abort();
    this.letGo(item);
    this.items = this.items.filter((one) => one !== item);
    this.changed();
  }

  clear() {
    this.items.forEach((item) => this.letGo(item));
    this.items = [];
    this.changed();
  }

  letGo(item) {
    if (item.picture) URL.revokeObjectURL(item.picture);
  }
}
