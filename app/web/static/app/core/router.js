// Addresses: `/` and `/c/ID` are chats, `/app/VIEW/…` the rest. Nothing secret ever stands in one.
import { set } from "./store.js";

export function read(location = window.location) {
  const parts = location.pathname.split("/").filter(Boolean).map(decoded);
  const query = Object.fromEntries(new URLSearchParams(location.search));
  if (parts[0] === "c" && parts[1]) return { view: "chat", id: parts[1], rest: [], query };
  if (parts[0] === "app" && parts[1]) return { view: parts[1], id: null, rest: parts.slice(2), query };
  return { view: "chat", id: null, rest: [], query };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function chatPath(id) {
  return id ? `/c/${encodeURIComponent(id)}` : "/";
}

/** Go to a path of ours. */
export function go(path, { replace = false } = {}) {
  if (path !== location.pathname + location.search) {
    history[replace ? "replaceState" : "pushState"](null, "", path);
  }
  set({ route: read(), side: { open: false } });
}

export function startRouter() {
  set({ route: read() });
  addEventListener("popstate", () => set({ route: read(), side: { open: false } }));
  document.addEventListener("click", follow);
}

/** A plain click on a link of ours changes the view without loading the page anew. */
function follow(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("a[href]");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  const path = link.pathname;
  if (path !== "/" && !path.startsWith("/c/") && !path.startsWith("/app/")) return;
  event.preventDefault();
  go(path + link.search);
}
