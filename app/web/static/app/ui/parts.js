// Small parts that every view is made of.
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { t } from "../strings.js";
import { plainLine } from "../core/format.js";
import { Icon } from "./icons.js";

/** A button that shows an icon and is called by its label. */
export function IconButton({ icon, label, onClick, tone = "quiet", pressed, disabled, size, ...rest }) {
  return html`<button type="button" class=${`icon-button ${tone}`} aria-label=${label} title=${label} onClick=${onClick}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)} disabled=${disabled} ...${rest}>
    <${Icon} name=${icon} size=${size} />
  </button>`;
}

/** A name that somebody chose, kept from turning the line round it. */
export function Name({ of, most }) {
  return html`<bdi>${plainLine(of, most)}</bdi>`;
}

let fieldNumber = 0;

/** A labelled field; error: what is wrong with it, told to screen readers too. */
export function Field({ label, hint, error, children, type = "text", wide, ...input }) {
  const id = useRef(`f${++fieldNumber}`).current;
  const told = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const marks = { id, "aria-describedby": told, "aria-invalid": error ? "true" : undefined };
  return html`<div class=${`field ${wide ? "wide" : ""}`}>
    <label for=${id}>${label}</label>
    ${children ? children(marks) : html`<input type=${type} ...${input} ...${marks} />`}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="fault" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

export function Switch({ label, icon, on, onChange, hint }) {
  return html`<button type="button" role="switch" aria-checked=${String(on)} class=${`switch-chip ${on ? "on" : ""}`}
    title=${hint} onClick=${() => onChange(!on)}>
    ${icon && html`<${Icon} name=${icon} size=${16} />`}<span>${label}</span>
    <span class="switch-state" aria-hidden="true">${on ? t("switch.on") : t("switch.off")}</span>
  </button>`;
}

export function Empty({ icon, title, text, children }) {
  return html`<div class="empty">
    ${icon && html`<${Icon} name=${icon} size=${30} />`}
    <h2>${title}</h2>
    ${text && html`<p>${text}</p>`}
    ${children}
  </div>`;
}

/** Grey lines where something will stand. */
export function Skeleton({ lines = 4, label = t("loading") }) {
  return html`<div class="skeleton" role="status" aria-label=${label}>
    ${Array.from({ length: lines }, (_, n) => html`<span class=${`bone bone-${n % 4}`}></span>`)}
  </div>`;
}

/** What went wrong and what can be done about it. */
export function Fault({ error, onRetry, title }) {
  const missing = error.status === 404 && !error.field;
  return html`<div class="fault-box" role="alert">
    <${Icon} name="alert" />
    <div>
      <p class="fault-title">${title || (missing ? t("error.notHere") : t("error.title"))}</p>
      <p>${missing ? t("error.notHereText") : errorText(error)}</p>
      ${onRetry && html`<button type="button" class="small" onClick=${onRetry}>${t("retry")}</button>`}
    </div>
  </div>`;
}

/** An error in words: ours where we know its code, then the server's own. Text, never markup. */
export function errorText(error) {
  const own = t(`code.${error.code}`, {}, null);
  const said = plainLine(error.message, 600);
  const wait = error.retryAfter ? ` ${t("error.wait", { seconds: error.retryAfter })}` : "";
  return `${own ? `${own} ` : ""}${said}${wait}`.trim();
}

/** Load something and show what becomes of it. load: a function that is called anew when `keys` change. */
export function useLoad(load, keys = []) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const turn = useRef(0);
  const run = async () => {
    const mine = ++turn.current;
    setState((before) => ({ ...before, loading: true, error: null }));
    try {
      const data = await load();
      if (mine === turn.current) setState({ data, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((before) => ({ data: before.data, error, loading: false }));
    }
  };
  useEffect(() => {
    run();
    return () => {
      turn.current += 1;
    };
  }, keys);
  return { ...state, reload: run, change: (data) => setState({ data, error: null, loading: false }) };
}

export function Loaded({ from, children, lines }) {
  if (from.error && from.data === null) return html`<${Fault} error=${from.error} onRetry=${from.reload} />`;
  if (from.data === null) return html`<${Skeleton} lines=${lines} />`;
  return children(from.data);
}
