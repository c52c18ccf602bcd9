// The conversations of the side bar: newest first, searched, renamed, taken home and deleted.
import { getBlob, getJson, patch, remove } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { ageGroup, plainLine } from "../core/format.js";
import { go, chatPath } from "../core/router.js";
import { get, toast, useStore } from "../core/store.js";
import { tell, whenTold } from "../core/tabs.js";
import { ask, confirm } from "../ui/dialog.js";
import { Menu } from "../ui/menu.js";
import { Fault, Name, Skeleton, errorText } from "../ui/parts.js";
import { Icon } from "../ui/icons.js";
import { t } from "../strings.js";
import { drop } from "./threads.js";

const PAGE = 30;
const watchers = new Set();

/** The list is to be read anew: something was said, renamed or deleted. */
export function listChanged() {
  for (const watcher of [...watchers]) watcher();
}

/** Be told of that; what is returned ends it. */
export function whenListChanged(tell) {
  watchers.add(tell);
  return () => watchers.delete(tell);
}

whenTold((word) => word.kind === "conversation" && listChanged());

export function ConversationList() {
  const [list, setList] = useState({ items: null, next: null, error: null });
  const [wanted, setWanted] = useState("");
  const asked = useRef({ wanted: "", turn: 0 });
  const active = useStore((state) => (state.route.view === "chat" ? state.route.id : null));

  const read = async (cursor) => {
    const turn = ++asked.current.turn;
    try {
      const page = await getJson("/api/conversations", { q: asked.current.wanted, limit: PAGE, cursor });
      if (turn !== asked.current.turn) return;
      setList((before) => ({
        items: cursor ? [...before.items, ...page.items] : page.items,
        next: page.next_cursor,
        error: null,
      }));
    } catch (error) {
      if (turn === asked.current.turn) setList((before) => ({ ...before, error }));
    }
  };
  useEffect(() => {
    const again = () => read();
    watchers.add(again);
    again();
    return () => watchers.delete(again);
  }, []);
  useEffect(() => {
    if (asked.current.wanted === wanted.trim()) return undefined;
    asked.current.wanted = wanted.trim();
    const wait = setTimeout(() => read(), 250);
    return () => clearTimeout(wait);
  }, [wanted]);

  return html`<div class="list-search">
      <${Icon} name="search" size=${16} />
      <input type="search" placeholder=${t("list.search")} aria-label=${t("list.search")} value=${wanted} maxlength="200"
        onInput=${(event) => setWanted(event.target.value)} />
    </div>
    <nav class="list" aria-label=${t("list.name")}>
      ${list.error && list.items === null && html`<${Fault} error=${list.error} onRetry=${() => read()} />`}
      ${list.items === null && !list.error && html`<${Skeleton} lines=${6} />`}
      ${list.items?.length === 0 && html`<p class="list-empty">${t(wanted ? "list.nothing" : "list.empty")}</p>`}
      ${groups(list.items || []).map(
        ([name, items]) => html`<section key=${name} aria-label=${name}>
          <h2>${name}</h2>
          <ul>${items.map((item) => html`<${Row} key=${item.id} item=${item} active=${item.id === active} />`)}</ul>
        </section>`,
      )}
      ${list.next && html`<button type="button" class="small quiet" onClick=${() => read(list.next)}>${t("list.more")}</button>`}
    </nav>`;
}

function groups(items) {
  const now = items.reduce((latest, item) => Math.max(latest, Date.parse(item.updated_at) || 0), 0);
  const found = new Map();
  for (const item of items) {
    const name = ageGroup(item.updated_at, Math.max(now, Date.now()));
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(item);
  }
  return [...found];
}

function Row({ item, active }) {
  return html`<li class=${active ? "active" : ""}>
    <a href=${chatPath(item.id)} aria-current=${active ? "page" : undefined} title=${plainLine(item.title, 120)}>
      <${Name} of=${item.title || t("chat.untitled")} most=${120} />
    </a>
    <${Menu} label=${t("list.actions", { title: plainLine(item.title, 60) })} size=${16} items=${conversationActions(item)} />
  </li>`;
}

/** What can be done with a conversation, for a menu. */
export function conversationActions(item) {
  return [
    { label: t("list.rename"), icon: "edit", run: () => rename(item) },
    { label: t("list.exportMd"), icon: "download", run: () => exportOne(item, "md") },
    { label: t("list.exportJson"), icon: "download", run: () => exportOne(item, "json") },
    null,
    { label: t("list.delete"), icon: "trash", danger: true, run: () => erase(item) },
  ];
}

const pathOf = (item) => `/api/conversations/${encodeURIComponent(item.id)}`;

async function rename(item) {
  const title = await ask({ title: t("list.rename"), label: t("list.title"), value: item.title, action: t("save") });
  if (!title || title === item.title) return;
  await said(async () => {
    await patch(pathOf(item), { title });
    toast(t("list.renamed"), "good");
  });
}

async function erase(item) {
  const sure = await confirm({
    title: t("list.delete"),
    text: t("list.deleteText", { title: plainLine(item.title, 80) }),
    action: t("delete"),
  });
  if (!sure) return;
  await said(async () => {
    await remove(pathOf(item));
    drop(item.id);
    if (get().route.id === item.id) go("/", { replace: true });
    toast(t("list.deleted"), "good");
  });
}

async function exportOne(item, format) {
  await said(async () => {
    const blob = await getBlob(`${pathOf(item)}/export`, { query: { format }, headers: { accept: "*/*" } });
    save(blob, `${plainLine(item.title, 60).replace(/[^\p{L}\p{N} _-]/gu, "").trim() || "conversation"}.${format}`);
  });
}

/** Hand a file to the person's own disk. */
export function save(blob, name) {
  const link = document.createElement("a");
  // Whatever it was sent as, it is only ever a download.
  link.href = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function said(work) {
  try {
    await work();
    listChanged();
    tell({ kind: "conversation", id: null });
  } catch (error) {
    toast(errorText(error), "bad");
  }
}
