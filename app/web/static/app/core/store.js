// What several views know together: a plain object, replaced part by part, watched by hooks.
import { useEffect, useState } from "./lib.js";

const state = {
  session: { status: "opening", user: null }, // opening | out | in
  route: { view: "chat", id: null, rest: [], query: {} },
  net: { status: "up" }, // up | down | slow | back
  degraded: null,
  models: null, // {rows, aliases} once asked
  side: { open: false },
  toasts: [],
};
const watchers = new Set();

export function get() {
  return state;
}

/** Replace parts of the state; watchers hear of it once. */
export function set(parts) {
  Object.assign(state, parts);
  for (const watcher of [...watchers]) watcher(state);
}

export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** What `pick` finds in the state; the component is drawn again when that is another value. */
export function useStore(pick) {
  const [value, setValue] = useState(() => pick(state));
  useEffect(() => {
    const look = () => setValue(() => pick(state));
    look();
    return watch(look);
  }, []);
  return value;
}

let toastNumber = 0;

/** Say something for a few seconds. tone: plain | good | bad. */
export function toast(text, tone = "plain") {
  const id = ++toastNumber;
  set({ toasts: [...state.toasts.slice(-3), { id, text, tone }] });
  setTimeout(() => dropToast(id), tone === "bad" ? 9000 : 4500);
}

export function dropToast(id) {
  set({ toasts: state.toasts.filter((one) => one.id !== id) });
}
