"""Earlier exchanges of the same user, put into a prompt that is too short to hold them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from app.domain.chat import Message, TextPart
from app.domain.errors import DomainError
from app.domain.events import Notice, Silence
from app.domain.memory import RememberedExchange
from app.domain.policies.quoting import quoted_memories
from app.domain.policies.tokens import estimate
from app.services.chat.run import ChatRun
from app.services.memory.service import MemoryService
from app.utils.cancel import Cancel

MOST: Final = 8
MOST_TOKENS: Final = 1_500
LONGEST_HALF: Final = 1_200
"""Characters of a question and of an answer that come into a prompt."""


class Remembering:
    """Where memory is asked for, or a conversation has grown past its window, unless it is refused."""

    def __init__(self, memory: MemoryService) -> None:
        self._memory = memory

    def wanted(self, chat: ChatRun) -> bool:
        request = chat.request
        if request.conversation is None or request.wishes.memory is False or request.caller.is_guest:
            return False
        return request.wishes.memory is True or (chat.older and not self._memory.off)

    def enrich(self, chat: ChatRun, cancel: Cancel) -> Iterator[Notice | Silence]:
        known = {message.prompt_id for message in chat.window}
        try:
            found = self._memory.recall(chat.request.caller.user_id, chat.question, chat.row_id, known, MOST)
        except DomainError as fault:
            yield Notice("memory", f"this answer is given without memory: {fault.message}")
            return
        texts = _bounded(found)
        if texts:
            chat.set_prompt(_before_question(chat.prompt, quoted_memories(texts)))


def _bounded(found: Sequence[RememberedExchange]) -> list[str]:
    """As texts, the newest first dropped where they are too many tokens together: they are nearest to the window."""
    texts: list[str] = []
    left = MOST_TOKENS
    for exchange in found:
        day = exchange.created_at.date().isoformat()
        text = f"[{day}] user: {exchange.question[:LONGEST_HALF]}\nassistant: {exchange.answer[:LONGEST_HALF]}"
        left -= estimate(text)
        if left < 0:
            break
        texts.append(text)
    return texts


def _before_question(prompt: tuple[Message, ...], quoted: str) -> tuple[Message, ...]:
    last = max(index for index, message in enumerate(prompt) if message.role == "user")
    said = prompt[last].content
    if isinstance(said, tuple):
        content: str | tuple[object, ...] = (TextPart(quoted), *said)
    else:
        content = f"{quoted}\n\n{said or ''}"
    return (*prompt[:last], replace(prompt[last], content=content), *prompt[last + 1 :])  # type: ignore[arg-type]
