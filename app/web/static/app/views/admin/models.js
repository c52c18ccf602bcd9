// Models: listed, added, changed, tried with one tiny question.
import { patch, post, remove } from "../../core/api.js";
import { html, useState } from "../../core/lib.js";
import { count, money, plainLine, span } from "../../core/format.js";
import { toast } from "../../core/store.js";
import { t } from "../../strings.js";
import { Check } from "../../chat/options.js";
import { loadModels } from "../../chat/models.js";
import { confirm, Dialog, Form, show } from "../../ui/dialog.js";
import { Icon } from "../../ui/icons.js";
import { Menu } from "../../ui/menu.js";
import { Pages, Section, Table, usePages } from "../../ui/page.js";
import { Field, Name, errorText } from "../../ui/parts.js";

const INPUTS = ["text", "image", "video", "audio", "file"];
// An id is PROVIDER/NAME; its slashes are part of the address.
const pathOf = (model) => `/api/admin/models/${model.id.split("/").map(encodeURIComponent).join("/")}`;

export function Models() {
  const list = usePages("/api/admin/models", { limit: 100 });
  const changed = () => {
    list.reload();
    loadModels(true).catch(() => {});
  };
  const edit = (model) => show((close) => html`<${Editor} model=${model} close=${close} />`).then((done) => done && changed());
  const columns = [
    { name: t("models.name"), of: (model) => html`<${Name} of=${model.name} most=${70} />` },
    { name: t("analytics.provider"), of: (model) => html`<${Name} of=${model.provider} most=${40} />` },
    { name: t("models.in"), of: (model) => model.modalities.in.join(", ") },
    { name: t("models.windowName"), right: true, of: (model) => count(model.context_window) },
    { name: t("models.priceName"), right: true, of: (model) => (model.price ? `${money(model.price.input)} / ${money(model.price.output)}` : t("cost.unknown")) },
    { name: t("analytics.state"), of: (model) => stateOf(model) },
    { name: "", right: true, of: (model) => html`<${Menu} label=${t("models.actions", { name: model.name })} items=${actionsOf(model, edit, changed)} />` },
  ];
  const add = html`<button type="button" class="primary" onClick=${() => edit(null)}><${Icon} name="plus" size=${16} />${t("models.add")}</button>`;
  return html`<${Section} title=${t("admin.models")} text=${t("models.text")} actions=${add}>
    <${Pages} list=${list}>${(rows) => html`<${Table} label=${t("admin.models")} columns=${columns} rows=${rows} keyOf=${(model) => model.id} />`}<//>
  <//>`;
}

function stateOf(model) {
  if (model.available) return html`<span class="tag good">${t("models.on")}</span>`;
  return html`<span class="tag warn">${model.active ? t("models.away") : t("models.off")}</span> <span class="hint">${plainLine(model.reason, 80)}</span>`;
}

function actionsOf(model, edit, changed) {
  const said = (work) => work().then(changed, (error) => toast(errorText(error), "bad"));
  return [
    { label: t("models.test"), icon: "fresh", run: () => test(model) },
    { label: t("models.edit"), icon: "edit", run: () => edit(model) },
    { label: t(model.active ? "models.switchOff" : "models.switchOn"), icon: "check", run: () => said(() => patch(pathOf(model), { active: !model.active })) },
    null,
    {
      label: t("delete"), icon: "trash", danger: true,
      run: async () => {
        const sure = await confirm({ title: t("models.delete"), text: t("models.deleteText", { name: model.name }), action: t("delete") });
        if (sure) said(() => remove(pathOf(model)));
      },
    },
  ];
}

async function test(model) {
  toast(t("models.testing", { name: plainLine(model.name, 60) }));
  try {
    const told = await post(`${pathOf(model)}/test`, undefined, { patient: true });
    toast(t("models.tested", { name: plainLine(model.name, 60), ms: span(told.latency_ms), text: plainLine(told.text, 80) }), "good");
  } catch (error) {
    toast(t("models.testFailed", { name: plainLine(model.name, 60), why: errorText(error) }), "bad");
  }
}

function startOf(model) {
  return {
    name: model?.name || "", provider: model?.provider || "", base_url: model?.base_url || "", api_key: "",
    price_input: model?.price?.input ?? "", price_output: model?.price?.output ?? "", context_window: model?.context_window ?? "",
    rpm: model?.rpm ?? "", tpm: model?.tpm ?? "", inputs: model?.modalities.in || ["text"], active: model?.active ?? true, verify: !model,
  };
}

/** Only what was filled in, or differs from what was there. */
function bodyOf(values, model) {
  const start = startOf(model);
  const body = { verify: values.verify };
  const changed = (name) => !model || String(values[name]) !== String(start[name]);
  if (!model) Object.assign(body, { name: values.name.trim(), provider: values.provider.trim() });
  if (values.base_url.trim() && changed("base_url")) body.base_url = values.base_url.trim();
  if (values.api_key) body.api_key = values.api_key;
  if (values.price_input !== "" && values.price_output !== "" && (changed("price_input") || changed("price_output"))) {
    body.price_input = Number(values.price_input);
    body.price_output = Number(values.price_output);
  }
  for (const name of ["context_window", "rpm", "tpm"]) {
    if (changed(name) && (values[name] !== "" || model)) body[name] = values[name] === "" ? null : Number(values[name]);
  }
  if (model ? values.inputs.join() !== start.inputs.join() : values.inputs.join() !== "text") {
    body.modalities = { in: values.inputs, out: model?.modalities.out || ["text"] };
  }
  if (model && values.active !== model.active) body.active = values.active;
  return body;
}

function Editor({ model, close }) {
  const [values, setValues] = useState(() => startOf(model));
  const put = (name) => (event) => setValues((before) => ({ ...before, [name]: event.target.value }));
  const flag = (name) => (on) => setValues((before) => ({ ...before, [name]: on }));
  const sees = (kind) => (on) =>
    setValues((before) => ({ ...before, inputs: INPUTS.filter((one) => (one === kind ? on : before.inputs.includes(one))) }));
  const send = async () => {
    if (model) await patch(pathOf(model), bodyOf(values, model));
    else await post("/api/admin/models", bodyOf(values, null), { patient: true });
    toast(t("models.saved"), "good");
    close(true);
  };
  return html`<${Dialog} title=${model ? model.name : t("models.add")} onClose=${() => close()} wide>
    <${Form} onSend=${send} action=${t("save")} onCancel=${() => close()}>${(faults) => html`<div class="form-grid">
      ${!model && html`
        <${Field} label=${t("models.name")} value=${values.name} error=${faults.name} onInput=${put("name")} />
        <${Field} label=${t("analytics.provider")} hint=${t("models.providerHint")} value=${values.provider} autocapitalize="none" error=${faults.provider} onInput=${put("provider")} />`}
      <${Field} wide label=${t("models.baseUrl")} hint=${t("models.baseUrlHint")} type="url" value=${values.base_url} error=${faults.base_url} onInput=${put("base_url")} />
      <${Field} wide label=${t("models.apiKey")} hint=${t("models.apiKeyHint")} type="password" autocomplete="off" value=${values.api_key} error=${faults.api_key} onInput=${put("api_key")} />
      <${Field} label=${t("models.priceIn")} type="number" min="0" step="any" value=${values.price_input} error=${faults.price_input || faults.price} onInput=${put("price_input")} />
      <${Field} label=${t("models.priceOut")} type="number" min="0" step="any" value=${values.price_output} error=${faults.price_output} onInput=${put("price_output")} />
      <${Field} label=${t("models.windowName")} type="number" min="1" value=${values.context_window} error=${faults.context_window} onInput=${put("context_window")} />
      <${Field} label=${t("limits.rpm")} type="number" min="0" value=${values.rpm} error=${faults.rpm} onInput=${put("rpm")} />
      <${Field} label=${t("limits.tpm")} type="number" min="0" value=${values.tpm} error=${faults.tpm} onInput=${put("tpm")} />
      <fieldset class="wide choices"><legend>${t("models.in")}</legend>
        ${INPUTS.map((kind) => html`<${Check} label=${kind} on=${values.inputs.includes(kind)} onChange=${sees(kind)} />`)}</fieldset>
      ${model && html`<${Check} label=${t("models.active")} on=${values.active} onChange=${flag("active")} />`}
      <${Check} label=${t("models.verify")} hint=${t("models.verifyHint")} on=${values.verify} onChange=${flag("verify")} />
    </div>`}<//>
  <//>`;
}
