// Providers' keys, masked; and the keys of all users with their limits.
import { patch, post, remove } from "../../core/api.js";
import { html, useState } from "../../core/lib.js";
import { plainLine, time } from "../../core/format.js";
import { toast } from "../../core/store.js";
import { t } from "../../strings.js";
import { confirm, Dialog, Form, show } from "../../ui/dialog.js";
import { Icon } from "../../ui/icons.js";
import { LimitFields, limitFields, limitsOf, limitsText } from "../../ui/limits.js";
import { Pages, Section, Table, usePages } from "../../ui/page.js";
import { Empty, Field, IconButton, Name, errorText } from "../../ui/parts.js";

export async function erase(path, title, text, then) {
  if (!(await confirm({ title, text, action: title }))) return;
  try {
    await remove(path);
    then();
  } catch (error) {
    toast(errorText(error), "bad");
  }
}

export function ProviderKeys() {
  const list = usePages("/api/admin/provider-keys");
  const add = () => show((close) => html`<${NewProviderKey} close=${close} />`).then((done) => done && list.reload());
  const columns = [
    { name: t("analytics.provider"), of: (key) => html`<${Name} of=${key.provider} />` },
    { name: t("analytics.key"), of: (key) => html`<code>${plainLine(key.key, 40)}</code>` },
    { name: t("providerKeys.address"), of: (key) => (key.address ? plainLine(key.address, 80) : t("providerKeys.own")) },
    { name: t("analytics.state"), of: (key) => html`<span class=${`tag ${key.readable ? "good" : "bad"}`}>${t(key.readable ? "providerKeys.readable" : "providerKeys.unreadable")}</span>` },
    { name: t("files.time"), of: (key) => time(key.created_at) },
    { name: "", right: true, of: (key) => html`<${IconButton} icon="trash" size=${16} label=${t("providerKeys.delete", { name: key.provider })}
        onClick=${() => erase(`/api/admin/provider-keys/${encodeURIComponent(key.id)}`, t("delete"), t("providerKeys.deleteText", { name: key.provider }), list.reload)} />` },
  ];
  const action = html`<button type="button" class="primary" onClick=${add}><${Icon} name="plus" size=${16} />${t("providerKeys.add")}</button>`;
  return html`<${Section} title=${t("admin.provider-keys")} text=${t("providerKeys.text")} actions=${action}>
    <${Pages} list=${list} empty=${html`<${Empty} icon="key" title=${t("providerKeys.none")} text=${t("providerKeys.noneText")} />`}>${(rows) =>
      html`<${Table} label=${t("admin.provider-keys")} columns=${columns} rows=${rows} keyOf=${(key) => key.id} />`}<//>
  <//>`;
}

function NewProviderKey({ close }) {
  const [values, setValues] = useState({ provider: "", key: "", base_url: "" });
  const put = (name) => (event) => setValues((before) => ({ ...before, [name]: event.target.value }));
  const send = async () => {
    const body = { provider: values.provider.trim(), key: values.key };
    if (values.base_url.trim()) body.base_url = values.base_url.trim();
    await post("/api/admin/provider-keys", body);
    close(true);
  };
  return html`<${Dialog} title=${t("providerKeys.add")} onClose=${() => close()}>
    <${Form} onSend=${send} action=${t("save")} onCancel=${() => close()}>${(faults) => html`
      <${Field} label=${t("analytics.provider")} hint=${t("models.providerHint")} autocapitalize="none" value=${values.provider} error=${faults.provider} onInput=${put("provider")} />
      <${Field} label=${t("analytics.key")} type="password" autocomplete="off" value=${values.key} error=${faults.key} onInput=${put("key")} />
      <${Field} label=${t("providerKeys.address")} hint=${t("providerKeys.addressHint")} type="url" value=${values.base_url} error=${faults.base_url} onInput=${put("base_url")} />`}
    <//>
  <//>`;
}

export function AllKeys() {
  const list = usePages("/api/admin/keys");
  const edit = (key) => show((close) => html`<${KeyLimits} row=${key} close=${close} />`).then((done) => done && list.reload());
  const columns = [
    { name: t("keys.name"), of: (key) => html`<${Name} of=${key.name} most=${60} />` },
    { name: t("analytics.user"), of: (key) => html`<${Name} of=${key.username} most=${60} />` },
    { name: t("keys.prefix"), of: (key) => html`<code>${plainLine(key.prefix, 20)}…</code>` },
    { name: t("settings.limits"), of: (key) => limitsText(key) },
    { name: t("analytics.state"), of: (key) => html`<span class=${`tag ${key.revoked ? "bad" : "good"}`}>${t(key.revoked ? "keys.revoked" : "keys.serves")}</span>` },
    { name: "", right: true, of: (key) => !key.revoked && html`<span class="row-actions">
        <${IconButton} icon="edit" size=${16} label=${t("keys.limitsOf", { name: key.name })} onClick=${() => edit(key)} />
        <${IconButton} icon="trash" size=${16} label=${t("keys.revokeNamed", { name: key.name })}
          onClick=${() => erase(`/api/admin/keys/${encodeURIComponent(key.id)}`, t("keys.revoke"), t("keys.revokeText", { name: key.name }), list.reload)} /></span>` },
  ];
  return html`<${Section} title=${t("admin.keys")} text=${t("keys.allText")}>
    <${Pages} list=${list}>${(rows) => html`<${Table} label=${t("admin.keys")} columns=${columns} rows=${rows} keyOf=${(key) => key.id} />`}<//>
  <//>`;
}

function KeyLimits({ row, close }) {
  const [values, setValues] = useState(() => limitsOf(row));
  const send = async () => {
    await patch(`/api/admin/keys/${encodeURIComponent(row.id)}`, limitFields(values, null));
    close(true);
  };
  return html`<${Dialog} title=${t("keys.limitsOf", { name: row.name })} onClose=${() => close()}>
    <${Form} onSend=${send} action=${t("save")} onCancel=${() => close()}>${(faults) => html`<div class="form-grid">
      <${LimitFields} values=${values} onChange=${setValues} faults=${faults} /></div>`}<//>
  <//>`;
}
