"""What the two hot trips to Redis carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.domain.caller import Bound, Standing
from app.domain.ledger import StoredMessage
from app.domain.money import Price


@dataclass(frozen=True, slots=True)
class Admission:
    """Trip 1. conversation: the public id, None where the door keeps none; lease_ms: how long an in-flight record
    stands without a sign of life; proposed_row: the row id the conversation gets if it is new, so that two first
    messages at once agree on one.

    bounds: what binds this chat, the model's last: all of them let it in or none counts it.
    prompt_tokens: of what the caller sent, to which the conversation's window is added.
    answer_tokens: expected of the answer; answer_capped: because the caller asked for so many.
    price: of the model, needed where a bound has a budget; day: of admission in UTC, it says which periods pay.
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
    price: Price | None = None
    day: date = date.min


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
class Grant:
    """Nano-USD. amount: held for the chat by this; left, leased: of the budget with the least left, after it."""

    amount: int
    left: int
    leased: int = 0


@dataclass(frozen=True, slots=True)
class Admitted:
    """tokens: what was counted against the limits of tokens a minute. money: what is held, where a budget binds."""

    epochs: Epochs
    window: HotWindow | None
    standing: Standing | None = None
    tokens: int = 0
    money: Grant | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """More money for a chat in flight, or the limits of another model. bounds: that have a budget, and the model's.

    held, wanted, needed: nano-USD that it has, would like more, and the least of that which is of use.
    tokens: to be counted against the model.
    """

    prompt_id: str
    bounds: tuple[Bound, ...]
    day: date
    held: int
    wanted: int
    needed: int
    tokens: int = 0


class Unbuilt(Exception):
    """Redis does not know what is left of a budget: it must be built from the ledger, and then be asked again.

    version: to be handed back; in_flight: prompt ids that Redis accounts for itself, whatever the ledger says.
    """

    def __init__(self, bound: Bound, version: bytes, in_flight: tuple[str, ...]) -> None:
        super().__init__(f"the budget of {bound.scope} {bound.id} is not built")
        self.bound = bound
        self.version = version
        self.in_flight = in_flight


@dataclass(frozen=True, slots=True)
class HotSettlement:
    """Trip 2. exchange: what is appended to the window (() where nothing was stored); rebuilt: the window as SQL had
    it, laid down first if the version still holds; drop: throw the window away instead (an exchange was replaced).
    model, model_key: who answered, with which key.

    bounds: as at admission; held_tokens: what was counted then; used_tokens, spent (nano-USD, failed
    attempts with it): what it came to; day: of admission. alone: Redis was away at admission; committed_after: a moment
    of the monotonic clock before its row was written. void: it was never
    accepted, and is not counted as a request either."""

    prompt_id: str
    user_id: str
    key_id: str | None
    conversation: str | None
    conversation_row: str | None = None
    version: int = 0
    exchange: tuple[StoredMessage, ...] = ()
    rebuilt: tuple[StoredMessage, ...] | None = None
    model: str | None = None
    model_key: str | None = None
    drop: bool = False
    bounds: tuple[Bound, ...] = ()
    held_tokens: int = 0
    used_tokens: int = 0
    spent: int = 0
    day: date = date.min
    alone: bool = False
    committed_after: float = float("-inf")
    void: bool = False
