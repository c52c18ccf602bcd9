"""What the conversation said before, put in front of the new turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.domain.chat import ConversationRef, Message, text_of
from app.domain.errors import NotFound, Unavailable
from app.domain.hot import HotWindow
from app.domain.ledger import StoredMessage
from app.domain.policies import earlier
from app.domain.policies import window as windows
from app.services.chat.run import ChatRun
from app.utils.ids import new_id

FULL = 0.9
"""The share of the window's tokens past which it is taken for cut: an exchange that does not fit leaves some free."""


class ConversationReads(Protocol):
    def window(
        self, user_id: str, public_id: str, limit: int, before: str | None = None
    ) -> tuple[str, tuple[StoredMessage, ...]] | None:
        """The conversation's row id and its newest messages, oldest first; None where the user has none of it.

        before: only exchanges older than this prompt_id."""

    def question(self, user_id: str, public_id: str, prompt_id: str) -> tuple[str, tuple[str, ...]]:
        """What was asked in that exchange, and the ids of its files; raises NotFound."""


class Recall:
    """max_messages, max_tokens: the window that is sent."""

    def __init__(self, conversations: ConversationReads, max_messages: int, max_tokens: int) -> None:
        self._conversations = conversations
        self._max_messages = max_messages
        self._max_tokens = max_tokens

    def fill(self, run: ChatRun) -> None:
        """Set the run's conversation, window and prompt.

        Raises NotFound where the conversation or the exchange to replace is unknown to this user.
        """
        request = run.request
        ref = request.conversation
        if ref is not None:
            self._find(run, ref)
        messages = request.messages
        if ref is not None and ref.replaces is not None:
            messages = self._asked_again(run, ref.public_id, ref.replaces)
        prompt = _with_window(messages, run.window)
        run.carries = bool(run.attachments) or any(stored.attachments or stored.images for stored in run.window)
        run.question = _last_user_text(prompt)
        if prompt is request.messages:
            run.prompt = prompt
        else:
            run.set_prompt(prompt)

    def _find(self, run: ChatRun, ref: ConversationRef) -> None:
        hot = run.admitted.window if run.admitted else None
        if ref.fresh:
            run.row_id, run.is_new, run.rebuilt = (hot.id if hot else None) or new_id(), True, ()
            return
        if ref.replaces is None and hot is not None and hot.id is not None and hot.messages is not None:
            run.row_id = hot.id
            run.window = self._cut(hot.messages)
            run.older = len(run.window) < len(hot.messages) or self._is_full(run.window)
            return
        self._from_sql(run, ref, hot)

    def _from_sql(self, run: ChatRun, ref: ConversationRef, hot: HotWindow | None) -> None:
        user_id = run.request.caller.user_id
        # One more than is kept: it tells a split exchange and that there is more before.
        try:
            stored = self._conversations.window(user_id, ref.public_id, self._max_messages + 1, ref.replaces)
        except Unavailable:
            if not _seems_new(ref, hot):
                raise
            stored, run.unsure = None, True
        if stored is None:
            if ref.must_exist:
                field = "session_id" if run.request.door == "short" else "conversation_id"
                raise NotFound("there is no such conversation", field=field)
            run.row_id, run.is_new, run.rebuilt = (hot.id if hot else None) or new_id(), True, ()
            return
        run.row_id, messages = stored
        run.rebuilt = messages
        run.window = self._cut(messages)
        run.older = len(run.window) < len(messages)

    def _asked_again(self, run: ChatRun, public_id: str, replaces: str) -> tuple[Message, ...]:
        """The new turn in the place of an old one; without a new message the old question, with its files unless there
        are new ones."""
        question, files = self._conversations.question(run.request.caller.user_id, public_id, replaces)
        messages = run.request.messages
        if any(message.role == "user" for message in messages):
            return messages
        if not run.request.wishes.attachments:
            run.attachments = files
        return (*messages, earlier.asked_again(question, run.attachments))

    def _is_full(self, window: Sequence[StoredMessage]) -> bool:
        """Whether Redis, which keeps no more than is sent, has dropped what was before, as far as can be told."""
        tokens = sum(message.tokens for message in window)
        return len(window) >= self._max_messages - 1 or tokens > self._max_tokens * FULL

    def _cut(self, messages: Sequence[StoredMessage]) -> tuple[StoredMessage, ...]:
        return windows.cut(messages, self._max_messages, self._max_tokens)


def _seems_new(ref: ConversationRef, hot: HotWindow | None) -> bool:
    """Whether nobody has answered in it as far as Redis knows: then it may begin though SQL cannot be asked."""
    return not ref.must_exist and ref.replaces is None and hot is not None and hot.model is None


def _with_window(messages: tuple[Message, ...], window: tuple[StoredMessage, ...]) -> tuple[Message, ...]:
    """The window goes between the leading system messages and the new turn."""
    if not window:
        return messages
    lead = 0
    while lead < len(messages) and messages[lead].role in ("system", "developer"):
        lead += 1
    before, owed = earlier.turns(window)
    return (*messages[:lead], *before, *earlier.before_first_question(owed, messages[lead:]))


def _last_user_text(messages: Sequence[Message]) -> str:
    for message in reversed(messages):
        if message.role == "user":
            return text_of(message.content)
    return ""
