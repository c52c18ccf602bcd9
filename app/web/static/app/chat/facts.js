// Under each answer: who gave it, how fast, for how much; copy, rate, ask again; and the receipt.
import { getJson } from "../core/api.js";
import { html, useState } from "../core/lib.js";
import { count, money, plainLine, span, time } from "../core/format.js";
import { toast, useStore } from "../core/store.js";
import { t } from "../strings.js";
import { copyAndSay } from "../ui/copy.js";
import { Dialog, Form, show } from "../ui/dialog.js";
import { Icon } from "../ui/icons.js";
import { OptionList } from "../ui/picker.js";
import { IconButton, Loaded, Name, errorText, useLoad } from "../ui/parts.js";
import { loadModels, modelGroups } from "./models.js";

export function Facts({ exchange }) {
  const facts = exchange.facts;
  if (!facts) return null;
  const open = () => show((close) => html`<${Receipt} id=${exchange.promptId} close=${close} />`);
  return html`<button type="button" class="facts" onClick=${open}>
    <span class="unseen">${t("facts.open")}</span>
    <span class="fact strong"><${Name} of=${facts.model} most=${60} /></span>
    ${facts.provider && html`<span class="fact"><${Name} of=${facts.provider} most=${40} /></span>`}
    ${facts.latency_ms !== undefined && html`<span class="fact">${span(facts.latency_ms)}</span>`}
    ${facts.tokens_used !== undefined && html`<span class="fact">${t("facts.tokens", { n: count(facts.tokens_used) })}</span>`}
    ${facts.cost !== undefined && html`<span class="fact">${money(facts.cost)}</span>`}
    ${facts.cached && html`<span class="tag good">${t("facts.cached")}</span>`}
    ${facts.fallback && html`<span class="tag warn">${t("facts.fallback")}</span>`}
    <span class="fact receipt-word"><${Icon} name="receipt" size=${14} />${t("facts.receipt")}</span>
  </button>`;
}

export function Actions({ exchange, thread }) {
  const busy = Boolean(thread.running);
  const rate = (stars) => rateNow(exchange, thread, stars);
  const comment = () => show((close) => html`<${RatingDialog} exchange=${exchange} thread=${thread} close=${close} />`);
  const rating = exchange.rating;
  return html`<div class="actions" role="group" aria-label=${t("answer.actions")}>
    <${IconButton} icon="copy" size=${16} label=${t("answer.copy")} onClick=${() => copyAndSay(exchange.text)} />
    <${IconButton} icon="up" size=${16} label=${t("answer.good")} pressed=${rating !== null && rating >= 4} onClick=${() => rate(5)} />
    <${IconButton} icon="down" size=${16} label=${t("answer.bad")} pressed=${rating !== null && rating <= 2} onClick=${() => rate(1)} />
    <button type="button" class="quiet small stars-button" onClick=${comment} aria-label=${t("rating.open")}>
      <${Icon} name="star" size=${16} /><span>${rating ? t("rating.given", { stars: rating }) : t("rating.rate")}</span>
    </button>
    <${IconButton} icon="again" size=${16} label=${t("answer.regenerate")} disabled=${busy} onClick=${() => again(exchange, thread)} />
  </div>`;
}

async function rateNow(exchange, thread, stars) {
  try {
    await thread.rate(exchange, stars);
    toast(t("rating.thanks"), "good");
  } catch (error) {
    toast(error.status === 404 && !error.field ? t("rating.notHere") : errorText(error), "bad");
  }
}

function RatingDialog({ exchange, thread, close }) {
  const [stars, setStars] = useState(exchange.rating || 0);
  const [words, setWords] = useState("");
  const send = async () => {
    await thread.rate(exchange, stars, words.trim());
    toast(t("rating.thanks"), "good");
    close();
  };
  return html`<${Dialog} title=${t("rating.title")} onClose=${() => close()}>
    <${Form} onSend=${send} action=${t("rating.send")} onCancel=${() => close()}>
      <fieldset class="stars">
        <legend>${t("rating.stars")}</legend>
        ${[1, 2, 3, 4, 5].map(
          (n) => html`<label class=${n <= stars ? "lit" : ""}>
            <input type="radio" name="stars" value=${n} checked=${stars === n} onChange=${() => setStars(n)} />
            <${Icon} name="star" size=${26} /><span class="unseen">${t("rating.n", { n })}</span>
          </label>`,
        )}
        <span class="stars-said" aria-hidden="true">${stars ? t(`rating.word${stars}`) : t("rating.none")}</span>
      </fieldset>
      <label class="field">${t("rating.comment")}
        <textarea rows="3" maxlength="4000" dir="auto" onInput=${(event) => setWords(event.target.value)}></textarea>
      </label>
    <//>
  <//>`;
}

/** Choose who answers anew, then ask. */
async function again(exchange, thread) {
  const model = await show((close) => html`<${AgainDialog} close=${close} now=${exchange.facts?.model} />`);
  if (model) thread.regenerate(exchange, { ...thread.fields(), model });
}

function AgainDialog({ close, now }) {
  const models = useStore((state) => state.models);
  const loading = useLoad(() => loadModels(true));
  return html`<${Dialog} title=${t("again.title")} onClose=${() => close()}>
    <p class="hint">${t("again.text")}</p>
    ${loading.error && html`<p class="fault" role="alert">${errorText(loading.error)}</p>`}
    <${OptionList} label=${t("again.title")} value=${now} groups=${models ? modelGroups(models) : null} onChoose=${close}
      onClose=${() => close()} />
  <//>`;
}

function Receipt({ id, close }) {
  const receipt = useLoad(() => getJson(`/api/requests/${encodeURIComponent(id)}`));
  return html`<${Dialog} title=${t("receipt.title")} onClose=${() => close()} wide>
    <${Loaded} from=${receipt}>${(data) => html`<${ReceiptBody} data=${data} />`}<//>
  <//>`;
}

function ReceiptBody({ data }) {
  const rows = [
    ["receipt.state", t(`stateShort.${data.state}`, {}, data.state)],
    ["receipt.model", html`<${Name} of=${data.model} /> · <${Name} of=${data.provider} />`],
    ["receipt.cost", money(data.cost)],
    ["receipt.tokens", t("receipt.tokensText", {
      total: count(data.usage.total_tokens), prompt: count(data.usage.prompt_tokens), completion: count(data.usage.completion_tokens),
    })],
    ["receipt.counted", t(`receipt.by.${data.usage_source}`, {}, data.usage_source)],
    ["receipt.first", span(data.ttft_ms)],
    ["receipt.latency", span(data.latency_ms)],
    ["receipt.cached", t(data.cached ? "yes" : "no")],
    ["receipt.fallback", t(data.fallback ? "yes" : "no")],
    ["receipt.created", time(data.created_at)],
    ["receipt.id", html`<code>${data.prompt_id}</code>`],
  ];
  return html`<dl class="receipt-facts">${rows.map(([name, value]) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl>
    <h3>${t("receipt.attempts", { n: data.attempts.length })}</h3>
    <${Waterfall} attempts=${data.attempts} whole=${data.latency_ms} />`;
}

/** Each attempt with a bar for when it ran: to the first content, and from there on. */
function Waterfall({ attempts, whole }) {
  const end = Math.max(whole || 1, ...attempts.map((one) => one.started_ms + one.latency_ms), 1);
  const x = (ms) => (100 * Math.max(0, ms)) / end;
  return html`<ol class="attempts">${attempts.map((one) => {
    const first = one.ttft_ms ?? one.latency_ms;
    return html`<li>
      <div class="attempt-head"><strong><${Name} of=${one.model} most=${60} /></strong><span><${Name} of=${one.provider} /></span>
        ${one.key && html`<code>${plainLine(one.key, 40)}</code>`}
        <span class=${`tag ${one.error ? "warn" : "good"}`}>${one.error ? t(`attempt.${one.error}`, {}, one.error) : t("attempt.ok")}</span>
        ${one.status && html`<span class="hint">HTTP ${one.status}</span>`}</div>
      <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img"
        aria-label=${t("receipt.bar", { from: span(one.started_ms), long: span(one.latency_ms) })}>
        <rect class="bar-ground" width="100" height="6" rx="1" />
        <rect class="bar-wait" x=${x(one.started_ms)} width=${Math.max(0.6, x(first))} height="6" />
        <rect class="bar-flow" x=${x(one.started_ms + first)} width=${x(one.latency_ms - first)} height="6" />
      </svg>
      <p class="hint">${t("receipt.bar", { from: span(one.started_ms), long: span(one.latency_ms) })} · ${plainLine(one.reason, 200)}
        ${one.next ? ` → ${t(`next.${one.next}`, {}, one.next)}` : ""}</p>
    </li>`;
  })}</ol>`;
}
