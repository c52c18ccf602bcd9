// One question and its answer. What changes in it is told to those who draw it and to nobody else.

export class Exchange {
  constructor(question) {
    this.question = question; // {text, attachments: [{id, name}], template}
    this.promptId = null;
    this.key = null;
    this.retry = null;
    this.state = "waiting"; // waiting | answering | complete | lost | failed | and the states of a receipt
    this.text = "";
    this.reasoning = "";
    this.notices = [];
    this.facts = null; // model, provider, latency_ms, tokens_used, cost, cached, fallback
    this.sources = [];
    this.images = [];
    this.rating = null;
    this.error = null;
    this.createdAt = null;
    this.generation = 0; // grows when a text is thrown away and begun anew
    this.ended = false;
    this.watchers = new Set();
    this.name = `x${++Exchange.number}`;
  }

  watch(tell) {
    this.watchers.add(tell);
    return () => this.watchers.delete(tell);
  }

  changed() {
    for (const watcher of [...this.watchers]) watcher();
  }

  get hasContent() {
    return Boolean(this.text || this.reasoning || this.images.length);
  }

  get isRunning() {
    return this.state === "waiting" || this.state === "answering";
  }

  start(data) {
    this.promptId = data.prompt_id;
    this.state = "answering";
    if (data.model) this.facts = { model: data.model };
    this.changed();
  }

  /** An event of the stream. */
  take(name, data) {
    if (name === "delta") {
      this.text += data.text ?? "";
      this.reasoning += data.reasoning ?? "";
    } else if (name === "notice") {
      this.notices = [...this.notices, { kind: String(data.kind || ""), message: data.message }];
    } else if (name === "restart") {
      this.text = this.reasoning = "";
      this.generation += 1;
      this.facts = { model: data.model };
      this.notices = [...this.notices, { kind: "restart", message: String(data.reason || "") }];
    } else if (name === "end") {
      this.end(data);
    } else if (name === "error") {
      this.ended = true;
      this.fail({ code: data.code, message: data.message, details: data.details || {}, status: null });
      return;
    }
    this.changed();
  }

  end(data) {
    this.ended = true;
    this.state = "complete";
    if (data.text !== this.text) {
      this.text = data.text;
      this.generation += 1;
    }
    this.reasoning = data.reasoning || this.reasoning;
    this.sources = data.sources || [];
    this.images = data.images || [];
    this.facts = data;
    this.promptId = data.prompt_id || this.promptId;
  }

  fail(error) {
    this.state = "failed";
    this.error = error;
    this.changed();
  }

  stopped() {
    this.state = "client_gone";
    this.changed();
  }

  lose() {
    this.state = "lost";
    this.error = null;
    this.changed();
  }

  /** Nobody knows of it: it never came to be a chat. */
  unknown() {
    this.state = "failed";
    this.error = { code: "never_arrived", message: "", details: {} };
    this.changed();
  }

  takeReceipt(receipt) {
    this.state = receipt.state;
    this.facts = { ...receipt, tokens_used: receipt.usage?.total_tokens };
    this.changed();
  }

  takeStored(stored) {
    this.text = stored.text;
    this.reasoning = stored.reasoning;
    this.sources = stored.sources;
    this.images = stored.images;
    this.state = stored.state;
    this.facts = stored.facts || this.facts;
    this.generation += 1;
    this.changed();
  }

  rated(rating) {
    this.rating = rating;
    this.changed();
  }
}

Exchange.number = 0;

/** Messages as the history has them, as exchanges. */
export function exchangesOf(messages) {
  const found = new Map();
  for (const message of messages) {
    const known = found.get(message.prompt_id);
    const exchange = known || new Exchange({ text: "", attachments: [] });
    if (!known) found.set(message.prompt_id, exchange);
    exchange.promptId = message.prompt_id;
    exchange.createdAt = message.created_at;
    if (message.role === "user") takeQuestion(exchange, message);
    else answered(exchange, message);
  }
  for (const exchange of found.values()) if (exchange.isRunning) exchange.state = "complete";
  return [...found.values()];
}

function takeQuestion(exchange, message) {
  const attachments = (message.attachments || []).map((one) =>
    typeof one === "string" ? { id: one, name: one } : { id: one.id, name: one.filename ?? null, type: one.content_type ?? null },
  );
  exchange.question = { text: message.content, attachments };
}

export function answered(exchange, message) {
  exchange.text = message.content;
  exchange.reasoning = message.reasoning || "";
  exchange.state = message.state || "complete";
  exchange.sources = message.sources || [];
  exchange.images = message.images || [];
  exchange.rating = message.rating ?? null;
  exchange.facts = message;
}
