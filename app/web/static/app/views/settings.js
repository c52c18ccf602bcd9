// One's own things: profile, API keys, memory, looks.
import { getJson, patch, post, remove } from "../core/api.js";
import { html, useState } from "../core/lib.js";
import { day, money, plainLine, time } from "../core/format.js";
import { chatPath } from "../core/router.js";
import { takeUser } from "../core/session.js";
import { toast } from "../core/store.js";
import { t } from "../strings.js";
import { copyAndSay } from "../ui/copy.js";
import { confirm, Dialog, Form, show } from "../ui/dialog.js";
import { Icon } from "../ui/icons.js";
import { LimitFields, limitFields, limitsOf, limitsText } from "../ui/limits.js";
import { Page, Pages, Section, Table, Tabs, usePages, useTab } from "../ui/page.js";
import { Empty, Field, IconButton, Loaded, Name, errorText, useLoad } from "../ui/parts.js";
import { setTheme, theme } from "../ui/theme.js";

const TABS = [["profile", t("settings.profile")], ["keys", t("settings.keys")], ["memory", t("settings.memory")]];

export default function SettingsView() {
  const tab = useTab(TABS);
  const tabs = html`<${Tabs} base="/app/settings" names=${TABS} current=${tab} label=${t("place.settings")} />`;
  return html`<${Page} title=${t("place.settings")} tabs=${tabs}>
    ${tab === "profile" && html`<${Profile} />`}${tab === "keys" && html`<${Keys} />`}${tab === "memory" && html`<${Memory} />`}
  <//>`;
}

function Profile() {
  const profile = useLoad(() => getJson("/api/profile"));
  const [now, setNow] = useState(theme());
  return html`<${Loaded} from=${profile}>${(user) => html`
    <${Section} title=${t("settings.you")}>
      <dl class="receipt-facts">
        <div><dt>${t("auth.username")}</dt><dd><${Name} of=${user.username} /></dd></div>
        <div><dt>${t("settings.role")}</dt><dd>${user.role}</dd></div>
        <div><dt>${t("settings.since")}</dt><dd>${day(user.created_at)}</dd></div>
        <div><dt>${t("settings.limits")}</dt><dd>${limitsText(user)}</dd></div>
        ${user.budget && html`<div><dt>${t("settings.left")}</dt><dd>${money(user.left)}</dd></div>`}
      </dl>
    <//>
    <${Section} title=${t("settings.looks")}>
      <div class="choices" role="radiogroup" aria-label=${t("settings.looks")}>
        ${["auto", "light", "dark"].map((name) => html`<label class=${`choice ${now === name ? "on" : ""}`}>
          <input type="radio" name="theme" checked=${now === name} onChange=${() => {
            setTheme(name);
            setNow(name);
          }} /><span>${t(`theme.${name}`)}</span></label>`)}
      </div>
    <//>
    <${Section} title=${t("settings.email")}><${EmailForm} user=${user} /><//>
    <${Section} title=${t("settings.password")}><${PasswordForm} /><//>
  `}<//>`;
}

function EmailForm({ user }) {
  const [email, setEmail] = useState(user.email || "");
  const send = async () => {
    takeUser(await patch("/api/profile", { email }));
    toast(t("settings.saved"), "good");
  };
  return html`<div class="narrow"><${Form} onSend=${send} action=${t("save")}>${(faults) => html`<${Field} label=${t("auth.email")} type="email" autocomplete="email"
    value=${email} error=${faults.email} onInput=${(event) => setEmail(event.target.value)} />`}<//></div>`;
}

function PasswordForm() {
  const empty = { current_password: "", password: "" };
  const [values, setValues] = useState(empty);
  const put = (name) => (event) => setValues((before) => ({ ...before, [name]: event.target.value }));
  const send = async () => {
    await patch("/api/profile", values);
    setValues(empty);
    toast(t("settings.saved"), "good");
  };
  return html`<div class="narrow"><${Form} onSend=${send} action=${t("settings.changePassword")}>${(faults) => html`
    <${Field} label=${t("settings.current")} type="password" autocomplete="current-password" value=${values.current_password}
      error=${faults.current_password} onInput=${put("current_password")} />
    <${Field} label=${t("settings.new")} type="password" autocomplete="new-password" hint=${t("auth.passwordRule")} value=${values.password}
      error=${faults.password} onInput=${put("password")} />`}<//></div>`;
}

function Keys() {
  const list = usePages("/api/keys");
  const make = () => show((close) => html`<${NewKey} close=${close} />`).then((made) => made && list.reload());
  const revoke = async (key) => {
    if (!(await confirm({ title: t("keys.revoke"), text: t("keys.revokeText", { name: key.name }), action: t("keys.revoke") }))) return;
    try {
      await remove(`/api/keys/${encodeURIComponent(key.id)}`);
      list.reload();
    } catch (error) {
      toast(errorText(error), "bad");
    }
  };
  const columns = [
    { name: t("keys.name"), of: (key) => html`<${Name} of=${key.name} most=${60} />` },
    { name: t("keys.prefix"), of: (key) => html`<code>${plainLine(key.prefix, 20)}…</code>` },
    { name: t("settings.limits"), of: (key) => limitsText(key) },
    { name: t("keys.expires"), of: (key) => (key.expires_at ? time(key.expires_at) : t("keys.never")) },
    { name: "", right: true, of: (key) => html`<${IconButton} icon="trash" size=${16} label=${t("keys.revokeNamed", { name: key.name })} onClick=${() => revoke(key)} />` },
  ];
  const action = html`<button type="button" class="primary" onClick=${make}><${Icon} name="plus" size=${16} />${t("keys.new")}</button>`;
  return html`<${Section} title=${t("settings.keys")} text=${t("keys.text")} actions=${action}>
    <${Pages} list=${list} empty=${html`<${Empty} icon="key" title=${t("keys.none")} text=${t("keys.noneText")} />`}>${(rows) =>
      html`<${Table} label=${t("settings.keys")} columns=${columns} rows=${rows} keyOf=${(key) => key.id} />`}<//>
  <//>`;
}

function NewKey({ close }) {
  const [values, setValues] = useState({ name: "", models: "", expires_at: "", ...limitsOf(null) });
  const [made, setMade] = useState(null);
  const put = (name) => (event) => setValues((before) => ({ ...before, [name]: event.target.value }));
  const send = async () => {
    const models = values.models.split(",").map((one) => one.trim()).filter(Boolean);
    const body = { name: values.name.trim(), ...limitFields(values, undefined) };
    if (models.length) body.models = models;
    if (values.expires_at) body.expires_at = new Date(values.expires_at).toISOString();
    setMade(await post("/api/keys", body));
  };
  if (made) return html`<${ShownOnce} made=${made} close=${() => close(true)} />`;
  return html`<${Dialog} title=${t("keys.new")} onClose=${() => close()} wide>
    <${Form} onSend=${send} action=${t("keys.make")} onCancel=${() => close()}>${(faults) => html`<div class="form-grid">
      <${Field} wide label=${t("keys.name")} maxlength="128" value=${values.name} error=${faults.name} onInput=${put("name")} />
      <${LimitFields} values=${values} onChange=${setValues} faults=${faults} />
      <${Field} label=${t("keys.expires")} type="datetime-local" value=${values.expires_at} error=${faults.expires_at} onInput=${put("expires_at")} />
      <${Field} wide label=${t("keys.models")} hint=${t("keys.modelsHint")} value=${values.models} error=${faults.models} onInput=${put("models")} />
    </div>`}<//>
  <//>`;
}

/** A new key, the only time it is seen. */
export function ShownOnce({ made, close }) {
  return html`<${Dialog} title=${t("keys.made")} onClose=${close}>
    <p>${t("keys.once")}</p>
    <p class="secret"><code data-testid="new-key">${made.key}</code></p>
    <div class="dialog-foot">
      <button type="button" onClick=${() => copyAndSay(made.key)}><${Icon} name="copy" size=${16} />${t("text.copy")}</button>
      <button type="button" class="primary" onClick=${close}>${t("keys.kept")}</button>
    </div>
  <//>`;
}

function Memory() {
  const [wanted, setWanted] = useState("");
  const [asked, setAsked] = useState("");
  const list = usePages("/api/memory", { q: asked });
  const forget = async (path, words) => {
    if (!(await confirm({ title: t("memory.forget"), text: words, action: t("memory.forget") }))) return;
    try {
      await remove(path);
      list.reload();
    } catch (error) {
      toast(errorText(error), "bad");
    }
  };
  const all = html`<button type="button" onClick=${() => forget("/api/memory", t("memory.forgetAllText"))}>${t("memory.forgetAll")}</button>`;
  return html`<${Section} title=${t("settings.memory")} text=${t("memory.text")} actions=${all}>
    <form class="narrow" role="search" onSubmit=${(event) => {
      event.preventDefault();
      setAsked(wanted.trim());
    }}><${Field} label=${t("memory.search")} type="search" value=${wanted} onInput=${(event) => setWanted(event.target.value)} /></form>
    <${Pages} list=${list} empty=${html`<${Empty} icon="memory" title=${t("memory.none")} text=${t("memory.noneText")} />`}>${(rows) => html`
      <ul class="memories">${rows.map((row) => html`<li key=${row.id}>
        <div><p class="memory-question"><${Name} of=${row.question} most=${300} /></p><p class="card-text" dir="auto">${plainLine(row.answer, 400)}</p>
          <p class="hint">${time(row.created_at)} · <a href=${chatPath(row.conversation_id)}>${t("memory.open")}</a></p></div>
        <${IconButton} icon="trash" size=${16} label=${t("memory.forget")} onClick=${() => forget(`/api/memory/${encodeURIComponent(row.id)}`, t("memory.forgetText"))} />
      </li>`)}</ul>`}<//>
  <//>`;
}
