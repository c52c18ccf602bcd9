// Templates by category: seen, tried, used, made and edited.
import { post, put, remove } from "../core/api.js";
import { html, useState } from "../core/lib.js";
import { go } from "../core/router.js";
import { toast } from "../core/store.js";
import { t } from "../strings.js";
import { allTemplates, byCategory, Variables } from "../chat/template-picker.js";
import { threadOf } from "../chat/threads.js";
import { Check } from "../chat/options.js";
import { confirm, Dialog, Form, show } from "../ui/dialog.js";
import { Icon } from "../ui/icons.js";
import { Page } from "../ui/page.js";
import { Empty, Field, IconButton, Loaded, Name, errorText, useLoad } from "../ui/parts.js";

const TYPES = ["string", "number", "boolean", "choice"];

export default function TemplatesView() {
  const list = useLoad(allTemplates);
  const edit = (template) => show((close) => html`<${Editor} template=${template} close=${close} />`).then((done) => done && list.reload());
  const make = html`<button type="button" class="primary" onClick=${() => edit(null)}><${Icon} name="plus" size=${16} />${t("templates.new")}</button>`;
  return html`<${Page} title=${t("place.templates")} actions=${make}>
    <p class="hint">${t("templates.text")}</p>
    <${Loaded} from=${list}>${(rows) =>
      rows.length
        ? html`<${Shelf} rows=${rows} onEdit=${edit} onGone=${list.reload} />`
        : html`<${Empty} icon="template" title=${t("templates.none")} text=${t("templates.noneText")} />`}<//>
  <//>`;
}

function Shelf({ rows, onEdit, onGone }) {
  const [wanted, setWanted] = useState(null);
  const groups = byCategory(rows);
  const shown = groups.filter(([category]) => wanted === null || category === wanted);
  const chip = (name, value) => html`<button type="button" class=${`switch-chip ${wanted === value ? "on" : ""}`} aria-pressed=${String(wanted === value)}
    onClick=${() => setWanted(value)}><${Name} of=${name} most=${40} /></button>`;
  return html`<div class="chip-row" role="group" aria-label=${t("templates.categories")}>
      ${chip(t("templates.all"), null)}${groups.map(([category]) => chip(category, category))}
    </div>
    <ul class="cards">${shown.flatMap(([category, ones]) =>
      ones.map((one) => html`<${Card} key=${one.id} category=${category} template=${one} onEdit=${() => onEdit(one)} onGone=${onGone} />`),
    )}</ul>`;
}

function Card({ template, category, onEdit, onGone }) {
  const use = async () => {
    const chosen = await show(
      (close) => html`<${Dialog} title=${template.name} onClose=${() => close()} wide>
        <${Variables} template=${template} onBack=${() => close()} onDone=${close} action=${t("templates.use")} />
      <//>`,
    );
    if (!chosen) return;
    const thread = threadOf(null);
    thread.draft = { ...thread.draft, template: chosen };
    go("/");
  };
  const erase = async () => {
    if (!(await confirm({ title: t("templates.delete"), text: t("templates.deleteText", { name: template.name }), action: t("delete") }))) return;
    try {
      await remove(`/api/templates/${encodeURIComponent(template.id)}`);
      onGone();
    } catch (error) {
      toast(errorText(error), "bad");
    }
  };
  return html`<li class="card static">
    <div class="card-head"><strong><${Name} of=${template.name} most=${80} /></strong>
      <span class="hint">v${template.version}</span></div>
    <p class="card-tags"><span class="tag good"><${Name} of=${category} most=${40} /></span>
      ${template.shared && html`<span class="tag">${t("templates.shared")}</span>`}</p>
    <p class="card-text" dir="auto">${template.content.slice(0, 220)}</p>
    <div class="card-foot">
      <button type="button" class="small" onClick=${use}>${t("templates.use")}</button><span class="push"></span>
      ${template.editable === false
        ? html`<${IconButton} icon="copy" size=${16} label=${t("templates.own", { name: template.name })} onClick=${onEdit} />`
        : html`<${IconButton} icon="edit" size=${16} label=${t("templates.edit", { name: template.name })} onClick=${onEdit} />
            <${IconButton} icon="trash" size=${16} label=${t("templates.deleteNamed", { name: template.name })} onClick=${erase} />`}
    </div>
  </li>`;
}

/** The names in double braces, in order, each once. */
export function namesIn(content) {
  return [...new Set([...content.matchAll(/\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g)].map((found) => found[1]))].slice(0, 100);
}

function Editor({ template, close }) {
  const own = template && template.editable !== false; // another's is the beginning of one's own
  const [values, setValues] = useState(() => ({
    name: template?.name || "", category: template?.category || "", content: template?.content || "", shared: Boolean(own && template.shared),
  }));
  const [rows, setRows] = useState(() => Object.fromEntries((template?.variables || []).map((one) => [one.name, one])));
  const put_ = (name) => (event) => setValues((before) => ({ ...before, [name]: event.target.value }));
  const names = namesIn(values.content);
  const send = async () => {
    const body = { ...values, category: values.category.trim() || undefined, variables: names.map((name) => variableOf(name, rows[name])) };
    if (own) await put(`/api/templates/${encodeURIComponent(template.id)}`, body);
    else await post("/api/templates", body);
    toast(t("templates.saved"), "good");
    close(true);
  };
  return html`<${Dialog} title=${t(own ? "templates.editTitle" : "templates.new")} onClose=${() => close()} wide>
    <${Form} onSend=${send} action=${t("save")} onCancel=${() => close()}>${(faults) => html`
      <div class="form-grid">
        <${Field} label=${t("templates.name")} value=${values.name} maxlength="200" dir="auto" error=${faults.name} onInput=${put_("name")} />
        <${Field} label=${t("templates.category")} value=${values.category} maxlength="100" dir="auto" error=${faults.category} onInput=${put_("category")} />
      </div>
      <${Field} label=${t("templates.content")} hint=${t("templates.contentHint")} error=${faults.content}>${(marks) =>
        html`<textarea rows="7" dir="auto" ...${marks} onInput=${put_("content")}>${template?.content || ""}</textarea>`}<//>
      ${names.map((name) => html`<${VariableRow} key=${name} name=${name} row=${rows[name] || {}}
        onChange=${(row) => setRows((before) => ({ ...before, [name]: row }))} />`)}
      <${Check} label=${t("templates.sharedLabel")} hint=${t("templates.sharedHint")} on=${values.shared}
        onChange=${(shared) => setValues((before) => ({ ...before, shared }))} />`}
    <//>
  <//>`;
}

function VariableRow({ name, row, onChange }) {
  const type = row.type || "string";
  const start = row.default ?? "";
  return html`<fieldset class="variable">
    <legend><code>${name}</code></legend>
    <div class="form-grid">
      <${Field} label=${t("templates.type")}>${(marks) => html`<select ...${marks} onChange=${(event) => onChange({ ...row, type: event.target.value, default: undefined })}>
        ${TYPES.map((one) => html`<option value=${one} selected=${one === type}>${t(`templates.type.${one}`)}</option>`)}</select>`}<//>
      ${type === "choice" && html`<${Field} label=${t("templates.choices")} hint=${t("templates.choicesHint")} value=${(row.choices || []).join(", ")}
        onChange=${(event) => onChange({ ...row, choices: event.target.value.split(",").map((one) => one.trim()).filter(Boolean) })} />`}
      ${type === "boolean"
        ? html`<${Check} label=${t("templates.default")} on=${start === true} onChange=${(on) => onChange({ ...row, default: on })} />`
        : html`<${Field} label=${t("templates.default")} type=${type === "number" ? "number" : "text"} value=${String(start)} dir="auto"
            onInput=${(event) => onChange({ ...row, default: event.target.value })} />`}
    </div>
  </fieldset>`;
}

function variableOf(name, row = {}) {
  const type = row.type || "string";
  const made = { name, type };
  if (type === "choice") made.choices = row.choices || [];
  const start = row.default;
  if (type === "boolean" && typeof start === "boolean") made.default = start;
  else if (type === "number" && start !== undefined && start !== null && start !== "") made.default = Number(start);
  else if (type !== "boolean" && start) made.default = start;
  return made;
}
