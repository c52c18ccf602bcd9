"""Web search for a chat: a query made from the question, and what was found quoted behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from app.domain.chat import ToolCall
from app.domain.errors import DomainError, ProviderFault, Unavailable
from app.domain.events import Notice, Silence
from app.domain.policies.earlier import DRAWN
from app.domain.policies.last_turn import with_quoted
from app.domain.policies.mixing import is_mix
from app.domain.policies.quoting import lead_of_pages, quoted_page
from app.domain.policies.search_intent import wants_search
from app.domain.policies.search_query import clipped, query_of
from app.domain.policies.search_tool import DEFINITION, queries_of
from app.domain.policies.tokens import BYTES_A_TOKEN
from app.domain.wishes import Source
from app.services.chat.enrichment import silences
from app.services.chat.own_tool import OwnTool
from app.services.chat.run import ChatRun
from app.services.search.service import Found, WebSearch
from app.transport.stoppable import stoppable
from app.utils.cancel import Cancel

MOST_TOKENS, LEAST_TOKENS = 5_000, 500
"""Tokens of text that pages may bring into one prompt; and what they may bring however full it is."""
UNKNOWN_WINDOW: Final = 16_000
KIND: Final = "search"


class Searching:
    """The enrichment that searches. search: None where no engine is set up. A search that fails is a notice."""

    def __init__(self, search: WebSearch | None) -> None:
        self._search = search

    def wanted(self, chat: ChatRun) -> bool:
        return chat.request.wishes.web_search != "no" and chat.plan.work == "chat"

    def enrich(self, chat: ChatRun, cancel: Cancel) -> Iterator[Notice | Silence]:
        """Raises Unavailable where the chat was stopped."""
        asked = chat.request.wishes.web_search == "yes"
        if self._search is None:
            if asked:
                yield Notice(KIND, "web search is not set up here: the answer is given without it")
            return
        if asked:
            yield from self.look_up(chat, (), cancel)
        elif _may_decide(chat):
            chat.tool = OwnTool(DEFINITION, "the web is searched first", self.use)
        else:
            yield from self.use(chat, (), cancel)

    def use(self, chat: ChatRun, calls: Sequence[ToolCall], cancel: Cancel) -> Iterator[Notice | Silence]:
        """What the model asks for; where it could not be asked, a rule decides."""
        if calls or wants_search(chat.question, chat.created_at.date()):
            yield from self.look_up(chat, queries_of(calls), cancel)

    def look_up(self, chat: ChatRun, queries: Sequence[str], cancel: Cancel) -> Iterator[Notice | Silence]:
        """Search and put what was found into the prompt. queries: none for one made from the question."""
        search, question = self._search, clipped(chat.question)
        queries = queries or tuple(filter(None, (query_of(question, clipped(_said_before(chat))),)))
        if search is None or not queries:
            yield Notice(KIND, "there is nothing to search the web for")
            return
        queries = queries[: search.max_calls]
        yield Notice(KIND, "searching the web for " + ", ".join(f'"{query}"' for query in queries))
        room = _room(chat)

        def work() -> Found | DomainError:
            try:
                with stoppable(cancel):
                    return search.look_up(queries, question, room, cancel)
            except DomainError as fault:
                return fault
            except ProviderFault as stopped:
                return Unavailable(f"the request was stopped ({stopped.kind})")

        found = yield from silences(work)
        if isinstance(found, Unavailable) and cancel.reason is not None:
            raise found
        if isinstance(found, DomainError):
            yield Notice(KIND, f"the web could not be searched ({found.message}): the answer is given without it")
            return
        yield from _told(found)
        _quote(chat, found)


def _may_decide(chat: ChatRun) -> bool:
    """Whether the model itself can be asked: it uses tools, and all that it is shown is this conversation's own words.

    A file, a picture or a memory may say that something is to be searched for, and what for.
    """
    if is_mix(chat.request.model) or not chat.plan.candidates[0].model.surely_uses_tools:
        return False
    own = {message.content for message in chat.request.messages}
    own |= {chat.question, DRAWN, *(message.content for message in chat.window)}
    return all(message.content in own for message in chat.prompt)


def _told(found: Found) -> Iterator[Notice]:
    """What did not go well."""
    if found.failed:
        yield Notice(KIND, f"the web could not be searched ({found.failed}): only what the question names was read")
    if found.refused:
        yield Notice(KIND, f"left out: {_pages(found.refused)} where nobody is sent")
    if found.unread:
        yield Notice(
            KIND, f"{_pages(found.unread)} could not be read: what the search engine says of them stands for them"
        )
    if not found.pages:
        yield Notice(KIND, "the search found nothing to answer from: the answer is given without it")


def _pages(number: int) -> str:
    return f"{number} page" if number == 1 else f"{number} pages"


def _quote(chat: ChatRun, found: Found) -> None:
    if not found.pages:
        return
    first = len(chat.sources) + 1
    quoted = [
        quoted_page(number, page.title, page.url, page.text) for number, page in enumerate(found.pages, start=first)
    ]
    chat.sources += [Source(page.title, page.url, text=page.text) for page in found.pages]
    chat.set_prompt(with_quoted(chat.prompt, "\n\n".join((lead_of_pages(chat.created_at.date()), *quoted))))


def _room(chat: ChatRun) -> int:
    """Bytes of text that pages may bring."""
    window = chat.plan.candidates[0].model.context_window or UNKNOWN_WINDOW
    return max(LEAST_TOKENS, min(MOST_TOKENS, window // 2 - chat.prompt_tokens)) * BYTES_A_TOKEN


def _said_before(chat: ChatRun) -> str:
    return next((message.content for message in reversed(chat.window) if message.role == "user"), "")
