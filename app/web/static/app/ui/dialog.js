// Dialogs on the browser's own <dialog>: it keeps the focus inside, ends on Escape and gives the focus back.
import { html, render, useEffect, useRef, useState } from "../core/lib.js";
import { t } from "../strings.js";
import { IconButton, errorText } from "./parts.js";

let number = 0;

export function Dialog({ title, onClose, children, wide }) {
  const box = useRef(null);
  const id = useRef(`d${++number}`).current;
  useEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    return () => before?.isConnected && before.focus?.();
  }, []);
  const outside = (event) => event.target === box.current && onClose();
  return html`<dialog ref=${box} class=${wide ? "wide" : ""} aria-labelledby=${id} onClose=${onClose} onMouseDown=${outside}>
    <div class="dialog-body">
      <header><h2 id=${id}>${title}</h2><${IconButton} icon="close" label=${t("close")} onClick=${onClose} /></header>
      ${children}
    </div>
  </dialog>`;
}

/** Show a dialog from anywhere; `make` is given what closes it. Resolves with what that was called with. */
export function show(make) {
  return new Promise((resolve) => {
    const place = document.createElement("div");
    document.body.append(place);
    let closed = false;
    const close = (value) => {
      if (closed) return;
      closed = true;
      render(null, place);
      place.remove();
      resolve(value);
    };
    render(make(close), place);
  });
}

/** Ask before something that cannot be taken back. */
export function confirm({ title, text, action, danger = true }) {
  return show(
    (close) => html`<${Dialog} title=${title} onClose=${() => close(false)}>
      <p>${text}</p>
      <div class="dialog-foot">
        <button type="button" onClick=${() => close(false)}>${t("cancel")}</button>
        <button type="button" class=${danger ? "danger" : "primary"} onClick=${() => close(true)}>${action}</button>
      </div>
    <//>`,
  );
}

/** Ask for one line. */
export function ask({ title, label, value = "", action, most = 200 }) {
  return show((close) => html`<${Ask} ...${{ title, label, value, action, most, close }} />`);
}

function Ask({ title, label, value, action, most, close }) {
  const [text, setText] = useState(value);
  const done = (event) => {
    event.preventDefault();
    if (text.trim()) close(text.trim());
  };
  return html`<${Dialog} title=${title} onClose=${() => close(null)}>
    <form onSubmit=${done}>
      <label class="field">${label}<input value=${text} maxlength=${most} dir="auto" onInput=${(e) => setText(e.target.value)} /></label>
      <div class="dialog-foot">
        <button type="button" onClick=${() => close(null)}>${t("cancel")}</button>
        <button class="primary" disabled=${!text.trim()}>${action}</button>
      </div>
    </form>
  <//>`;
}

/** A form that sends; says what went wrong beside its button and names the field. */
export function Form({ onSend, action, children, onCancel, danger }) {
  const [state, setState] = useState({ busy: false, error: null });
  const send = async (event) => {
    event.preventDefault();
    if (state.busy) return;
    setState({ busy: true, error: null });
    try {
      await onSend();
      setState({ busy: false, error: null });
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  const { error, busy } = state;
  return html`<form class="form" onSubmit=${send} novalidate>
    ${typeof children === "function" ? children(error?.field ? { [error.field]: errorText(error) } : {}) : children}
    ${error && html`<p class="fault" role="alert">${error.field ? `${error.field}: ` : ""}${errorText(error)}</p>`}
    <div class="dialog-foot">
      ${onCancel && html`<button type="button" onClick=${onCancel}>${t("cancel")}</button>`}
      <button class=${danger ? "danger" : "primary"} disabled=${busy} aria-busy=${String(busy)}>${busy ? t("working") : action}</button>
    </div>
  </form>`;
}
