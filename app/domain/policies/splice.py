"""Joins the answer of a rescuer to what the caller was already sent, to the character. Pure.

Two ways to be rescued. Asked to go on (`continuing`), a model's text follows what was sent; some repeat a part of
it, or all, or begin with the white space that was cut off the prefix. Asked afresh, its text must agree with what was
sent before anything new goes out; where it does not, the two answers are not one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Of a continuation so much is looked at before it is believed to go on, and not to begin again.
LOOK_AHEAD = 80
#: What was sent must be this long for its repetition to be told from chance.
LEAST_REPEATED = 3
#: The beginning of a word in which the break fell: two letters or more.
FRAGMENT = re.compile(r"[^\W\d_]{2,}\Z")
#: So many letters glued to the same letters are the word said twice (`TheThe`); of two it may be one (`mama`).
SURELY_TWICE = 3


@dataclass(frozen=True, slots=True)
class Joined:
    """text: what may go out now. diverged: the two texts are different answers; nothing may be joined."""

    text: str = ""
    diverged: bool = False


class Continuation:
    """The text of a model that was asked to go on from `sent`.

    asked: the prefix it was really given: `sent`, or `sent` without the white space at its end.
    """

    def __init__(self, sent: str, asked: str) -> None:
        self._sent = sent
        self._asked = asked
        self._cut_off = sent[len(asked) :]
        self._needed = min(LOOK_AHEAD, len(sent))
        self._held = ""
        self._begun_again: Afresh | None = None
        self._joined = False

    def feed(self, piece: str) -> Joined:
        if self._begun_again is not None:
            return self._begun_again.feed(piece)
        if self._joined:
            return Joined(piece)
        self._held += piece
        return Joined() if len(self._held) < self._needed else self._join()

    def end(self) -> Joined:
        """The stream ended: what is held goes out."""
        joined = Joined() if self._joined else self._join()
        if self._begun_again is None or joined.diverged:
            return joined
        return Joined(joined.text, self._begun_again.end().diverged)

    @property
    def text(self) -> str:
        """All that the model said, where it began again and said something else."""
        return self._begun_again.text if self._begun_again else ""

    def _join(self) -> Joined:
        self._joined = True
        held = self._held
        again = held.startswith(self._sent) or (len(held) >= self._needed and self._sent.startswith(held))
        if again and len(self._sent) >= LEAST_REPEATED:
            self._begun_again = Afresh(self._sent)
            return self._begun_again.feed(held)
        return Joined(held[self._overlap(held) :])

    def _overlap(self, held: str) -> int:
        """How many characters at the beginning of `held` the caller has: white space that was cut off the prefix, or
        the word in which, or behind which, the break fell."""
        for length in range(min(len(held), len(self._cut_off)), 0, -1):
            if self._cut_off.endswith(held[:length]):
                return length
        fragment = FRAGMENT.search(self._asked)
        again = fragment[0] + self._cut_off if fragment else ""
        if fragment is None or not held.startswith(again):
            return 0
        surely = self._cut_off or len(again) >= SURELY_TWICE or held[len(again) : len(again) + 1].isalpha()
        return len(again) if surely else 0


class Afresh:
    """The text of a model that was asked the whole question again."""

    def __init__(self, sent: str) -> None:
        self._left = sent
        self._seen = ""

    @property
    def text(self) -> str:
        """All that came while nothing went out: the beginning of the new answer, for a restart."""
        return self._seen

    def feed(self, piece: str) -> Joined:
        if not self._left:
            return Joined(piece)
        self._seen += piece
        if len(piece) <= len(self._left):
            agrees = self._left.startswith(piece)
            self._left = self._left[len(piece) :]
            return Joined(diverged=not agrees)
        if not piece.startswith(self._left):
            return Joined(diverged=True)
        rest, self._left = piece[len(self._left) :], ""
        return Joined(rest)

    def end(self) -> Joined:
        """The stream ended: an answer shorter than what was sent is another one."""
        return Joined(diverged=bool(self._left))
