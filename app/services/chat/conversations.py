"""What a user does to a conversation as a whole."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from app.domain.conversation import ConversationSummary
from app.domain.errors import DomainError, InvalidRequest, Unavailable
from app.repositories.conversations import Conversations
from app.utils.clock import utcnow

log = logging.getLogger(__name__)

MOST_TITLE = 200


class HotWindows(Protocol):
    def forget_conversation(self, user_id: str, public_id: str) -> None:
        """Drop what is hot of it. Raises Unavailable."""


class KeptAnswers(Protocol):
    def forget(self, user_id: str, conversation: str) -> None:
        """Drop the answers that are kept under idempotency keys. Raises Unavailable."""


class ConversationService:
    """Renames and deletes conversations, in SQL and where they are hot.

    forgetters: told (user id, public id, row id) of one that was deleted, to drop what they derived from it.
    """

    def __init__(
        self,
        conversations: Conversations,
        hot: HotWindows,
        answers: KeptAnswers,
        forgetters: Sequence[Callable[[str, str, str], None]] = (),
        now: Callable[[], datetime] = utcnow,
    ) -> None:
        self._conversations = conversations
        self._hot = hot
        self._answers = answers
        self._forgetters = forgetters
        self._now = now

    def rename(self, user_id: str, public_id: str, title: str) -> ConversationSummary:
        """A title is one line: runs of white space and control characters become a blank.

        Raises NotFound; InvalidRequest for one that is empty or longer than 200 characters.
        """
        line = " ".join("".join(map(_visible, title)).split())
        if not line or len(line) > MOST_TITLE:
            raise InvalidRequest(f"A title has 1 to {MOST_TITLE} characters.", field="title")
        return self._conversations.rename(user_id, public_id, line)

    def delete(self, user_id: str, public_id: str) -> None:
        """Delete it for good. Raises NotFound, and Unavailable with nothing deleted.

        The hot window, and the answers kept under idempotency keys, are dropped before, so that without Redis nothing
        is deleted of which a copy would come back with it; and after, since a chat in between may have laid them down
        anew.
        """
        self._forget(user_id, public_id)
        row_id = self._conversations.delete(user_id, public_id, self._now())
        try:
            self._forget(user_id, public_id)
        except Unavailable:
            log.warning("a deleted conversation may be hot until its window expires")
        for forget in self._forgetters:
            try:
                forget(user_id, public_id, row_id)
            except DomainError:  # it is deleted: what is left of it, its room finds by the tombstone
                log.exception("a deleted conversation is not forgotten everywhere yet")

    def _forget(self, user_id: str, public_id: str) -> None:
        self._hot.forget_conversation(user_id, public_id)
        self._answers.forget(user_id, public_id)


def _visible(char: str) -> str:
    return " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
