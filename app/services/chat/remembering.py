"""Earlier exchanges of the same user, put into a prompt that is too short to hold them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from app.domain.chat import Message, TextPart
from app.domain.errors import DomainError
from app.domain.events import Notice, Silence
from app.domain.memory import RememberedExchange
from app.domain.policies.quoting import cut_to, quoted_memories
from app.domain.policies.tokens import estimate
from app.services.chat.run import ChatRun
from app.services.memory.service import MemoryService
from app.utils.cancel import Cancel

MOST: Final = 8
MOST_TOKENS: Final = 1_500
LONGEST_HALF: Final = 1_200
"""Bytes of a question and of an answer that come into a prompt."""


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
        texts = bounded(found)
        if texts:
            chat.set_prompt(_before_question(chat.prompt, quoted_memories(texts)))


def bounded(found: Sequence[RememberedExchange]) -> list[str]:
    """As texts, oldest first. found: best first; what is one token too many is left out."""
    chosen: list[tuple[datetime, str]] = []
    left = MOST_TOKENS
    for exchange in found:
        day = exchange.created_at.date().isoformat()
        question, answer = cut_to(exchange.question, LONGEST_HALF), cut_to(exchange.answer, LONGEST_HALF)
        text = f"[{day}] user: {question}\nassistant: {answer}"
        tokens = estimate(text)
        if tokens <= left:
            left -= tokens
            chosen.append((exchange.created_at, text))
    return [text for _, text in sorted(chosen)]


def _before_question(prompt: tuple[Message, ...], quoted: str) -> tuple[Message, ...]:
    last = max(index for index, message in enumerate(prompt) if message.role == "user")
    said = prompt[last].content
    if isinstance(said, tuple):
        content: str | tuple[object, ...] = (TextPart(quoted), *said)
    else:
        content = f"{quoted}\n\n{said or ''}"
    return (*prompt[:last], replace(prompt[last], content=content), *prompt[last + 1 :])  # type: ignore[arg-type]
