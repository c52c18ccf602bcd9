// The chat: a conversation that scrolls, read lazily from its end, and the place to write below it.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../core/lib.js";
import { chatPath, go } from "../core/router.js";
import { getJson } from "../core/api.js";
import { useStore } from "../core/store.js";
import { t } from "../strings.js";
import { MenuButton } from "../ui/menu-button.js";
import { Menu } from "../ui/menu.js";
import { Icon, Mark } from "../ui/icons.js";
import { Fault, Name, Skeleton } from "../ui/parts.js";
import { Composer } from "./composer.js";
import { ExchangeView } from "./message.js";
import { conversationActions, listChanged, whenListChanged } from "./list.js";
import { adopt, threadOf } from "./threads.js";

const NEAR_END = 120; // px from the end that still count as being there

export function ChatView() {
  const id = useStore((state) => state.route.id);
  const [, draw] = useState(0);
  const thread = threadOf(id);
  useEffect(() => {
    const again = () => draw((n) => n + 1);
    thread.begun = (newId) => {
      adopt(thread);
      go(chatPath(newId), { replace: true });
      listChanged();
    };
    const unwatch = thread.watch(again);
    if (!thread.id) thread.resumePending();
    again();
    return unwatch;
  }, [thread]);
  useEffect(() => {
    if (!thread.running) listChanged();
  }, [thread.running]);
  return html`<${Head} thread=${thread} />
    <${Scroller} thread=${thread} key=${thread.exchanges.length ? "talk" : "blank"} />
    <${Composer} thread=${thread} key=${thread.name} />`;
}

function Head({ thread }) {
  const [item, setItem] = useState(null);
  useEffect(() => {
    let gone = false;
    setItem((before) => (before?.id === thread.id ? before : null));
    const look = async () => {
      if (!thread.id || thread.running) return;
      const found = await getJson(`/api/conversations/${encodeURIComponent(thread.id)}`).catch(() => null);
      if (!gone) setItem(found);
    };
    look();
    const unwatch = whenListChanged(look);
    return () => {
      gone = true;
      unwatch();
    };
  }, [thread.id, thread.running]);
  const begun = thread.exchanges[0]?.question.text; // until the server has told its title
  const title = item?.title || (begun && !thread.hasMore ? begun : t(thread.id ? "chat.untitled" : "chat.new"));
  useEffect(() => {
    document.title = `${title.slice(0, 80)} · onedoor`;
  }, [title]);
  return html`<header class="view-head chat-head">
    <${MenuButton} />
    <h1><${Name} of=${title} most=${120} /></h1>
    ${item && html`<${Menu} label=${t("chat.actions")} items=${conversationActions(item)} />`}
  </header>`;
}

function Scroller({ thread }) {
  const box = useRef(null);
  const atEnd = useRef(true);
  const before = useRef({ first: null, height: 0 });
  const last = useRef({ top: 0, height: 0 });
  const [away, setAway] = useState(false);

  const toEnd = () => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const was = last.current;
    last.current = { top: scrollTop, height: scrollHeight };
    // Only a person goes up; what is drawn late moves the end away, and what shrinks takes everything up with it.
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) atEnd.current = true;
    else if (scrollTop < was.top - 1 && scrollHeight >= was.height) atEnd.current = false;
    setAway(!atEnd.current);
    if (scrollTop < 400) thread.loadOlder();
  };
  const first = thread.exchanges[0]?.name;
  useLayoutEffect(() => {
    const was = before.current;
    if (was.first && first !== was.first && !atEnd.current) {
      box.current.scrollTop += box.current.scrollHeight - was.height; // older ones came above: stay with what is read
    } else if (atEnd.current) toEnd();
    before.current = { first, height: box.current.scrollHeight };
  });
  useEffect(() => {
    // What is drawn late (pictures, the growing answer) moves the end; who is there stays there.
    const inner = box.current.firstElementChild;
    const look = new ResizeObserver(() => {
      if (atEnd.current) toEnd();
      before.current.height = box.current?.scrollHeight ?? 0;
    });
    look.observe(inner);
    return () => look.disconnect();
  }, []);
  useEffect(() => {
    atEnd.current = true;
    toEnd();
  }, [thread, Boolean(thread.running)]);

  return html`<div class="scroller" ref=${box} onScroll=${onScroll}>
    <div class="thread" role="log" aria-label=${t("chat.log")} aria-live="off" aria-busy=${String(Boolean(thread.running))}>
      <${Inside} thread=${thread} />
    </div>
    ${away && thread.exchanges.length > 0 &&
    html`<button type="button" class="to-end" onClick=${toEnd}><${Icon} name="arrow" size=${16} />${t("chat.toEnd")}</button>`}
  </div>`;
}

function Inside({ thread }) {
  if (thread.status === "loading") return html`<${Skeleton} lines=${8} label=${t("chat.loading")} />`;
  if (thread.status === "failed") {
    if (thread.error.status === 404) return html`<${Gone} />`;
    return html`<${Fault} error=${thread.error} onRetry=${() => thread.load()} />`;
  }
  if (!thread.exchanges.length) return html`<${Welcome} thread=${thread} />`;
  return html`
    ${thread.hasMore && html`<p class="older" role="status">${t(thread.loadingOlder ? "chat.loadingOlder" : "chat.older")}</p>`}
    ${thread.exchanges.map((exchange) => html`<${ExchangeView} key=${exchange.name} exchange=${exchange} thread=${thread} />`)}
    ${thread.elsewhere && html`<p class="notice-line" role="status"><${Icon} name="alert" size=${16} />${t("chat.elsewhere")}</p>`}
  `;
}

function Gone() {
  return html`<div class="empty"><h2>${t("chat.gone")}</h2><p>${t("chat.goneText")}</p>
    <a class="button primary" href="/">${t("chat.new")}</a></div>`;
}

const STARTS = ["explain", "draft", "code", "plan"];

function Welcome({ thread }) {
  const user = useStore((state) => state.session.user);
  const start = (text) => {
    thread.draft = { ...thread.draft, text };
    thread.changed();
    document.querySelector(".composer textarea")?.focus();
  };
  return html`<div class="welcome">
    <${Mark} size=${44} />
    <h2>${t("welcome.title", { name: user?.username || "" })}</h2>
    <p>${t("welcome.text")}</p>
    <ul class="starts" aria-label=${t("welcome.starts")}>
      ${STARTS.map(
        (name) => html`<li><button type="button" onClick=${() => start(t(`start.${name}.prompt`))}>
          <strong>${t(`start.${name}.title`)}</strong><span>${t(`start.${name}.text`)}</span>
        </button></li>`,
      )}
    </ul>
  </div>`;
}
