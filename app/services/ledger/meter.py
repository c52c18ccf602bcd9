"""How many tokens an answer has come to while it comes."""

from __future__ import annotations

from app.domain.events import Delta, Picture
from app.domain.policies.tokens import BYTES_A_TOKEN, PICTURE_TOKENS, Count, estimate, said_bytes, size_of

UNREAD = 256
"""Bytes that are only weighed until they are counted: counting by pieces would take each cut for a token's end."""


class Meter:
    """`rough` is cheap and at most some tens of tokens wrong, `exact` counts what is not counted yet."""

    __slots__ = ("_count", "_counted", "_parts", "_unread", "begun")

    def __init__(self, count: Count = estimate) -> None:
        self.begun = False
        self._count = count
        self._counted = self._unread = 0
        self._parts: list[str] = []

    def add(self, delta: Delta | Picture) -> None:
        self.begun = True
        if isinstance(delta, Picture):
            self._counted += PICTURE_TOKENS
            return
        self._unread += said_bytes(delta)
        self._parts += (delta.reasoning, delta.text)
        for part in delta.tool_calls:
            self._parts += (part.name or "", part.arguments)
        if self._unread > UNREAD:
            self._read()

    @property
    def rough(self) -> int:
        return self._counted + -(-self._unread // BYTES_A_TOKEN)

    def exact(self) -> int:
        """Tokens so far."""
        return self._counted + self._count("".join(self._parts))

    def _read(self) -> None:
        # A word begins with its blank in all vocabularies, so that a cut there changes no count.
        text = "".join(self._parts)
        whole = max(text.rfind(" "), 0) or len(text)
        self._counted += self._count(text[:whole])
        self._parts = [text[whole:]]
        self._unread = size_of(text[whole:])
