"""Models, the keys that open them, and the order in which a request will try them."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.chat import Work
from app.domain.money import Price

TEXT: frozenset[str] = frozenset({"text"})


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the catalogue.

    integration: the provider's name in lower case (`groq`, `gemini`, `grok`, `openai`, `anthropic`, `ngrok`,
        `ollama`, `demo`, or the name of one added at run time).
    base_url: None means the provider's own (settings); rows made at run time carry theirs.
    context_window, max_output: tokens, None where unknown.
    inputs, outputs: modalities in the contract's words (text, image, video, audio, file; text, image, embedding,
        transcript).
    unavailable: why it cannot answer now ("no key", "withdrawn by its provider"), None where it can.
    rank: its place in the catalogue's own order, lowest first.
    listed: no row of the catalogue, but named by its provider's own list; asked for by name alone.
    """

    id: str
    integration: str
    name: str
    context_window: int | None = None
    max_output: int | None = None
    inputs: frozenset[str] = TEXT
    outputs: frozenset[str] = TEXT
    price: Price | None = None
    active: bool = True
    reasoning: bool = False
    chat: bool = True
    tools: bool = True
    abilities_known: bool = True
    base_url: str | None = None
    unavailable: str | None = None
    rank: int = 0
    listed: bool = False
    rpm: int | None = None
    tpm: int | None = None

    @property
    def available(self) -> bool:
        return self.active and self.unavailable is None

    @property
    def may_see(self) -> bool:
        return "image" in self.inputs or not self.abilities_known

    @property
    def surely_uses_tools(self) -> bool:
        """Enough to offer it one that its caller has not asked for."""
        return self.tools and self.abilities_known


@dataclass(frozen=True, slots=True)
class Credential:
    """A provider key; of a provider that needs none, one without a secret.

    mask shows at most its last four characters; repr never shows the secret. origin: scheme, host and port of the one
    address it goes to, None for the provider's own.
    """

    id: str
    integration: str
    secret: str
    mask: str
    origin: str | None = None

    def __repr__(self) -> str:
        return f"Credential({self.integration}, {self.mask})"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model and the keys it may be asked with, one at least; reason says in a word why it stands where it does."""

    model: Model
    pool: tuple[Credential, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The candidates of one request in the order they will be tried, and those left out with the reason.

    work: what each of them is asked for."""

    candidates: tuple[Candidate, ...]
    skipped: tuple[tuple[Model, str], ...] = ()
    work: Work = "chat"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as configured here.

    default_model: the model its alias stands for (`P_MODEL`), None for the best active one.
    unavailable: why none of its models can answer ("no key"), None where they can.
    real: False for the embedded `demo`, which never stands in for a provider that failed.
    chats: False for one that has no words, only pictures: its name is no alias.
    """

    integration: str
    base_url: str
    credentials: tuple[Credential, ...] = ()
    default_model: str | None = None
    unavailable: str | None = None
    real: bool = True
    chats: bool = True
