// The installation: its budget, what admins did, the configuration as one file.
import { fetchReply, getJson, patch, remove } from "../../core/api.js";
import { html, useState } from "../../core/lib.js";
import { money, plainLine, time } from "../../core/format.js";
import { toast } from "../../core/store.js";
import { t } from "../../strings.js";
import { save } from "../../chat/list.js";
import { Form } from "../../ui/dialog.js";
import { Icon } from "../../ui/icons.js";
import { LimitFields, limitFields, limitsOf } from "../../ui/limits.js";
import { Pages, Section, Table, usePages } from "../../ui/page.js";
import { Empty, Field, Loaded, Name, useLoad } from "../../ui/parts.js";

export function InstallationBudget() {
  const budget = useLoad(() => getJson("/api/admin/budget"));
  return html`<${Section} title=${t("admin.budget")} text=${t("budget.text")}>
    <${Loaded} from=${budget} lines=${2}>${(data) => html`<${BudgetForm} data=${data} onSaved=${budget.reload} />`}<//>
  <//>`;
}

function BudgetForm({ data, onSaved }) {
  const [values, setValues] = useState(() => limitsOf(data));
  const send = async () => {
    const { budget } = limitFields({ amount: values.amount, period: values.period }, null);
    if (budget === null) await remove("/api/admin/budget");
    else await patch("/api/admin/budget", budget);
    toast(t("settings.saved"), "good");
    onSaved();
  };
  return html`${data.budget && html`<p>${t("analytics.left", { left: money(data.left), amount: money(data.budget.amount), period: t(`period.${data.budget.period}`) })}</p>`}
    <div class="narrow"><${Form} onSend=${send} action=${t("save")}>${(faults) => html`<div class="form-grid">
      <${LimitFields} values=${values} onChange=${setValues} faults=${faults} budgetOnly /></div>`}<//></div>`;
}

function flat(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(3);
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  return plainLine(typeof value === "string" ? value : JSON.stringify(value), 300);
}

export function Audit() {
  const list = usePages("/api/admin/audit");
  const columns = [
    { name: t("audit.at"), of: (act) => time(act.at) },
    { name: t("audit.actor"), of: (act) => html`<${Name} of=${act.actor} most=${64} />` },
    { name: t("audit.action"), of: (act) => html`<code>${plainLine(act.action, 60)}</code>` },
    { name: t("audit.target"), of: (act) => html`<${Name} of=${act.target} most=${80} />` },
    { name: t("audit.change"), of: (act) => html`<span class="hint">${changeOf(act)}</span>` },
  ];
  return html`<${Section} title=${t("admin.audit")} text=${t("audit.text")}>
    <${Pages} list=${list}>${(rows) => html`<${Table} label=${t("admin.audit")} columns=${columns} rows=${rows} keyOf=${(act) => act.id} />`}<//>
  <//>`;
}

function changeOf({ before, after }) {
  const names = [...new Set([...Object.keys(before || {}), ...Object.keys(after || {})])];
  const said = (facts, name) => (facts && name in facts ? flat(facts[name]) : "–");
  return plainLine(names.map((name) => `${name}: ${said(before, name)} → ${said(after, name)}`).join("; "), 260);
}

export function Config() {
  const config = useLoad(async () => (await fetchReply("GET", "/api/admin/config", { headers: { accept: "application/yaml, */*" } })).text());
  const [text, setText] = useState(null);
  const send = async () => {
    await fetchReply("PUT", "/api/admin/config", { body: text ?? config.data, headers: { "content-type": "application/yaml" } });
    toast(t("config.saved"), "good");
    setText(null);
    config.reload();
  };
  const take = () => save(new Blob([config.data]), "onedoor.yaml");
  return html`<${Section} title=${t("admin.config")} text=${t("config.text")}
    actions=${config.data && html`<button type="button" onClick=${take}><${Icon} name="download" size=${16} />${t("config.take")}</button>`}>
    <${Loaded} from=${config}>${(yaml) =>
      yaml
        ? html`<${Form} onSend=${send} action=${t("config.put")}><${Field} label=${t("config.yaml")}>${(marks) =>
            html`<textarea class="yaml" rows="22" spellcheck=${false} ...${marks} onInput=${(event) => setText(event.target.value)}>${yaml}</textarea>`}<//><//>`
        : html`<${Empty} icon="gear" title=${t("config.none")} />`}<//>
  <//>`;
}
