// Where a question is written: text, files, a template, and what it is asked with.
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { bytes } from "../core/format.js";
import { toast, useStore } from "../core/store.js";
import { t } from "../strings.js";
import { show } from "../ui/dialog.js";
import { Icon } from "../ui/icons.js";
import { IconButton, Name, Switch, errorText } from "../ui/parts.js";
import { Picker } from "../ui/picker.js";
import { loadModels, modelGroups } from "./models.js";
import { Options } from "./options.js";
import { fieldsOf, readPrefs, writePrefs } from "./prefs.js";
import { TemplatePicker } from "./template-picker.js";
import { Uploads } from "./uploads.js";

export function Composer({ thread }) {
  const [prefs, setPrefs] = useState(readPrefs);
  const [, draw] = useState(0);
  const field = useRef(null);
  const files = useRef(null);
  const uploads = useRef(null);
  uploads.current ??= new Uploads(() => draw((n) => n + 1));
  const models = useStore((state) => state.models);
  const down = useStore((state) => state.net.status === "down");
  const { draft } = thread;
  const running = Boolean(thread.running);

  const write = (parts) => {
    thread.draft = { ...thread.draft, ...parts };
    draw((n) => n + 1);
  };
  const change = (parts) => {
    const next = { ...prefs, ...parts };
    setPrefs(next);
    writePrefs(next);
  };
  useEffect(() => {
    loadModels().catch(() => {});
    if (matchMedia("(hover: hover)").matches) field.current.focus();
    return () => uploads.current.clear();
  }, []);
  useEffect(() => fit(field.current), [draft.text]);
  useDrop((dropped) => uploads.current.add(dropped));

  const ready = (draft.text.trim() || draft.template) && !running && !uploads.current.busy;
  const send = (event) => {
    event?.preventDefault();
    if (!ready) return;
    const attachments = uploads.current.ready.map(({ id, name, type }) => ({ id, name, type }));
    const { body, shown } = question(draft, fieldsOf(prefs), attachments);
    const key = draft.key || undefined;
    thread.draft = { text: "", attachments: [], template: null, key: null };
    uploads.current.clear();
    thread.send(body, shown, { key });
  };
  const onKey = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  const onPaste = (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    uploads.current.add(event.clipboardData.files);
  };
  const chooseTemplate = async () => {
    const template = await show((close) => html`<${TemplatePicker} close=${close} />`);
    if (template) write({ template });
    field.current.focus();
  };

  return html`<form class="composer" onSubmit=${send} aria-label=${t("composer.name")}>
    <div class="composer-box">
      ${draft.notice && html`<p class="notice-line" role="status"><${Icon} name="alert" size=${15} />${draft.notice}</p>`}
      <${Chips} uploads=${uploads.current} template=${draft.template} onDropTemplate=${() => write({ template: null })} />
      <textarea ref=${field} rows="1" dir="auto" aria-label=${t("composer.message")} value=${draft.text}
        placeholder=${t(draft.template ? "composer.templateHint" : "composer.hint")} disabled=${Boolean(draft.template)}
        onInput=${(event) => write({ text: event.target.value, key: null, notice: null })} onKeyDown=${onKey} onPaste=${onPaste}></textarea>
      <div class="composer-bar">
        <input ref=${files} type="file" multiple class="unseen" tabindex="-1" aria-hidden="true" data-testid="attach"
          onChange=${(event) => {
            uploads.current.add(event.target.files);
            event.target.value = "";
          }} />
        <${IconButton} icon="clip" label=${t("composer.attach")} onClick=${() => files.current.click()} />
        <${IconButton} icon="template" label=${t("composer.template")} onClick=${chooseTemplate} />
        <span class="wide-only"><${Switch} icon="globe" label=${t("composer.search")} on=${prefs.web_search === "on"}
          hint=${t("composer.searchHint")} onChange=${(on) => change({ web_search: on ? "on" : "" })} /></span>
        <span class="wide-only"><${Switch} icon="memory" label=${t("composer.memory")} on=${prefs.memory}
          hint=${t("composer.memoryHint")} onChange=${(memory) => change({ memory })} /></span>
        <${Options} prefs=${prefs} onChange=${change} />
        <span class="push"></span>
        <${Picker} label=${t("composer.model")} value=${prefs.model} groups=${models ? modelGroups(models) : null}
          onOpen=${() => loadModels(true).catch((error) => toast(errorText(error), "bad"))} onChoose=${(model) => change({ model })} />
        ${running
          ? html`<button type="button" class="send stop" aria-label=${t("composer.stop")} title=${t("composer.stop")}
              onClick=${() => thread.stop()}><${Icon} name="stop" /></button>`
          : html`<button class="send" aria-label=${t("composer.send")} title=${t("composer.send")} disabled=${!ready || down}>
              <${Icon} name="send" /></button>`}
      </div>
    </div>
    <p class="composer-note">${t("composer.note")}</p>
  </form>`;
}

/** The body of a chat and what is shown of it. */
function question(draft, fields, attachments) {
  const body = { ...fields };
  if (draft.template) {
    body.template_id = draft.template.id;
    body.template_vars = draft.template.vars;
  } else body.message = draft.text;
  if (attachments.length) body.attachments = attachments.map((one) => one.id);
  const shown = { text: draft.template ? draft.template.text : draft.text, attachments, template: draft.template?.name };
  return { body, shown };
}

function Chips({ uploads, template, onDropTemplate }) {
  if (!uploads.items.length && !template) return null;
  return html`<ul class="chips" aria-label=${t("composer.chips")}>
    ${template &&
    html`<li class="chip"><${Icon} name="template" size=${16} /><span class="chip-text"><${Name} of=${template.name} most=${50} /></span>
      <${IconButton} icon="close" size=${14} label=${t("composer.dropTemplate")} onClick=${onDropTemplate} /></li>`}
    ${uploads.items.map(
      (item) => html`<li class=${`chip ${item.state}`} key=${item.key}>
        ${item.picture ? html`<img src=${item.picture} alt="" />` : html`<${Icon} name="file" size=${16} />`}
        <span class="chip-text"><${Name} of=${item.name} most=${40} /><small>${uploadState(item)}</small></span>
        ${item.state === "sending" && html`<progress max="1" value=${item.part} aria-label=${t("composer.uploading")}></progress>`}
        <${IconButton} icon="close" size=${14} label=${t("composer.dropFile", { name: item.name })} onClick=${() => uploads.remove(item)} />
      </li>`,
    )}
  </ul>`;
}

function uploadState(item) {
  if (item.state === "sending") return t("upload.sending", { part: Math.round(item.part * 100) });
  if (item.state === "there") return bytes(item.bytes);
  return item.error.status === 404 ? t("upload.notHere") : errorText(item.error);
}

/** As high as its text, up to a third of the window. */
function fit(field) {
  if (!field) return;
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, innerHeight * 0.34)}px`;
}

/** Files that are dropped anywhere over the page. */
function useDrop(take) {
  useEffect(() => {
    const root = document.documentElement;
    const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    const over = (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      root.classList.add("dropping");
    };
    const out = (event) => event.relatedTarget === null && root.classList.remove("dropping");
    const drop = (event) => {
      root.classList.remove("dropping");
      if (!hasFiles(event)) return;
      event.preventDefault();
      take(event.dataTransfer.files);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", out);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", out);
      removeEventListener("drop", drop);
    };
  }, []);
}
