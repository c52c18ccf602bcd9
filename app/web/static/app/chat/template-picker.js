// A template for the next question: chosen from its category, its variables filled in, seen before it is sent.
import { getJson, post } from "../core/api.js";
import { html, useEffect, useState } from "../core/lib.js";
import { t } from "../strings.js";
import { Dialog, Form } from "../ui/dialog.js";
import { Empty, Field, Loaded, Name, errorText, useLoad } from "../ui/parts.js";

/** All templates, page after page. */
export async function allTemplates() {
  const found = [];
  for (let cursor = ""; cursor !== null && found.length < 1000; ) {
    const page = await getJson("/api/templates", { limit: 100, cursor });
    found.push(...page.items);
    cursor = page.next_cursor;
  }
  return found;
}

export function byCategory(templates) {
  const groups = new Map();
  for (const one of templates) {
    const name = one.category || t("templates.uncategorised");
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(one);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

/** Resolves with {id, name, vars, text} by `close`. */
export function TemplatePicker({ close }) {
  const templates = useLoad(allTemplates);
  const [chosen, setChosen] = useState(null);
  return html`<${Dialog} title=${chosen ? chosen.name : t("templates.pick")} onClose=${() => close()} wide>
    ${chosen
      ? html`<${Variables} template=${chosen} onBack=${() => setChosen(null)} onDone=${close} action=${t("templates.use")} />`
      : html`<${Loaded} from=${templates}>${(rows) => html`<${Choose} rows=${rows} onChoose=${setChosen} />`}<//>`}
  <//>`;
}

function Choose({ rows, onChoose }) {
  if (!rows.length) return html`<${Empty} icon="template" title=${t("templates.none")} text=${t("templates.noneText")} />`;
  return html`<div class="template-choice">
    ${byCategory(rows).map(
      ([category, ones]) => html`<section aria-label=${category}><h3><${Name} of=${category} /></h3>
        <ul class="cards">${ones.map(
          (one) => html`<li><button type="button" class="card" onClick=${() => onChoose(one)}>
            <strong><${Name} of=${one.name} most=${80} /></strong><span class="card-text">${one.content.slice(0, 140)}</span>
          </button></li>`,
        )}</ul></section>`,
    )}
  </div>`;
}

export function startValues(variables) {
  return Object.fromEntries((variables || []).map((one) => [one.name, one.default ?? (one.type === "boolean" ? false : "")]));
}

/** What the form holds, as the types that the variables have; what is left empty is left out. */
export function typedValues(variables, values) {
  const typed = {};
  for (const one of variables || []) {
    const value = values[one.name];
    if (one.type === "boolean") typed[one.name] = Boolean(value);
    else if (value !== "" && value !== null && value !== undefined) typed[one.name] = one.type === "number" ? Number(value) : value;
  }
  return typed;
}

export function Variables({ template, onBack, onDone, action }) {
  const variables = template.variables || [];
  const [values, setValues] = useState(() => startValues(variables));
  const [seen, setSeen] = useState({ text: null, error: null });
  const vars = typedValues(variables, values);
  const preview = () => post(`/api/templates/${encodeURIComponent(template.id)}/preview`, { template_vars: vars });
  useEffect(() => {
    let late = false;
    const wait = setTimeout(() => {
      preview().then(
        (data) => !late && setSeen({ text: data.text, error: null }),
        (error) => !late && setSeen({ text: null, error }),
      );
    }, 250);
    return () => {
      late = true;
      clearTimeout(wait);
    };
  }, [JSON.stringify(vars)]);
  const send = async () => {
    const { text } = await preview();
    onDone({ id: template.id, name: template.name, vars, text });
  };
  return html`<${Form} onSend=${send} action=${action} onCancel=${onBack}>
    ${!variables.length && html`<p class="hint">${t("templates.noVariables")}</p>`}
    ${variables.map(
      (one) => html`<${VariableField} key=${one.name} variable=${one} value=${values[one.name]}
        onChange=${(value) => setValues((before) => ({ ...before, [one.name]: value }))} />`,
    )}
    <section class="preview" aria-label=${t("templates.preview")}>
      <h3>${t("templates.preview")}</h3>
      ${seen.error ? html`<p class="hint">${errorText(seen.error)}</p>` : html`<p class="plain" dir="auto">${seen.text ?? "…"}</p>`}
    </section>
  <//>`;
}

function VariableField({ variable, value, onChange }) {
  const set = (event) => onChange(event.target.value);
  if (variable.type === "boolean") {
    return html`<label class="check"><input type="checkbox" checked=${value} onChange=${(event) => onChange(event.target.checked)} />
      <span>${variable.name}</span></label>`;
  }
  return html`<${Field} label=${variable.name}>${(marks) =>
    variable.type === "choice"
      ? html`<select ...${marks} onChange=${set}>
          <option value="">–</option>
          ${(variable.choices || []).map((one) => html`<option value=${one} selected=${one === value}>${one}</option>`)}
        </select>`
      : variable.type === "number"
        ? html`<input type="number" step="any" ...${marks} value=${value} onInput=${set} />`
        : html`<textarea rows="2" dir="auto" ...${marks} onInput=${set}>${value}</textarea>`}<//>`;
}
