// Whether the server is reached: a call that cannot get there begins a watch, which ends when it answers again.
import { get, set } from "./store.js";

const HEARTBEAT = 30_000; // ms between looks while the page is seen and nothing else is asked
const PAUSES = [1000, 2000, 4000, 8000, 15000];
let watching = null;
let tries = 0;
let waiting = 0;
const backAgain = new Set();

/** Be told when the server answers after it did not. */
export function whenBack(tell) {
  backAgain.add(tell);
  return () => backAgain.delete(tell);
}

export function reached() {
  if (get().net.status === "up" || get().net.status === "back") return;
  const wasDown = get().net.status === "down";
  clearTimeout(watching);
  watching = null;
  tries = 0;
  set({ net: { status: wasDown ? "back" : "up" } });
  if (!wasDown) return;
  setTimeout(() => get().net.status === "back" && set({ net: { status: "up" } }), 3000);
  for (const tell of [...backAgain]) tell();
}

export function lost() {
  if (get().net.status !== "down") set({ net: { status: "down" } });
  if (watching === null) plan();
}

function plan() {
  watching = setTimeout(look, PAUSES[Math.min(tries, PAUSES.length - 1)]);
  tries += 1;
}

/** Ask now whether the server is there. */
export async function look() {
  clearTimeout(watching);
  watching = null;
  try {
    const reply = await fetch("/api/health", { cache: "no-store" });
    if (reply.ok) return reached();
  } catch {
    // still away
  }
  return lost();
}

/** A call takes long. */
export function slow() {
  waiting += 1;
  if (get().net.status === "up") set({ net: { status: "slow" } });
}

export function unslow() {
  if (waiting === 0) return;
  waiting = 0;
  if (get().net.status === "slow") set({ net: { status: "up" } });
}

/** Something was said that a server says before it goes. */
export function doubt() {
  setTimeout(look, 1500);
}

setInterval(() => !document.hidden && watching === null && look(), HEARTBEAT);
addEventListener("online", look);
addEventListener("offline", lost);
