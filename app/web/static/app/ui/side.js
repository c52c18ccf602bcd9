// The side bar: new chat, conversations, the other views, the person. On a phone it slides over the view.
import { html, useEffect, useRef } from "../core/lib.js";
import { go } from "../core/router.js";
import { signOut } from "../core/session.js";
import { set, toast, useStore } from "../core/store.js";
import { t } from "../strings.js";
import { ConversationList } from "../chat/list.js";
import { threadOf } from "../chat/threads.js";
import { Icon, Mark } from "./icons.js";
import { Menu } from "./menu.js";
import { IconButton, Name } from "./parts.js";
import { setTheme, theme } from "./theme.js";

const PLACES = [
  ["templates", "template"],
  ["files", "file"],
  ["analytics", "chart"],
  ["settings", "gear"],
];

export function Side() {
  const open = useStore((state) => state.side.open);
  const view = useStore((state) => state.route.view);
  const user = useStore((state) => state.session.user);
  const box = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    box.current.querySelector("a, button").focus();
    const onKey = (event) => event.key === "Escape" && set({ side: { open: false } });
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [open]);
  const fresh = () => {
    const thread = threadOf(null);
    if (thread.running) toast(t("side.stillNew"));
  };
  const places = user?.role === "admin" ? [...PLACES, ["admin", "key"]] : PLACES;
  return html`<div class=${`shade ${open ? "open" : ""}`} onClick=${() => set({ side: { open: false } })} aria-hidden="true"></div>
    <aside class=${`side ${open ? "open" : ""}`} ref=${box} aria-label=${t("side.name")}>
      <div class="side-head">
        <a class="brand" href="/"><${Mark} size=${26} /><span>onedoor</span></a>
        <span class="phone-only"><${IconButton} icon="close" label=${t("side.close")} onClick=${() => set({ side: { open: false } })} /></span>
      </div>
      <a class="button new-chat" href="/" onClick=${fresh}><${Icon} name="plus" size=${17} />${t("chat.new")}</a>
      <${ConversationList} />
      <nav class="places" aria-label=${t("side.places")}>
        ${places.map(
          ([name, icon]) => html`<a href=${`/app/${name}`} aria-current=${view === name ? "page" : undefined}>
            <${Icon} name=${icon} size=${17} />${t(`place.${name}`)}</a>`,
        )}
      </nav>
      <div class="person">
        <span class="avatar" aria-hidden="true">${initial(user)}</span>
        <span class="person-name"><${Name} of=${user?.username} most=${40} />${user?.role === "admin" && html`<small>${t("side.admin")}</small>`}</span>
        <${Menu} label=${t("side.account")} side="above end" items=${[
          ...["auto", "light", "dark"].map((name) => ({
            label: t(`theme.${name}`),
            icon: { auto: "auto", light: "sun", dark: "moon" }[name],
            checked: theme() === name,
            run: () => setTheme(name),
          })),
          null,
          { label: t("place.settings"), icon: "gear", run: () => go("/app/settings") },
          { label: t("side.docs"), icon: "file", run: () => open_("/docs") },
          { label: t("side.signOut"), icon: "out", run: leave },
        ]} />
      </div>
    </aside>`;
}

const open_ = (path) => window.open(path, "_blank", "noopener");

const initial = (user) => [...(user?.username || "?")][0].toUpperCase();

async function leave() {
  try {
    await signOut();
  } catch {
    toast(t("side.signOutUntold"), "bad");
  }
}
