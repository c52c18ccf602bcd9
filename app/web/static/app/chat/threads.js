// The threads that are open in this tab. One that is being answered goes on while another view is shown.
import { whenLeaving } from "../core/session.js";
import { whenTold } from "../core/tabs.js";
import { forgetPending } from "./pending.js";
import { Thread } from "./thread.js";

const MOST = 6;
let open = new Map();
let fresh = null;

/** The thread of that conversation; null: the one that is not begun yet. */
export function threadOf(id) {
  if (!id) {
    fresh ??= new Thread(null);
    return fresh;
  }
  if (!open.has(id)) {
    const thread = new Thread(id);
    keep(id, thread);
    thread.load();
  }
  return open.get(id);
}

function keep(id, thread) {
  open.set(id, thread);
  for (const [old, one] of open) {
    if (open.size <= MOST) break;
    if (old !== id && !one.running) open.delete(old);
  }
}

/** A new conversation got its id. */
export function adopt(thread) {
  keep(thread.id, thread);
  if (fresh === thread) fresh = null;
}

export function drop(id) {
  open.get(id)?.stop();
  open.delete(id);
}

whenLeaving(() => {
  for (const thread of [...open.values(), fresh]) thread?.stop();
  open = new Map();
  fresh = null;
  forgetPending();
});

whenTold((word) => {
  const thread = open.get(word.id);
  if (!thread || thread.running) return;
  if (word.kind === "answering") {
    thread.elsewhere = true;
    thread.changed();
  }
  if (word.kind === "conversation") {
    thread.elsewhere = false;
    thread.load();
  }
});
