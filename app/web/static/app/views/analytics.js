// What was used: by day and by model, how fast, for how much, how well rated; for an admin by user and key too.
import { getJson } from "../core/api.js";
import { html, useState } from "../core/lib.js";
import { count, money, plainLine, short, span, time } from "../core/format.js";
import { useStore } from "../core/store.js";
import { t } from "../strings.js";
import { Chart } from "../ui/chart.js";
import { Page, Section, Table } from "../ui/page.js";
import { Empty, Loaded, Name, useLoad } from "../ui/parts.js";

const RANGES = [7, 30, 90];

export default function AnalyticsView() {
  const admin = useStore((state) => state.session.user?.role === "admin");
  const [days, setDays] = useState(30);
  const numbers = useLoad(() => ask(days, admin), [days]);
  const range = html`<label class="inline-field"><span class="unseen">${t("analytics.range")}</span>
    <select onChange=${(event) => setDays(Number(event.target.value))}>
      ${RANGES.map((n) => html`<option value=${n} selected=${n === days}>${t("analytics.days", { n })}</option>`)}
    </select></label>`;
  return html`<${Page} title=${t("place.analytics")} actions=${range}>
    <${Loaded} from=${numbers} lines=${10}>${(data) => html`<${Numbers} data=${data} admin=${admin} />`}<//>
  <//>`;
}

/** Days of UTC up to the server's today: its clock says which day it is, by the newest row or by its Date header. */
async function ask(days, admin) {
  const today = await serverDay();
  const first = new Date(Date.parse(today) - (days - 1) * 86_400_000).toISOString().slice(0, 10);
  const rows = (group_by) => getJson("/api/usage", { from: first, to: today, group_by }).then((found) => found.rows);
  const [byDay, byModel, byKey, byUser, stats, profile, budget] = await Promise.all([
    rows("day"), rows("model"), rows("key"), admin ? rows("user") : [], getJson("/stats"), getJson("/api/profile"),
    admin ? getJson("/api/admin/budget") : null,
  ]);
  return { byDay: filled(byDay, first, today), byModel, byKey, byUser, stats, profile, budget };
}

async function serverDay() {
  const reply = await fetch("/api/health", { cache: "no-store" });
  const said = new Date(reply.headers.get("date") || Date.now());
  return said.toISOString().slice(0, 10);
}

function filled(rows, first, last) {
  const known = new Map(rows.map((row) => [row.day, row]));
  const all = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    all.push(known.get(day) || { day, requests: 0, total_tokens: 0, cost: 0, latency_ms: {}, ttft_ms: {} });
  }
  return all;
}

function Numbers({ data, admin }) {
  const { byDay, byModel, stats } = data;
  const sum = (name) => byDay.reduce((all, row) => all + (row[name] || 0), 0);
  if (!stats.total_prompts) return html`<${Empty} icon="chart" title=${t("analytics.none")} text=${t("analytics.noneText")} />`;
  const facts = [
    ["analytics.requests", count(sum("requests"))],
    ["analytics.tokens", short(sum("total_tokens"))],
    ["analytics.cost", money(sum("cost"))],
    ["analytics.latency", span(stats.average_latency_ms)],
    ["analytics.rating", stats.average_rating === null ? "–" : t("analytics.ofFive", { n: stats.average_rating.toFixed(2) })],
    ["analytics.fallbacks", count(stats.fallback_count)],
    ["analytics.hits", count(stats.cache_hits)],
  ];
  const days = byDay.map((row) => Date.parse(row.day) / 1000);
  const pick = (of) => byDay.map(of);
  return html`
    <dl class="facts-row">${facts.map(([name, value]) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl>
    <p class="hint">${t("analytics.since")}</p>
    <div class="charts">
      <${Chart} title=${t("analytics.byDay")} x=${days} bars series=${[{ name: t("analytics.requests"), values: pick((row) => row.requests), show: count }]} />
      <${Chart} title=${t("analytics.costByDay")} x=${days} bars series=${[{ name: t("analytics.cost"), values: pick((row) => row.cost), show: money }]} />
      <${Chart} title=${t("analytics.latencyByDay")} x=${days} series=${["p50", "p95", "p99"].map((share) => ({
        name: share, values: pick((row) => row.latency_ms?.[share] ?? null), show: span,
      }))} />
      <${Chart} title=${t("analytics.ttftByDay")} x=${days} series=${["p50", "p95", "p99"].map((share) => ({
        name: share, values: pick((row) => row.ttft_ms?.[share] ?? null), show: span,
      }))} />
    </div>
    <${Section} title=${t("analytics.byModel")}>
      <${UsageTable} label=${t("analytics.byModel")} group="model" name=${t("analytics.model")} rows=${byModel} ratings=${stats.model_ratings} /><//>
    <${Budgets} data=${data} />
    <${Section} title=${t("analytics.byKey")}>
      <${UsageTable} label=${t("analytics.byKey")} group="key" name=${t("analytics.key")} rows=${data.byKey} /><//>
    ${admin && html`<${Section} title=${t("analytics.byUser")}>
      <${UsageTable} label=${t("analytics.byUser")} group="user" name=${t("analytics.user")} rows=${data.byUser} /><//>`}
    ${stats.api_key_stats && html`<${Section} title=${t("analytics.providerKeys")}><${ProviderKeys} rows=${stats.api_key_stats} /><//>`}
  `;
}

function UsageTable({ label, group, name, rows, ratings }) {
  if (!rows.length) return html`<p class="hint">${t("list.none")}</p>`;
  const called = (row) => (group === "key" ? row.name || t("analytics.noKey") : row[group]);
  const columns = [
    { name, of: (row) => html`<${Name} of=${called(row)} most=${80} />` },
    { name: t("analytics.requests"), right: true, of: (row) => count(row.requests) },
    { name: t("analytics.tokensIn"), right: true, of: (row) => short(row.prompt_tokens) },
    { name: t("analytics.tokensOut"), right: true, of: (row) => short(row.completion_tokens) },
    { name: t("analytics.cost"), right: true, of: (row) => money(row.cost) },
    { name: "p50", right: true, of: (row) => span(row.latency_ms.p50) },
    { name: "p95", right: true, of: (row) => span(row.latency_ms.p95) },
    { name: "p99", right: true, of: (row) => span(row.latency_ms.p99) },
  ];
  if (ratings) columns.push({ name: t("analytics.rating"), right: true, of: (row) => (ratings[row.model] ? `★ ${ratings[row.model].toFixed(1)}` : "–") });
  return html`<${Table} label=${label} columns=${columns} rows=${[...rows].sort((a, b) => b.requests - a.requests)} keyOf=${(row) => row[group] ?? ""} />`;
}

function Budgets({ data }) {
  const mine = data.profile.budget && { name: t("analytics.mine"), ...data.profile };
  const all = data.budget?.budget && { name: t("analytics.everybody"), ...data.budget };
  const rows = [mine, all].filter(Boolean);
  if (!rows.length) return null;
  return html`<${Section} title=${t("analytics.budgets")}>
    <ul class="budgets">${rows.map((row) => html`<li><strong>${row.name}</strong>
      <meter min="0" max=${row.budget.amount || 1} value=${row.left} aria-label=${row.name}></meter>
      <span>${t("analytics.left", { left: money(row.left), amount: money(row.budget.amount), period: t(`period.${row.budget.period}`) })}</span></li>`)}</ul>
  <//>`;
}

function ProviderKeys({ rows }) {
  const columns = [
    { name: t("analytics.provider"), of: (row) => row.provider },
    { name: t("analytics.key"), of: (row) => html`<code>${plainLine(row.key, 40)}</code>` },
    { name: t("analytics.uses"), right: true, of: (row) => count(row.usage_count) },
    { name: t("analytics.state"), of: (row) => keyState(row) },
    { name: t("analytics.lastError"), of: (row) => (row.last_error ? plainLine(row.last_error, 80) : "–") },
  ];
  return html`<${Table} label=${t("analytics.providerKeys")} columns=${columns} rows=${rows} keyOf=${(row) => row.provider + row.key} />`;
}

function keyState(row) {
  if (row.cooling_until) return html`<span class="tag warn">${t("analytics.cooling", { until: time(row.cooling_until) })}</span>`;
  return row.is_current ? html`<span class="tag good">${t("analytics.next")}</span>` : "–";
}
