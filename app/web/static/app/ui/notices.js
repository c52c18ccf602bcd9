// What is said over all views: the server is away, slow or back; short messages that pass.
import { html } from "../core/lib.js";
import { look } from "../core/net.js";
import { dropToast, useStore } from "../core/store.js";
import { t } from "../strings.js";
import { Icon } from "./icons.js";
import { IconButton } from "./parts.js";

export function NetBanner() {
  const status = useStore((state) => state.net.status);
  const degraded = useStore((state) => state.degraded);
  if (status === "up" && !degraded) return html`<div class="banner-place" role="status"></div>`;
  const kind = status === "up" ? "degraded" : status;
  return html`<div class="banner-place" role="status">
    <div class=${`banner ${kind}`}>
      <${Icon} name=${kind === "back" ? "check" : "alert"} />
      <span>${t(`net.${kind}`, { what: degraded || "" })}</span>
      ${kind === "down" && html`<button type="button" class="small" onClick=${look}>${t("net.tryNow")}</button>`}
    </div>
  </div>`;
}

export function Toasts() {
  const toasts = useStore((state) => state.toasts);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map(
      (one) => html`<div key=${one.id} class=${`toast ${one.tone}`}>
        <${Icon} name=${one.tone === "bad" ? "alert" : "check"} size=${16} /><span dir="auto">${one.text}</span>
        <${IconButton} icon="close" size=${14} label=${t("close")} onClick=${() => dropToast(one.id)} />
      </div>`,
    )}
  </div>`;
}
