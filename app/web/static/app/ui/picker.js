// One of many, found by typing: a combobox with a list in groups. What cannot be chosen is shown with the reason.
import { html, useEffect, useMemo, useRef, useState } from "../core/lib.js";
import { t } from "../strings.js";
import { Icon } from "./icons.js";
import { useOutside } from "./menu.js";
import { Name, Skeleton } from "./parts.js";

let number = 0;

/** groups: null while they are asked for, else [{name, options}]. */
export function Picker({ label, value, shown, groups, onChoose, onOpen, icon, side = "above" }) {
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  const button = useRef(null);
  useOutside(root, open, () => setOpen(false));
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const toggle = () => {
    if (!open) onOpen?.();
    setOpen(!open);
  };
  return html`<div class="picker" ref=${root}>
    <button type="button" ref=${button} class="quiet picker-button" aria-haspopup="dialog" aria-expanded=${String(open)}
      aria-label=${`${label}: ${shown || value}`} onClick=${toggle}>
      ${icon && html`<${Icon} name=${icon} size=${16} />`}<${Name} of=${shown || value} most=${40} />
      <${Icon} name="chevron" size=${14} />
    </button>
    ${open &&
    html`<div class=${`picker-panel ${side}`} role="dialog" aria-label=${label}>
      <${OptionList} label=${label} value=${value} groups=${groups} onClose=${close}
        onChoose=${(chosen) => {
          close();
          onChoose(chosen);
        }} />
    </div>`}
  </div>`;
}

export function OptionList({ label, value, groups, onChoose, onClose }) {
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const id = useRef(`p${++number}`).current;
  const field = useRef(null);
  const list = useRef(null);
  useEffect(() => field.current.focus(), []);
  const found = useMemo(() => narrowed(groups || [], wanted), [groups, wanted]);
  const free = found.flatMap((group) => group.options).filter((option) => !option.off);
  useEffect(() => {
    const chosen = free.findIndex((option) => option.value === value);
    setAt(wanted ? 0 : Math.max(0, chosen));
  }, [wanted, groups]);
  useEffect(() => list.current?.querySelector(".option.at")?.scrollIntoView({ block: "nearest" }), [at]);
  const here = Math.min(at, free.length - 1);
  const onKey = (event) => {
    if (event.key === "ArrowDown") setAt(Math.min(free.length - 1, here + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, here - 1));
    else if (event.key === "Enter") chooseTyped(event.target.value);
    else if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    } else return;
    event.preventDefault();
  };
  // What is typed at this moment, which may be ahead of what is drawn.
  const chooseTyped = (typed) => {
    const now = typed === wanted ? free[here] : narrowed(groups || [], typed).flatMap((group) => group.options).find((one) => !one.off);
    if (now) onChoose(now.value);
  };
  const current = free[here];
  const idOf = (option) => `${id}-${[...option.value].map((c) => c.codePointAt(0).toString(36)).join("")}`;
  return html`<div class="option-list" onKeyDown=${onKey}>
    <input ref=${field} type="search" role="combobox" aria-expanded="true" aria-controls=${id} aria-label=${label}
      aria-activedescendant=${current ? idOf(current) : undefined} aria-autocomplete="list" placeholder=${t("picker.find")}
      value=${wanted} onInput=${(event) => setWanted(event.target.value)} />
    <div class="options" id=${id} role="listbox" aria-label=${label} ref=${list} tabindex="-1">
      ${groups === null && html`<${Skeleton} lines=${5} />`}
      ${found.map(
        (group) => html`<div role="group" aria-label=${group.name} key=${group.name}>
          <div class="option-group" aria-hidden="true">${group.name}</div>
          ${group.options.map(
            (option) => html`<div key=${option.value} id=${idOf(option)} role="option" aria-selected=${String(option.value === value)}
              aria-disabled=${option.off ? "true" : undefined}
              class=${`option ${option === current ? "at" : ""} ${option.off ? "off" : ""}`}
              onClick=${() => !option.off && onChoose(option.value)}>
              <span class="option-name"><${Name} of=${option.name} most=${80} />
                ${option.marks?.map((mark) => html`<span class="tag">${mark}</span>`)}
                ${option.value === value && html`<${Icon} name="check" size=${15} />`}</span>
              ${(option.detail || option.reason) &&
              html`<span class="option-detail">${option.reason ? t("picker.off", { reason: option.reason }) : option.detail}</span>`}
            </div>`,
          )}
        </div>`,
      )}
    </div>
    ${groups && !found.length && html`<p class="hint">${t("picker.nothing")}</p>`}
  </div>`;
}

function narrowed(groups, wanted) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (option) => {
    const text = `${option.name} ${option.detail || ""} ${option.reason || ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return groups
    .map((group) => ({ ...group, options: group.options.filter(fits) }))
    .filter((group) => group.options.length);
}
