// What opens the side bar on a phone.
import { html } from "../core/lib.js";
import { set } from "../core/store.js";
import { t } from "../strings.js";
import { IconButton } from "./parts.js";

export function MenuButton() {
  return html`<span class="phone-only"><${IconButton} icon="menu" label=${t("side.open")}
    onClick=${() => set({ side: { open: true } })} /></span>`;
}
