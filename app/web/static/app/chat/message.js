// A question and its answer, drawn. It watches its exchange and nothing else, so a growing answer moves no other.
import { html, Component, useEffect, useRef, useState } from "../core/lib.js";
import { plainLine } from "../core/format.js";
import { t } from "../strings.js";
import { showOwn } from "../text/dress.js";
import { Markdown, SHOWN_FIRST } from "../text/view.js";
import { copyAndSay } from "../ui/copy.js";
import { Icon, Mark } from "../ui/icons.js";
import { IconButton, Name, errorText } from "../ui/parts.js";
import { announce } from "./announce.js";
import { Actions, Facts } from "./facts.js";

export class ExchangeView extends Component {
  constructor(props) {
    super(props);
    this.state = { seen: props.exchange.isRunning, editing: false };
  }

  shouldComponentUpdate(next, state) {
    const run = Boolean(next.thread.running);
    const same = next.exchange === this.props.exchange && state === this.state && run === this.ran;
    this.ran = run;
    return !same;
  }

  componentDidMount() {
    this.unwatch = this.props.exchange.watch(() => this.forceUpdate());
    if (!this.state.seen) this.drawWhenNear();
  }

  componentWillUnmount() {
    this.unwatch();
    this.eye?.disconnect();
  }

  /** Far from what is looked at, an answer is its bare text: Markdown is made when it comes near. */
  drawWhenNear() {
    this.eye = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        this.eye.disconnect();
        this.setState({ seen: true });
      },
      { root: this.box.closest(".scroller"), rootMargin: "800px 0px" },
    );
    this.eye.observe(this.box);
  }

  render({ exchange, thread }, { seen, editing }) {
    return html`<article class="exchange" ref=${(box) => (this.box = box)} data-state=${exchange.state}>
      ${editing
        ? html`<${EditQuestion} exchange=${exchange} thread=${thread} onDone=${() => this.setState({ editing: false })} />`
        : html`<${Question} exchange=${exchange} thread=${thread} onEdit=${() => this.setState({ editing: true })} />`}
      <${Answer} exchange=${exchange} thread=${thread} seen=${seen} />
    </article>`;
  }
}

function Question({ exchange, thread, onEdit }) {
  const { text, attachments, template } = exchange.question;
  return html`<div class="question">
    <h2 class="unseen">${t("chat.youSaid")}</h2>
    <div class="bubble">
      ${template && html`<p class="from-template"><${Icon} name="template" size=${14} /><${Name} of=${template} /></p>`}
      <${PlainText} text=${text} />
      ${attachments?.length > 0 &&
      html`<ul class="attached">${attachments.map((one) => html`<${Attached} key=${one.id} file=${one} />`)}</ul>`}
    </div>
    <div class="question-actions">
      <${IconButton} icon="copy" size=${15} label=${t("question.copy")} onClick=${() => copyAndSay(text)} />
      ${exchange.promptId && text &&
      html`<${IconButton} icon="edit" size=${15} label=${t("question.edit")} disabled=${Boolean(thread.running)} onClick=${onEdit} />`}
    </div>
  </div>`;
}

function Attached({ file }) {
  const picture = /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/.test(file.type || "");
  return html`<li class=${picture ? "with-picture" : ""}>
    ${picture && html`<${OwnPicture} path=${`/v1/files/${file.id}/content`} alt="" />`}
    <span><${Icon} name=${picture ? "picture" : "file"} size=${14} />${file.name === null ? t("question.fileGone") : html`<${Name} of=${file.name} most=${60} />`}</span>
  </li>`;
}

/** Text as it was typed; a long one in parts. */
function PlainText({ text }) {
  const [shown, setShown] = useState(4000);
  const parts = [];
  for (let at = 0; at < Math.min(text.length, shown); at += 4000) parts.push(text.slice(at, Math.min(at + 4000, shown)));
  return html`<div class="typed" dir="auto">${parts.map((part) => html`<span class="part">${part}</span>`)}
    ${text.length > shown &&
    html`<button type="button" class="small quiet" onClick=${() => setShown(shown + 100_000)}>
      ${t("text.more", { left: (text.length - shown).toLocaleString("en") })}</button>`}
  </div>`;
}

function EditQuestion({ exchange, thread, onDone }) {
  const [text, setText] = useState(exchange.question.text);
  const field = useRef(null);
  useEffect(() => {
    field.current.focus();
    field.current.selectionStart = text.length;
  }, []);
  const send = (event) => {
    event.preventDefault();
    if (!text.trim() || thread.running) return;
    onDone();
    const body = { ...thread.fields(), message: text };
    const kept = exchange.question.attachments || [];
    if (kept.length) body.attachments = kept.filter((one) => one.name !== null).map((one) => one.id);
    thread.send(body, { text, attachments: kept }, { replaces: exchange.promptId });
  };
  const onKey = (event) => {
    if (event.key === "Escape") onDone();
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) send(event);
  };
  return html`<form class="question editing" onSubmit=${send}>
    <textarea ref=${field} rows=${Math.min(12, text.split("\n").length + 1)} aria-label=${t("question.edit")} dir="auto"
      onInput=${(event) => setText(event.target.value)} onKeyDown=${onKey}>${exchange.question.text}</textarea>
    <p class="hint">${t("question.editHint")}</p>
    <div class="dialog-foot">
      <button type="button" onClick=${onDone}>${t("cancel")}</button>
      <button class="primary" disabled=${!text.trim()}>${t("question.resend")}</button>
    </div>
  </form>`;
}

function Answer({ exchange, thread, seen }) {
  const running = exchange.isRunning;
  useEffect(() => {
    if (running) announce(t("announce.begun"));
    return undefined;
  }, []);
  useEffect(() => {
    if (exchange.ended && exchange.state === "complete") announce(t("announce.done"));
  }, [exchange.ended]);
  return html`<div class=${`answer ${running ? "running" : ""}`}>
    <h2 class="unseen">${t("chat.answered", { model: plainLine(exchange.facts?.model || "", 80) })}</h2>
    <span class="answer-mark"><${Mark} size=${26} /></span>
    <div class="answer-body">
      ${exchange.state === "waiting" && html`<p class="thinking" role="status"><span class="dots" aria-hidden="true"></span>${t("answer.waiting")}</p>`}
      ${exchange.notices.map((one) => html`<p class="notice-line"><${Icon} name="fresh" size=${15} /><span dir="auto">${noticeText(one)}</span></p>`)}
      ${exchange.reasoning && html`<${Reasoning} text=${exchange.reasoning} running=${running && !exchange.text} />`}
      <${Said} exchange=${exchange} seen=${seen} />
      ${exchange.images.map((image) => html`<${OwnPicture} key=${image.url} path=${image.url} alt=${exchange.question.text} />`)}
      <${Sources} sources=${exchange.sources} />
      <${Ending} exchange=${exchange} thread=${thread} />
      ${!running && exchange.promptId && exchange.state !== "lost" &&
      html`<${Facts} exchange=${exchange} /><${Actions} exchange=${exchange} thread=${thread} />`}
    </div>
  </div>`;
}

const noticeText = (one) => (one.kind === "restart" ? t("answer.restart", { reason: one.message }) : plainLine(one.message, 400));

function Said({ exchange, seen }) {
  if (!exchange.text) return null;
  if (!seen) return html`<div class="prose unread" dir="auto">${exchange.text.slice(0, SHOWN_FIRST / 20)}</div>`;
  return html`<${Markdown} key=${exchange.generation} text=${exchange.text} growing=${exchange.isRunning} onBlock=${announce} />`;
}

function Reasoning({ text, running }) {
  return html`<details class="reasoning">
    <summary><${Icon} name="memory" size=${15} />${t(running ? "answer.reasoningNow" : "answer.reasoning")}</summary>
    <${PlainText} text=${text} />
  </details>`;
}

function OwnPicture({ path, alt }) {
  const place = useRef(null);
  useEffect(() => {
    const own = typeof path === "string" && /^(?:https?:\/\/[^/]+)?(\/v1\/files\/[\w-]+\/content)$/.exec(path);
    const picture = Object.assign(new Image(), { alt: plainLine(alt, 200), className: "own-picture" });
    place.current.replaceChildren(picture);
    if (own) showOwn(picture, own[1]);
    else picture.replaceWith(t("picture.gone"));
  }, [path]);
  return html`<figure class="picture" ref=${place}></figure>`;
}

function Sources({ sources }) {
  if (!sources?.length) return null;
  return html`<section class="sources" aria-label=${t("answer.sources")}>
    <h3>${t("answer.sources")}</h3>
    <ol>${sources.map(
      (one) => html`<li>${sourceLink(one)}${one.text && html`<p dir="auto">${plainLine(one.text, 240)}</p>`}</li>`,
    )}</ol>
  </section>`;
}

function sourceLink(one) {
  const name = one.title || one.file || one.url || t("answer.source");
  if (typeof one.url === "string" && /^https?:\/\//i.test(one.url)) {
    return html`<a href=${one.url} target="_blank" rel="noopener noreferrer nofollow"><${Name} of=${name} most=${120} /></a>
      <span class="hint">${hostOf(one.url)}</span>`;
  }
  return html`<span><${Name} of=${name} most=${120} />${one.page ? ` · ${t("answer.page", { page: one.page })}` : ""}</span>`;
}

function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}

const BROKEN = ["client_gone", "upstream_failed", "stalled", "budget_cut", "crashed", "refused"];

/** How an answer ended where it did not end well, and what can be done. */
function Ending({ exchange, thread }) {
  if (exchange.state === "lost") {
    return html`<p class="ending" role="status"><span class="dots" aria-hidden="true"></span>${t("answer.lost")}</p>`;
  }
  const failed = exchange.state === "failed";
  if (!failed && !BROKEN.includes(exchange.state)) return null;
  const words = failed ? errorText(exchange.error) : t(`state.${exchange.state}`);
  const retry = () => (exchange.retry ? thread.retry(exchange) : thread.regenerate(exchange, thread.fields()));
  return html`<div class="ending bad" role="alert">
    <${Icon} name="alert" size=${16} /><span dir="auto">${words}</span>
    <button type="button" class="small" disabled=${Boolean(thread.running)} onClick=${retry}>${t("answer.askAgain")}</button>
  </div>`;
}
