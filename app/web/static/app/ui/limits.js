// Fields for limits and budgets, the same for keys, users and the installation.
import { html } from "../core/lib.js";
import { count, money } from "../core/format.js";
import { t } from "../strings.js";
import { Field } from "./parts.js";

const NUMBERS = ["rpm", "tpm", "concurrency"];
const PERIODS = ["day", "month", "total"];

/** What the form begins with. */
export function limitsOf(row) {
  return {
    rpm: row?.rpm ?? "", tpm: row?.tpm ?? "", concurrency: row?.concurrency ?? "",
    amount: row?.budget?.amount ?? "", period: row?.budget?.period ?? "month",
  };
}

/** As the API takes them. empty: what stands for a limit that is left empty (null takes it away, undefined leaves it). */
export function limitFields(values, empty) {
  const fields = {};
  for (const name of NUMBERS) {
    if (name in values) fields[name] = values[name] === "" ? empty : Number(values[name]);
  }
  fields.budget = values.amount === "" ? empty : { amount: Number(values.amount), period: values.period };
  return fields;
}

export function LimitFields({ values, onChange, faults = {}, budgetOnly }) {
  const put = (name) => (event) => onChange({ ...values, [name]: event.target.value });
  return html`${!budgetOnly &&
    NUMBERS.map((name) => html`<${Field} label=${t(`limits.${name}`)} type="number" min="0" step="1" placeholder=${t("limits.none")}
      value=${values[name]} error=${faults[name]} onInput=${put(name)} />`)}
    <${Field} label=${t("limits.amount")} type="number" min="0" step="any" placeholder=${t("limits.none")} value=${values.amount}
      error=${faults.budget || faults["budget.amount"]} onInput=${put("amount")} />
    <${Field} label=${t("limits.period")}>${(marks) => html`<select ...${marks} onChange=${put("period")}>
      ${PERIODS.map((one) => html`<option value=${one} selected=${one === values.period}>${t(`period.${one}`)}</option>`)}</select>`}<//>`;
}

/** The limits of a row in a line. */
export function limitsText(row) {
  const parts = NUMBERS.filter((name) => row[name] !== null && row[name] !== undefined).map((name) => t(`limits.${name}Short`, { n: count(row[name]) }));
  if (row.budget) parts.push(t("limits.budgetShort", { left: money(row.left), amount: money(row.budget.amount), period: t(`period.${row.budget.period}`) }));
  return parts.length ? parts.join(" · ") : t("limits.noneSet");
}
