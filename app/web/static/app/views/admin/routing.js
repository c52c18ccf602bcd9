// What the learned strategy believes: of each kind of task and model how likely it satisfies, and why it is asked or not.
import { getJson } from "../../core/api.js";
import { html, useState } from "../../core/lib.js";
import { count, money, plainLine, span } from "../../core/format.js";
import { t } from "../../strings.js";
import { Section, Table } from "../../ui/page.js";
import { Loaded, Name, useLoad } from "../../ui/parts.js";

const FIRST = 6;

export function Routing() {
  const beliefs = useLoad(() => getJson("/api/admin/routing"));
  return html`<${Loaded} from=${beliefs}>${(data) => html`
    <${Section} title=${t("admin.routing")} text=${t("routing.text")}>
      <dl class="receipt-facts">
        <div><dt>${t("routing.strategy")}</dt><dd>${t(`strategy.${data.strategy}`, {}, data.strategy)}</dd></div>
        <div><dt>${t("routing.weightCost")}</dt><dd>${data.weights.cost}</dd></div>
        <div><dt>${t("routing.weightLatency")}</dt><dd>${data.weights.latency}</dd></div>
      </dl>
    <//>
    ${data.kinds.map((one) => html`<${Kind} key=${one.kind} kind=${one} />`)}`}<//>`;
}

function Kind({ kind }) {
  const [all, setAll] = useState(false);
  const rows = [...kind.models].sort((a, b) => b.share - a.share || b.value - a.value);
  const columns = [
    { name: t("analytics.model"), of: (row) => html`<${Name} of=${row.model} most=${60} /> <span class="hint">${plainLine(row.provider, 30)}</span>` },
    { name: t("routing.belief"), of: (row) => html`<${Belief} row=${row} />` },
    { name: t("routing.share"), right: true, of: (row) => `${Math.round(100 * row.share)} %` },
    { name: t("routing.samples"), right: true, of: (row) => count(row.samples) },
    { name: t("analytics.cost"), right: true, of: (row) => money(row.cost) },
    { name: t("receipt.latency"), right: true, of: (row) => span(row.latency_ms) },
    { name: t("routing.why"), of: (row) => html`<span class="hint">${plainLine(row.why, 200)}</span>` },
  ];
  const name = plainLine(kind.kind, 40);
  return html`<${Section} title=${name} text=${t(kind.auto ? "routing.auto" : "routing.notYet")}>
    <${Table} label=${t("routing.of", { kind: name })} columns=${columns} rows=${all ? rows : rows.slice(0, FIRST)} keyOf=${(row) => `${row.provider}/${row.model}`} />
    ${!all && rows.length > FIRST && html`<p><button type="button" class="small" onClick=${() => setAll(true)}>${t("routing.all", { n: rows.length })}</button></p>`}
  <//>`;
}

/** The mean as a mark on the band that it lies in on 95 %. */
function Belief({ row }) {
  const said = t("routing.band", { mean: row.mean.toFixed(2), low: row.low.toFixed(2), high: row.high.toFixed(2) });
  return html`<svg class="belief" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=${said}>
    <rect class="bar-ground" y="2" width="100" height="4" rx="1" />
    <rect class="belief-band" x=${100 * row.low} y="2" width=${Math.max(1, 100 * (row.high - row.low))} height="4" />
    <rect class="bar-flow" x=${Math.max(0, 100 * row.mean - 1)} width="2" height="8" />
  </svg><span class="hint">${row.mean.toFixed(2)}</span>`;
}
