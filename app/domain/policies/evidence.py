"""What speaks for a model and what against it: ratings, and what users do. Pure."""

from __future__ import annotations

import re
from typing import Final

from app.domain.policies.bandit import COMPLAINT_WEIGHT, RATING_WEIGHT
from app.domain.routing import ModelName, Outcome, TaskKind
from app.domain.usage import Usage

#: How much of a rating of 1 to 5 speaks for the model: who says three would rather have had another answer.
RATED_GOOD: Final = (0.0, 0.1, 0.35, 0.8, 1.0)
#: Words that two questions share, of all that they have, from which on the second asks for the first again.
SAME_QUESTION: Final = 0.7
_WORD: Final = re.compile(r"\w+")
_COMPLAINT: Final = re.compile(
    r"\s*(no[,.! ]+)?((please )?(try|do it|answer) again\b|(that|this|it)('s| is| was| does| did)( still)?"
    r"( not|n't| wrong| incorrect| false)|wrong\b|not what i (asked|meant|wanted)|you (didn't|did not|misunderst)|"
    r"noch ?(ein)?mal\b|nochmal\b|(das|dies|es) (ist|war|stimmt) (immer noch )?(nicht|falsch)|falsch\b|"
    r"réessaie|c'est faux|otra vez|está mal)",
    re.IGNORECASE,
)


def answered(kind: TaskKind, model: ModelName, user_id: str, usage: Usage, ms: int) -> Outcome:
    """An answer that nobody has complained of so far."""
    return Outcome(
        kind, model, user_id, 1.0, 1.0, chats=1.0, prompt=usage.prompt, completion=usage.completion, ms=float(ms)
    )


def complained(kind: TaskKind, model: ModelName, user_id: str) -> Outcome:
    """Its user asked again, or put another question in its place: that answer was none, and is counted as more."""
    return Outcome(kind, model, user_id, -1.0, COMPLAINT_WEIGHT - 1.0)


def failed(kind: TaskKind, model: ModelName, user_id: str) -> Outcome:
    """It was asked and did not answer."""
    return Outcome(kind, model, user_id, 0.0, 1.0)


def rated(kind: TaskKind, model: ModelName, user_id: str, rating: int, before: int | None) -> Outcome:
    """Its user said from 1 to 5 what it was worth. before: what the user had said of it, which no longer counts."""
    good = RATING_WEIGHT * RATED_GOOD[rating - 1]
    if before is None:
        return Outcome(kind, model, user_id, good, RATING_WEIGHT, ratings=1.0)
    return Outcome(kind, model, user_id, good - RATING_WEIGHT * RATED_GOOD[before - 1], 0.0)


def asked_again(before: str, now: str) -> bool:
    """Whether the second question of a conversation says that the first was not answered: it is nearly the same, or
    complains in so many words."""
    if len(now) < 200 and _COMPLAINT.match(now):
        return True
    first, second = (set(_WORD.findall(text.casefold()[:4000])) for text in (before, now))
    return len(second) > 1 and len(first & second) >= SAME_QUESTION * len(first | second)
