"""What the two hot trips to Redis carry."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.caller import Bound, Standing
from app.domain.ledger import StoredMessage


@dataclass(frozen=True, slots=True)
class Admission:
    """Trip 1. conversation: the public id, None where the door keeps none; lease_ms: how long an in-flight record
    stands without a sign of life; proposed_row: the row id the conversation gets if it is new, so that two first
    messages at once agree on one.

    bounds: what binds this chat, the model's last: all of them let it in or none counts it.
    prompt_tokens: of what the caller sent, to which the conversation's window is added.
    answer_tokens: expected of the answer; answer_capped: because the caller asked for so many.
    """

    prompt_id: str
    user_id: str
    key_id: str | None
    model: str
    conversation: str | None
    lease_ms: int
    proposed_row: str | None = None
    bounds: tuple[Bound, ...] = ()
    prompt_tokens: int = 0
    answer_tokens: int = 0
    answer_capped: bool = False


@dataclass(frozen=True, slots=True)
class Epochs:
    """Counters that a change raises, so that every worker looks again: callers, catalogue, keys' and models' health."""

    auth: int
    catalogue: int
    health: int = 0


@dataclass(frozen=True, slots=True)
class HotWindow:
    """A conversation as Redis knows it.

    id: the conversation's row id, None where Redis does not know it (then SQL decides).
    messages: oldest first, ordered by prompt_id and question before answer; None where there is no window to trust
        (never built, expired, a settle that failed, another chat of this conversation in flight): recall reads SQL.
    version: hand it back at settle, so that a window rebuilt from SQL is not laid over a newer one.
    model, key: the model that answered last and the id of the key it was asked with.
    """

    id: str | None
    messages: tuple[StoredMessage, ...] | None
    version: int
    model: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """tokens: what was counted against the limits of tokens a minute."""

    epochs: Epochs
    window: HotWindow | None
    standing: Standing | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class HotSettlement:
    """Trip 2. exchange: what is appended to the window (() where nothing was stored); rebuilt: the window as SQL had
    it, laid down first if the version still holds; drop: throw the window away instead (an exchange was replaced).
    model, model_key: who answered, with which key.

    bounds: as at admission; held_tokens: what was counted then; used_tokens: what it came to. void: it was never
    accepted, and is not counted as a request either."""

    prompt_id: str
    user_id: str
    key_id: str | None
    conversation: str | None
    conversation_row: str | None
    version: int
    exchange: tuple[StoredMessage, ...]
    rebuilt: tuple[StoredMessage, ...] | None
    model: str | None
    model_key: str | None = None
    drop: bool = False
    bounds: tuple[Bound, ...] = ()
    held_tokens: int = 0
    used_tokens: int = 0
    void: bool = False
