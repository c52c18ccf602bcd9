// A button with a menu: arrows move, Escape closes and gives the focus back, a click elsewhere closes.
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { Icon } from "./icons.js";

/** items: {label, icon, run, danger, checked} or null for a line. */
export function Menu({ label, icon = "more", text, items, side = "below end", tone = "quiet", size }) {
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  const button = useRef(null);
  const close = (giveBack) => {
    setOpen(false);
    if (giveBack) button.current?.focus();
  };
  useOutside(root, open, () => close(false));
  useEffect(() => {
    if (open) root.current.querySelector("[role^=menuitem]")?.focus();
  }, [open]);
  const onKey = (event) => {
    const all = [...root.current.querySelectorAll("[role^=menuitem]")];
    const at = all.indexOf(document.activeElement);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    if (open && event.key in moves) {
      event.preventDefault();
      all[(moves[event.key] + all.length) % all.length].focus();
    }
    if (open && (event.key === "Escape" || event.key === "Tab")) {
      event.stopPropagation();
      if (event.key === "Escape") event.preventDefault();
      close(event.key === "Escape");
    }
  };
  return html`<div class="menu-root" ref=${root} onKeyDown=${onKey}>
    <button type="button" ref=${button} class=${`${text ? "" : "icon-button"} ${tone}`} aria-haspopup="menu" aria-label=${label}
      title=${label} aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
      ${icon && html`<${Icon} name=${icon} size=${size} />`}${text}
    </button>
    ${open &&
    html`<div class=${`menu ${side}`} role="menu" aria-label=${label}>
      ${items.map((item) =>
        item === null
          ? html`<div class="menu-line" role="separator"></div>`
          : html`<button type="button" tabindex="-1" role=${item.checked === undefined ? "menuitem" : "menuitemradio"}
              aria-checked=${item.checked === undefined ? undefined : String(item.checked)}
              class=${item.danger ? "danger-text" : ""}
              onClick=${() => {
                close(true);
                item.run();
              }}>
              ${item.icon && html`<${Icon} name=${item.icon} size=${16} />`}<span>${item.label}</span>
              ${item.checked && html`<${Icon} name="check" size=${16} />`}
            </button>`,
      )}
    </div>`}
  </div>`;
}

/** Call `leave` at a press outside of an element. */
export function useOutside(root, when, leave) {
  useEffect(() => {
    if (!when) return undefined;
    const look = (event) => root.current && !root.current.contains(event.target) && leave();
    document.addEventListener("pointerdown", look);
    return () => document.removeEventListener("pointerdown", look);
  }, [when]);
}
