"""How the tests of this folder ask a provider's service, and how they read what it says."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain.chat import Message, ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvent, Silence, Skipped, ToolCallPart, UsageReport
from app.domain.usage import Usage
from app.factories.catalogue import CATALOGUE, ProviderRow
from app.factories.llm_service_factory import LLMServiceFactory
from app.transport.pooled import PooledTransport
from app.utils.cancel import Cancel
from app.utils.patience import Patience
from tests.providers.fixtures import EmulatedProviders

HELLO = (Message("user", "Grüß dich 🎉"),)
SAID = "Answer to: Grüß dich 🎉"


@dataclass(frozen=True)
class Member:
    """A provider as a list of facts. path: of its base URL here. many: gives several answers at once."""

    integration: str
    path: str
    many: bool = True

    @property
    def row(self) -> ProviderRow:
        return CATALOGUE[self.integration]

    def __str__(self) -> str:
        return self.integration


MEMBERS = (
    Member("groq", "/openai/v1"),
    Member("grok", "/v1"),
    Member("openai", "/v1"),
    Member("ngrok", "/v1"),
    Member("ollama", "/v1"),
    Member("gemini", ""),
    Member("anthropic", "", many=False),
)
ONE_A_WIRE = tuple(m for m in MEMBERS if m.integration in ("openai", "gemini", "anthropic"))


@dataclass
class Heard:
    """An answer folded from its events; fault: how it ended where it did not end well."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, ToolCallPart] = field(default_factory=dict)
    finishes: dict[int, str] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    usage: Usage | None = None
    skipped: int = 0
    silences: int = 0
    deltas: int = 0
    fault: ProviderFault | None = None

    @property
    def finish(self) -> str | None:
        return self.finishes.get(0)

    @property
    def kind(self) -> str | None:
        return self.fault.kind if self.fault else None


def listen(events: Iterable[ProviderEvent]) -> Heard:
    """Fold events to their end. A second finish of one answer is a failure of the service."""
    heard = Heard()
    try:
        for event in events:
            _hear(heard, event)
    except ProviderFault as fault:
        heard.fault = fault
    heard.text = heard.texts.get(0, "")
    return heard


def _hear(heard: Heard, event: ProviderEvent) -> None:
    match event:
        case Delta():
            assert event.choice not in heard.finishes, "content after the finish"
            heard.deltas += 1
            heard.texts[event.choice] = heard.texts.get(event.choice, "") + event.text
            heard.reasoning += event.reasoning
            for part in event.tool_calls:
                known = heard.calls.setdefault(part.index, replace(part, arguments=""))
                assert known is not part
                assert part.id in (None, known.id)
                known.arguments += part.arguments
        case Finish():
            assert event.choice not in heard.finishes, "two finishes of one answer"
            heard.finishes[event.choice] = event.reason
        case UsageReport():
            heard.usage = event.usage
        case Skipped():
            heard.skipped += event.chunks
        case Silence():
            heard.silences += 1


class Asker:
    """Asks one provider, emulated, over the real transport."""

    def __init__(self, factory: LLMServiceFactory, upstream: EmulatedProviders, member: Member) -> None:
        self.service = factory.service(member.integration)
        self.member = member
        self.base_url = upstream.url + member.path

    def call(self, model: str = "m", *, stream: bool = True, **facts: Any) -> ProviderCall:
        facts.setdefault("messages", HELLO)
        facts.setdefault("secret", "sk-canary-0123456789abcdef")
        return ProviderCall(model_name=model, base_url=self.base_url, stream=stream, **facts)

    def ask(self, model: str = "m", *, stream: bool = True, patience: Patience | None = None, **facts: Any) -> Heard:
        call = self.call(model, stream=stream, **facts)
        return listen(self.service.chat(call, patience or patient(), Cancel()))


def patient(first: float = 5.0, stall: float = 5.0, tick: float = 15.0) -> Patience:
    return Patience(deadline=time.monotonic() + 20, first=first, stall=stall, tick=tick)


def new_factory() -> LLMServiceFactory:
    return LLMServiceFactory(PooledTransport(connect_timeout=2.0, pool_size=16))
