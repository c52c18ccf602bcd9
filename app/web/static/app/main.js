// Where the page begins: who is signed in, which view, the frame round it.
import { html, render, useEffect, useErrorBoundary, useState } from "./core/lib.js";
import { whenBack } from "./core/net.js";
import { startRouter } from "./core/router.js";
import { resume } from "./core/session.js";
import { useStore } from "./core/store.js";
import { ChatView } from "./chat/view.js";
import { t } from "./strings.js";
import { Fault, Skeleton } from "./ui/parts.js";
import { NetBanner, Toasts } from "./ui/notices.js";
import { Side } from "./ui/side.js";
import { AuthView } from "./views/auth.js";

//: Views that are fetched when they are first wanted.
const LATER = {
  templates: () => import("./views/templates.js"),
  analytics: () => import("./views/analytics.js"),
  files: () => import("./views/files.js"),
  settings: () => import("./views/settings.js"),
  admin: () => import("./views/admin.js"),
};

function App() {
  const status = useStore((state) => state.session.status);
  const [error] = useErrorBoundary((problem) => console.error(problem));
  if (error) return html`<main class="auth" id="main"><${Fault} error=${error} title=${t("error.bug")} onRetry=${() => location.reload()} /></main>`;
  if (status === "opening") return html`<${Opening} />`;
  if (status === "out") return html`<${AuthView} /><${Toasts} />`;
  return html`<${Frame} />`;
}

function Opening() {
  const down = useStore((state) => state.net.status === "down");
  return html`<main class="auth" id="main" aria-busy="true">
    <${NetBanner} />${!down && html`<p class="boot" role="status">${t("opening")}</p>`}
  </main>`;
}

function Frame() {
  const view = useStore((state) => state.route.view);
  return html`<a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <div class="frame">
      <${Side} />
      <main id="main" tabindex="-1" class=${`view view-${view}`}>
        <${NetBanner} />
        ${view in LATER ? html`<${Later} key=${view} name=${view} />` : html`<${ChatView} />`}
      </main>
    </div>
    <div class="drop-hint" aria-hidden="true">${t("drop.here")}</div>
    <${Toasts} />`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function Later({ name }) {
  const [loaded, setLoaded] = useState({ View: null, error: null });
  const load = () =>
    LATER[name]().then(
      (module) => setLoaded({ View: module.default, error: null }),
      () => setLoaded({ View: null, error: { code: "unreachable", message: "", details: {} } }),
    );
  useEffect(() => {
    load();
  }, []);
  if (loaded.error) return html`<${Fault} error=${loaded.error} onRetry=${load} />`;
  return loaded.View ? html`<${loaded.View} />` : html`<${Skeleton} lines=${6} />`;
}

async function open() {
  try {
    await resume();
  } catch {
    // The server is away: the banner says so, and it is tried again when it is back.
    const forget = whenBack(() => {
      forget();
      open();
    });
  }
}

startRouter();
const place = document.getElementById("page");
place.replaceChildren();
render(html`<${App} />`, place);
open();
