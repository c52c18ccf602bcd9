// What the views beside the chat share: their head, tabs by address, lists that come in pages, tables.
import { getJson } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { useStore } from "../core/store.js";
import { t } from "../strings.js";
import { MenuButton } from "./menu-button.js";
import { Fault, Skeleton } from "./parts.js";

export function Page({ title, actions, tabs, children }) {
  useEffect(() => {
    document.title = `${title} · onedoor`;
  }, [title]);
  return html`<header class="view-head"><${MenuButton} /><h1>${title}</h1>${actions}</header>
    ${tabs}
    <div class="view-body"><div class="view-inner">${children}</div></div>`;
}

/** names: [[name, label]]; each is an address below `base`. */
export function Tabs({ base, names, current, label }) {
  return html`<nav class="tabs" aria-label=${label}>
    ${names.map(([name, text]) => html`<a href=${`${base}/${name}`} aria-current=${name === current ? "page" : undefined}>${text}</a>`)}
  </nav>`;
}

/** The tab that the address names, else the first. */
export function useTab(names) {
  const wanted = useStore((state) => state.route.rest[0]);
  return names.some(([name]) => name === wanted) ? wanted : names[0][0];
}

/** A list at the app door, page after page. */
export function usePages(path, query = {}) {
  const [list, setList] = useState({ items: null, next: null, error: null, busy: true });
  const turn = useRef(0);
  const read = async (cursor) => {
    const mine = ++turn.current;
    setList((before) => ({ ...before, busy: true, error: null }));
    try {
      const page = await getJson(path, { limit: 50, ...query, cursor });
      if (mine !== turn.current) return;
      setList((before) => ({
        items: cursor ? [...before.items, ...page.items] : page.items,
        next: page.next_cursor,
        error: null,
        busy: false,
      }));
    } catch (error) {
      if (mine === turn.current) setList((before) => ({ ...before, error, busy: false }));
    }
  };
  useEffect(() => {
    read();
  }, [path, JSON.stringify(query)]);
  return { ...list, reload: () => read(), more: () => read(list.next) };
}

export function Pages({ list, children, empty }) {
  if (list.error && list.items === null) return html`<${Fault} error=${list.error} onRetry=${list.reload} />`;
  if (list.items === null) return html`<${Skeleton} lines=${5} />`;
  if (!list.items.length) return empty || html`<p class="hint">${t("list.none")}</p>`;
  return html`${children(list.items)}
    ${list.next && html`<p><button type="button" class="small" disabled=${list.busy} onClick=${list.more}>${t("list.more")}</button></p>`}`;
}

/** columns: [{name, of(row), right}]. */
export function Table({ label, columns, rows, keyOf }) {
  return html`<div class="table-frame" role="region" aria-label=${label} tabindex="0">
    <table class="table"><caption class="unseen">${label}</caption>
      <thead><tr>${columns.map((one) => html`<th scope="col" class=${one.right ? "right" : ""}>${one.name || html`<span class="unseen">${t("actions")}</span>`}</th>`)}</tr></thead>
      <tbody>${rows.map(
        (row, n) => html`<tr key=${keyOf ? keyOf(row) : n}>${columns.map((one, at) =>
          at === 0 && one.head !== false
            ? html`<th scope="row">${one.of(row)}</th>`
            : html`<td class=${one.right ? "right" : ""}>${one.of(row)}</td>`,
        )}</tr>`,
      )}</tbody>
    </table>
  </div>`;
}

export function Section({ title, text, actions, children }) {
  return html`<section class="section">
    <div class="section-head"><div><h2>${title}</h2>${text && html`<p class="hint">${text}</p>`}</div>${actions}</div>
    ${children}
  </section>`;
}
