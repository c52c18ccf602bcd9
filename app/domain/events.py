"""What a chat says while it runs, from the provider's wire up to the door.

A provider's strategy yields ProviderEvent; the orchestrator yields ChatEvent, of which exactly one `Done` or
`Failed` is last. Whatever a door must know comes in here, never by callback.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from app.domain.caller import Standing
from app.domain.chat import FinishReason, ToolCall
from app.domain.errors import DomainError
from app.domain.sound import Heard
from app.domain.usage import Usage
from app.domain.wishes import Source


@dataclass(slots=True)
class ToolCallPart:
    """A piece of a tool call. id and name come with the first piece; arguments are to be joined by index."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True)
class Delta:
    """A piece of the answer. choice: which of `n` answers. logprobs: the provider's object, passed on as it came."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallPart, ...] = ()
    choice: int = 0
    logprobs: Any = None


@dataclass(slots=True)
class Finish:
    """The provider said why one of the answers ends. Without it an answer is broken."""

    reason: FinishReason
    choice: int = 0


@dataclass(slots=True)
class UsageReport:
    """The provider's own numbers; the last sane one counts."""

    usage: Usage


@dataclass(slots=True)
class Skipped:
    """A chunk that could not be read and was passed over."""

    chunks: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole picture as the provider sent it. content_type: by its first bytes, as `image/png`."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Vectors:
    """What texts are as vectors, in their order: float32, little-endian, one text's after the other's."""

    values: tuple[bytes, ...]


@dataclass(slots=True)
class Silence:
    """Nothing came for a heartbeat's length; a door may write a comment line."""


ProviderEvent = Delta | Finish | UsageReport | Skipped | Silence | Picture | Heard | Vectors
#: A generator and not any iterator: whoever stops listening closes it, and with it the provider's connection.
ProviderEvents = Generator[ProviderEvent, None, None]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The chat was admitted; its row in the ledger exists from here on. degraded: the store that is away, if any;
    standing: what is left of the caller's limits."""

    prompt_id: str
    conversation_id: str | None
    degraded: str | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    n: int
    model: str
    provider: str
    key_mask: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of one provider, as the receipt shows it.

    started_ms: since the request came; status: the provider's HTTP status; error: a ProviderFault's kind;
    next: what followed (None, retry, next_key, next_model, rescue, stop).
    """

    n: int
    model: str
    provider: str
    key_mask: str | None
    reason: str
    started_ms: int
    latency_ms: int
    ttft_ms: int | None = None
    status: int | None = None
    error: str | None = None
    usage: Usage | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """Throw away all text and reasoning so far; what follows is another model's answer from its start."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class CacheLook:
    """The cache was asked: it had the answer, or it had not."""

    hit: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One of `n` whole answers, folded from its deltas."""

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    logprobs: Any = None


@dataclass(frozen=True, slots=True)
class Done:
    """The chat ended well and is durable: its ledger row and messages are committed.

    charge: nano-USD, None where no price is known. pictures: that were drawn; images: ids of the caller's files that
    they are kept as, where the door keeps them. heard: what was said in a recording that was to be written down.
    cache_hit: whether the cache had the answer, None where it was not asked. vectors: as in `Vectors`.
    """

    answers: tuple[Answer, ...]
    model: str
    provider: str
    usage: Usage
    charge: int | None
    attempts: int
    latency_ms: int
    ttft_ms: int | None
    fallback: bool = False
    cached: bool = False
    degraded: str | None = None
    standing: Standing | None = None
    sources: tuple[Source, ...] = ()
    images: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    cache_hit: bool | None = None
    heard: Heard | None = None
    vectors: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The chat ended otherwise, and that too is in the ledger. state: a terminal state of the contract."""

    error: DomainError
    state: str
    usage: Usage
    text: str = ""


ChatEvent = (
    Accepted | CacheLook | AttemptStarted | Attempt | Delta | Finish | Restart | Notice | Silence | Done | Failed
)
