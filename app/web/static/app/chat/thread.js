// A conversation as the page knows it: exchanges, the one being answered, what is older. No drawing here.
import { ApiError, fetchReply, getJson, newKey, post } from "../core/api.js";
import { doubt, look, whenBack } from "../core/net.js";
import { events } from "../core/sse.js";
import { tell } from "../core/tabs.js";
import { t } from "../strings.js";
import { Exchange, exchangesOf } from "./exchange.js";
import { fieldsOf, readPrefs } from "./prefs.js";
import { forgetPending, notePending, pendingOf } from "./pending.js";

const PAGE = 40; // messages a time
const RECOVERY_PAUSES = [300, 700, 1500, 3000, 5000, 8000];

export class Thread {
  constructor(id = null) {
    this.id = id;
    this.exchanges = [];
    this.hasMore = false;
    this.status = id ? "loading" : "ready"; // loading | ready | failed
    this.error = null;
    this.running = null; // {exchange, stop}
    this.draft = { text: "", attachments: [], template: null, key: null };
    this.elsewhere = false; // another tab is being answered here
    this.watchers = new Set();
    this.name = `thread-${++Thread.number}`;
    this.begun = () => {}; // told the id when a new conversation gets one
  }

  /** What the switches say at this moment, as fields of a chat. */
  fields() {
    return fieldsOf(readPrefs());
  }

  watch(tell) {
    this.watchers.add(tell);
    return () => this.watchers.delete(tell);
  }

  changed() {
    for (const watcher of [...this.watchers]) watcher();
  }

  /** Read the newest messages; afterwards look for what a reload cut off. */
  async load() {
    this.status = this.exchanges.length ? this.status : "loading";
    this.error = null;
    this.changed();
    try {
      const found = await this.history();
      this.exchanges = exchangesOf(found.messages);
      this.hasMore = found.has_more;
      this.status = "ready";
    } catch (error) {
      if (!(await this.isPending(error))) {
        this.error = error;
        this.status = "failed";
      }
    }
    this.changed();
    this.resumePending();
  }

  history(before) {
    return getJson("/llm/get-conversation-history", { conversation_id: this.id, limit: PAGE, before });
  }

  /** Whether a conversation is only not stored yet, since its first question was cut off by a reload a moment ago. */
  async isPending(error) {
    if (error.status !== 404 || !pendingOf(this.id)) return false;
    this.status = "ready";
    return true;
  }

  async loadOlder() {
    if (!this.hasMore || this.loadingOlder || !this.exchanges.length) return;
    this.loadingOlder = true;
    this.changed();
    try {
      const found = await this.history(this.exchanges[0].promptId);
      this.exchanges = [...exchangesOf(found.messages), ...this.exchanges];
      this.hasMore = found.has_more;
    } finally {
      this.loadingOlder = false;
      this.changed();
    }
  }

  /** Ask. body: fields of /llm/chat beside the ones set here; shown: the question as it is drawn. */
  async send(body, shown, { replaces = null, key = newKey() } = {}) {
    if (this.running) return;
    const exchange = new Exchange(shown);
    exchange.key = key;
    exchange.retry = { body, shown, replaces };
    const at = replaces ? this.exchanges.findIndex((one) => one.promptId === replaces) : -1;
    const kept = at >= 0 ? this.exchanges.slice(at) : [];
    this.exchanges = [...(at >= 0 ? this.exchanges.slice(0, at) : this.exchanges), exchange];
    const stopper = new AbortController();
    this.running = { exchange, stop: () => stopper.abort() };
    this.changed();
    const asked = { ...body, stream: true };
    if (this.id) asked.conversation_id = this.id;
    if (replaces) asked.replaces = replaces;
    notePending({ conversation: this.id, promptId: null, key, body, shown, replaces });
    try {
      await this.stream(exchange, asked, key, stopper.signal);
    } catch (error) {
      await this.broke(exchange, error, kept);
    } finally {
      this.running = null;
      this.putBack(exchange, kept);
      if (exchange.state !== "lost") forgetPending(key);
      tell({ kind: "conversation", id: this.id });
      this.changed();
    }
  }

  async stream(exchange, asked, key, signal) {
    const headers = { "idempotency-key": key, accept: "text/event-stream" };
    const reply = await fetchReply("POST", "/llm/chat", { body: asked, headers, signal });
    try {
      for await (const [name, data] of events(reply)) {
        if (name === "start") this.started(exchange, data, key);
        else exchange.take(name, data);
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
    }
    if (exchange.error?.code === "unavailable") doubt();
    if (exchange.ended) return;
    look(); // the wire broke: is the server still there?
    throw new ApiError(0, { code: "broken", message: t("answer.broken") });
  }

  started(exchange, data, key) {
    exchange.start(data);
    notePending({ key, conversation: data.conversation_id, promptId: data.prompt_id });
    if (!this.id && data.conversation_id) {
      this.id = data.conversation_id;
      this.begun(this.id);
    }
    tell({ kind: "answering", id: this.id });
  }

  stop() {
    this.running?.stop();
  }

  /** An answer that did not come to its end. kept: what it would have replaced. */
  async broke(exchange, error, kept) {
    if (error.name === "AbortError") {
      exchange.stopped();
      if (exchange.promptId) await this.settle(exchange, 3);
      else this.giveBack(exchange, kept);
      return;
    }
    exchange.fail(error);
    if (exchange.promptId && (error.code === "broken" || error.status === 0)) {
      exchange.lose();
      this.changed();
      if (!(await this.settle(exchange, RECOVERY_PAUSES.length))) this.settleWhenBack(exchange);
    }
  }

  /** Where nothing was stored, what was to be replaced stands as it stood. */
  putBack(exchange, kept) {
    if (exchange.state !== "failed" || exchange.hasContent || !kept.length || this.exchanges.includes(kept[0])) return;
    this.exchanges = [...this.exchanges.filter((one) => one !== exchange), ...kept, exchange];
  }

  /** Stopped before anything was known of it: the question goes back to where it was typed. */
  giveBack(exchange, kept) {
    this.exchanges = [...this.exchanges.filter((one) => one !== exchange), ...kept];
    if (!kept.length) this.draft = { ...this.draft, text: exchange.question.text, key: exchange.key };
  }

  settleWhenBack(exchange) {
    const forget = whenBack(async () => {
      forget();
      await this.settle(exchange, RECOVERY_PAUSES.length);
    });
  }

  /** Ask the server what became of an exchange, a few times; whether it could tell. */
  async settle(exchange, tries) {
    for (const pause of RECOVERY_PAUSES.slice(0, tries)) {
      await new Promise((done) => setTimeout(done, pause));
      try {
        const receipt = await getJson(`/api/requests/${encodeURIComponent(exchange.promptId)}`);
        if (receipt.state === "in_flight") continue;
        exchange.takeReceipt(receipt);
        await this.takeStored(exchange);
        forgetPending(exchange.key);
        this.changed();
        return true;
      } catch (error) {
        if (error.status !== 404) return false; // away: to be asked again when it is back
      }
    }
    exchange.unknown();
    forgetPending(exchange.key);
    this.changed();
    return true;
  }

  async takeStored(exchange) {
    const found = await getJson("/llm/get-conversation-history", { conversation_id: this.id, limit: 4 }).catch(() => null);
    const stored = found && exchangesOf(found.messages).find((one) => one.promptId === exchange.promptId);
    if (stored) exchange.takeStored(stored);
  }

  /** After a reload: what was being answered then. */
  async resumePending() {
    const pending = pendingOf(this.id);
    if (!pending || this.running) return;
    if (!pending.promptId) {
      forgetPending(pending.key);
      this.draft = { ...this.draft, text: pending.shown.text, key: pending.key, notice: t("composer.unsent") };
      this.changed();
      return;
    }
    if (this.exchanges.some((one) => one.promptId === pending.promptId)) return forgetPending(pending.key);
    const exchange = new Exchange(pending.shown);
    exchange.key = pending.key;
    exchange.retry = { body: pending.body, shown: pending.shown, replaces: null };
    exchange.start({ prompt_id: pending.promptId });
    exchange.lose();
    this.exchanges = [...this.exchanges, exchange];
    this.changed();
    await this.settle(exchange, RECOVERY_PAUSES.length);
  }

  /** Ask again what failed: the same request under the same key, so that it is answered and charged once. */
  async retry(exchange) {
    const { body, shown, replaces } = exchange.retry;
    const unheard = exchange.error?.status === 0 && !exchange.promptId;
    const stored = unheard ? await this.storedUnheard(exchange) : exchange.promptId && exchange.hasContent ? exchange : null;
    if (this.running) return undefined;
    this.exchanges = this.exchanges.filter((one) => one !== exchange);
    if (stored && stored !== exchange) {
      this.exchanges = [...this.exchanges, stored];
      this.changed();
      if (stored.state === "complete") return undefined; // it was answered, only its reply was lost
    }
    const key = unheard && !stored ? exchange.key : newKey();
    return this.send(body, shown, { replaces: stored ? stored.promptId : replaces, key });
  }

  /** What the server keeps of a question whose reply never came here; null where it keeps nothing. */
  async storedUnheard(exchange) {
    if (!this.id) return null;
    const found = await this.history().catch(() => null);
    // A browser repeats by itself what got no reply on an old connection: there may be several, the first stands for all.
    const unknown = found ? exchangesOf(found.messages).filter((one) => !this.exchanges.some((two) => two.promptId === one.promptId)) : [];
    const first = unknown.find((one) => one.question.text === exchange.question.text) ?? null;
    if (first && unknown.length > 1) first.state = "client_gone"; // it and what came after it are replaced
    return first;
  }

  /** Another answer to the same question, by another model where one is named. */
  regenerate(exchange, options) {
    return this.send({ ...options }, exchange.question, { replaces: exchange.promptId });
  }

  async rate(exchange, rating, feedback) {
    const body = { prompt_id: exchange.promptId, rating };
    if (feedback) body.feedback = feedback;
    await post("/api/ratings", body);
    exchange.rated(rating);
  }
}

Thread.number = 0;
