// How the next question is asked: strategy, search, memory, cache. Also all that the bar has no room for on a phone.
import { html, useRef, useState } from "../core/lib.js";
import { t } from "../strings.js";
import { Icon } from "../ui/icons.js";
import { useOutside } from "../ui/menu.js";

const STRATEGIES = ["", "priority", "weighted", "round_robin", "least_latency", "lowest_cost", "learned"];

export function Options({ prefs, onChange }) {
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  useOutside(root, open, () => setOpen(false));
  const changed = Boolean(prefs.strategy || prefs.ignore_cache || prefs.web_search === "auto");
  const onKey = (event) => {
    if (event.key !== "Escape" || !open) return;
    event.stopPropagation();
    setOpen(false);
    root.current.querySelector("button").focus();
  };
  return html`<div class="picker" ref=${root} onKeyDown=${onKey}>
    <button type="button" class="icon-button quiet" aria-label=${t("options.name")} title=${t("options.name")}
      aria-haspopup="dialog" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
      <${Icon} name="sliders" />${changed && html`<span class="dot"><span class="unseen">${t("options.changed")}</span></span>`}
    </button>
    ${open && html`<div class="picker-panel options-panel above start" role="dialog" aria-label=${t("options.name")}>
      <label class="field">${t("options.strategy")}
        <select value=${prefs.strategy} onChange=${(event) => onChange({ strategy: event.target.value })}>
          ${STRATEGIES.map((name) => html`<option value=${name} selected=${name === prefs.strategy}>${t(`strategy.${name || "default"}`)}</option>`)}
        </select></label>
      <p class="hint">${t(`strategyText.${prefs.strategy || "default"}`)}</p>
      <label class="field">${t("options.search")}
        <select value=${prefs.web_search} onChange=${(event) => onChange({ web_search: event.target.value })}>
          ${["", "on", "auto"].map((name) => html`<option value=${name} selected=${name === prefs.web_search}>${t(`search.${name || "off"}`)}</option>`)}
        </select></label>
      <${Check} label=${t("composer.memory")} hint=${t("composer.memoryHint")} on=${prefs.memory} onChange=${(memory) => onChange({ memory })} />
      <${Check} label=${t("options.ignoreCache")} hint=${t("options.ignoreCacheHint")} on=${prefs.ignore_cache}
        onChange=${(ignore_cache) => onChange({ ignore_cache })} />
    </div>`}
  </div>`;
}

export function Check({ label, hint, on, onChange }) {
  return html`<label class="check"><input type="checkbox" checked=${on} onChange=${(event) => onChange(event.target.checked)} />
    <span>${label}${hint && html`<small>${hint}</small>`}</span></label>`;
}
