// Users: role, limits, budget, whether they may sign in.
import { patch } from "../../core/api.js";
import { html, useState } from "../../core/lib.js";
import { day } from "../../core/format.js";
import { t } from "../../strings.js";
import { Check } from "../../chat/options.js";
import { Dialog, Form, show } from "../../ui/dialog.js";
import { LimitFields, limitFields, limitsOf, limitsText } from "../../ui/limits.js";
import { Pages, Section, Table, usePages } from "../../ui/page.js";
import { Field, IconButton, Name } from "../../ui/parts.js";

export function Users() {
  const list = usePages("/api/admin/users");
  const edit = (user) => show((close) => html`<${Editor} user=${user} close=${close} />`).then((done) => done && list.reload());
  const columns = [
    { name: t("analytics.user"), of: (user) => html`<${Name} of=${user.username} most=${64} />` },
    { name: t("auth.email"), of: (user) => html`<${Name} of=${user.email || "–"} most=${80} />` },
    { name: t("settings.role"), of: (user) => user.role },
    { name: t("settings.limits"), of: (user) => limitsText(user) },
    { name: t("settings.since"), of: (user) => day(user.created_at) },
    { name: t("analytics.state"), of: (user) => html`<span class=${`tag ${user.active ? "good" : "bad"}`}>${t(user.active ? "users.active" : "users.inactive")}</span>` },
    { name: "", right: true, of: (user) => html`<${IconButton} icon="edit" size=${16} label=${t("users.edit", { name: user.username })} onClick=${() => edit(user)} />` },
  ];
  return html`<${Section} title=${t("admin.users")} text=${t("users.text")}>
    <${Pages} list=${list}>${(rows) => html`<${Table} label=${t("admin.users")} columns=${columns} rows=${rows} keyOf=${(user) => user.id} />`}<//>
  <//>`;
}

function Editor({ user, close }) {
  const [values, setValues] = useState(() => ({ ...limitsOf(user), role: user.role, active: user.active }));
  const send = async () => {
    const body = limitFields(values, null);
    if (values.role !== user.role) body.role = values.role;
    if (values.active !== user.active) body.active = values.active;
    await patch(`/api/admin/users/${encodeURIComponent(user.id)}`, body);
    close(true);
  };
  return html`<${Dialog} title=${t("users.edit", { name: user.username })} onClose=${() => close()}>
    <${Form} onSend=${send} action=${t("save")} onCancel=${() => close()}>${(faults) => html`<div class="form-grid">
      ${user.role !== "guest" && html`<${Field} label=${t("settings.role")} error=${faults.role}>${(marks) => html`<select ...${marks} onChange=${(event) => setValues((before) => ({ ...before, role: event.target.value }))}>
        ${["user", "admin"].map((one) => html`<option value=${one} selected=${one === values.role}>${one}</option>`)}</select>`}<//>`}
      <${LimitFields} values=${values} onChange=${setValues} faults=${faults} />
      <${Check} label=${t("users.mayEnter")} on=${values.active} onChange=${(active) => setValues((before) => ({ ...before, active }))} />
    </div>`}<//>
  <//>`;
}
