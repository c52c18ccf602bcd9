"""A chat with everything of services.chat in it, and stand-ins at its seams: provider, admission, SQL, ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, cast

from app.domain.caller import Caller
from app.domain.catalogue import Credential, Model, Plan, Provider
from app.domain.chat import ChatRequest, ConversationRef, Message, ProviderCall, Work
from app.domain.errors import BudgetExceeded
from app.domain.events import ChatEvent, Delta, Finish, ProviderEvent, UsageReport
from app.domain.hot import Admission, Admitted, Epochs, Grant, HotSettlement, HotWindow, Renewal, Unbuilt
from app.domain.ledger import SettledChat, StoredMessage
from app.domain.money import Price
from app.domain.policies.breaker import BreakerState
from app.domain.policies.keys import KeyState
from app.domain.usage import Usage
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.catalogue.catalogue import Catalogue
from app.services.chat.caching import ChatCache
from app.services.chat.entry import Entry
from app.services.chat.failover import Failover, RetryRules
from app.services.chat.health import HealthBoard
from app.services.chat.orchestrator import ChatOrchestrator
from app.services.chat.recall import Recall
from app.services.chat.run import ChatRun
from app.services.chat.selector import LLMSelectorService
from app.services.chat.settlement import Settlement
from app.services.chat.timing import Timeouts
from app.services.ledger.away import Away
from app.services.ledger.bounds import BoundsBook
from app.services.ledger.ledger import Ledger
from app.services.ledger.treasury import Treasury
from app.utils.cancel import Cancel
from app.utils.clock import monotonic, utcnow
from app.utils.ids import new_id
from app.utils.patience import Patience

CALLER = Caller("u1", "ann", "user")
PRICE = Price(input=1_000_000_000, output=2_000_000_000)


def model(integration: str, name: str, rank: int, **facts: Any) -> Model:
    row = Model(f"{integration}/{name}", integration, name, price=PRICE, context_window=8_000, rank=rank)
    return replace(row, **facts)


def provider(integration: str, **facts: Any) -> Provider:
    key = Credential(f"{integration}:1", integration, f"secret-{integration}", "…cret")
    return replace(Provider(integration, f"http://{integration}.test/v1", (key,)), **facts)


ROWS = (
    model("alpha", "a-small", 0),
    model("alpha", "a-sees", 1, inputs=frozenset({"text", "image"})),
    model("beta", "b-large", 2, context_window=100_000),
    model("demo", "demo", 3),
)
PROVIDERS = {
    "alpha": provider("alpha"),
    "beta": provider("beta"),
    "demo": Provider("demo", "", real=False),
}


class NoSharing:
    """The health store of a worker that is alone."""

    def tell_key(self, key_id: str, state: KeyState, now: float) -> None: ...

    def tell_breaker(self, model_id: str, state: BreakerState, now: float) -> None: ...

    def read(self, now: float) -> tuple[Mapping[str, KeyState], Mapping[str, BreakerState]]:
        return {}, {}

    def claim(self, what: str, seconds: float) -> bool:
        return True

    def count(self, uses: Mapping[str, int]) -> None: ...


def board() -> HealthBoard:
    return HealthBoard(NoSharing())


def catalogue(rows: tuple[Model, ...] = ROWS, providers: Mapping[str, Provider] = PROVIDERS) -> Catalogue:
    return Catalogue(lambda: rows, providers)


def request(
    text: str = "hello", *, ref: ConversationRef | None = None, name: str = "a-small", **more: Any
) -> ChatRequest:
    given: dict[str, Any] = {"door": "app" if ref else "openai", "stream": True} | more
    messages = given.pop("messages", (Message("user", text),))
    return ChatRequest(
        new_id(), caller=given.pop("caller", CALLER), model=name, messages=messages, conversation=ref, **given
    )


def run_of(asked: ChatRequest, plan: Plan, window: HotWindow | None = None) -> ChatRun:
    chat = ChatRun(asked, plan, monotonic(), utcnow())
    chat.model = plan.candidates[0].model
    chat.admitted = Admitted(EPOCHS, window)
    return chat


EPOCHS = Epochs(**dict.fromkeys(Epochs.__dataclass_fields__, 1))


def stored(prompt_id: str, role: str, content: str, tokens: int = 1) -> StoredMessage:
    return StoredMessage(prompt_id, cast(Any, role), content, tokens, utcnow())


def exchange(prompt_id: str, question: str, answer: str, tokens: int = 1) -> tuple[StoredMessage, StoredMessage]:
    return stored(prompt_id, "user", question, tokens), stored(prompt_id, "assistant", answer, tokens)


def whole(text: str = "one two") -> list[ProviderEvent]:
    """What a healthy provider says."""
    pieces: list[ProviderEvent] = [Delta(word + " ") for word in text.split()]
    return [*pieces, Finish("stop"), UsageReport(Usage(prompt=3, completion=2))]


@dataclass
class Speaker:
    """A provider's strategy that says what it was told. An exception among the events is raised in its place."""

    says: list[ProviderEvent | BaseException] = field(default_factory=lambda: [*whole()])
    calls: list[ProviderCall] = field(default_factory=list)
    closed: int = 0
    at_close: BaseException | None = None
    on_event: Callable[[int], None] | None = None

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> Iterator[ProviderEvent]:
        self.calls.append(call)
        try:
            for index, event in enumerate(self.says):
                if self.on_event is not None:
                    self.on_event(index)
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            self.closed += 1
            if self.at_close is not None:
                raise self.at_close


class Services:
    """Stands for the factory: one speaker an integration."""

    def __init__(self, **speakers: Speaker) -> None:
        self.speakers = speakers

    def service(self, integration: str, work: Work = "chat") -> Speaker:
        return self.speakers[integration]


@dataclass
class Book:
    """Stands for group commit and Redis: what was settled, and what was raised instead."""

    rows: list[SettledChat] = field(default_factory=list)
    hot: list[HotSettlement] = field(default_factory=list)
    admissions: list[Admission] = field(default_factory=list)
    window: HotWindow | None = None
    fault: BaseException | None = None
    after_commit: Callable[[], None] | None = None
    away: bool = False
    full: bool = False

    def submit(self, chat: SettledChat) -> None:
        if self.fault is not None:
            raise self.fault
        self.rows.append(chat)
        if self.after_commit is not None:
            self.after_commit()

    def settle(self, settlement: HotSettlement) -> None:
        self.hot.append(settlement)

    def renew(self, renewal: Renewal) -> Grant:
        raise BudgetExceeded("nothing is left")

    def rebuild(self, unbuilt: Unbuilt, day: date, spent: int) -> bool:
        return True

    def admit(self, admission: Admission) -> Admitted:
        self.admissions.append(admission)
        return Admitted(EPOCHS, self.window)


class NothingSpent:
    """The ledger of who has no budget."""

    def of(self, *whose: object) -> int:
        return 0


class Shelf:
    """Stands for the conversations in SQL."""

    def __init__(self, **conversations: tuple[StoredMessage, ...]) -> None:
        self.conversations = conversations
        self.reads = 0

    def window(
        self, user_id: str, public_id: str, limit: int, before: str | None = None
    ) -> tuple[str, tuple[StoredMessage, ...]] | None:
        self.reads += 1
        if public_id not in self.conversations:
            return None
        messages = [m for m in self.conversations[public_id] if before is None or m.prompt_id < before]
        return f"row-{public_id}", tuple(messages[-limit:])

    def question(self, user_id: str, public_id: str, prompt_id: str) -> tuple[str, tuple[str, ...]]:
        from app.domain.errors import NotFound

        for message in self.conversations.get(public_id, ()):
            if message.prompt_id == prompt_id and message.role == "user":
                return message.content, message.attachments or ()
        raise NotFound("no such exchange", field="replaces")


class ChatHouse:
    """One orchestrator over the stand-ins."""

    def __init__(
        self,
        *,
        shelf: Shelf | None = None,
        rows: tuple[Model, ...] = ROWS,
        cache: ChatCache | None = None,
        **speakers: Speaker,
    ) -> None:
        self.book = Book()
        self.shelf = shelf or Shelf()
        self.speakers = {"alpha": Speaker(), "beta": Speaker(), "demo": Speaker()} | speakers
        self.cancel = Cancel()
        self.revoked: BaseException | None = None
        known, health = catalogue(rows), board()
        services = cast(LLMServiceFactory, Services(**self.speakers))
        limits = Timeouts(request=5, stream=5, first_token=5, stall=5, reply=5)
        self.orchestrator = ChatOrchestrator(
            LLMSelectorService(known, health, "priority"),
            Entry(
                Treasury(self.book, NothingSpent(), Away("local", 1, NothingSpent())),
                BoundsBook(60, lambda: None),
                lambda epochs: None,
                lease_ms=1_000,
                slice_tokens=2,
            ),
            Recall(self.shelf, 40, 8_000),
            Failover(services, known, health, limits, RetryRules(6, 0.0)),
            Settlement(Ledger(self.book, self.book)),
            self._confirm,
            slice_deltas=2,
            cache=cache,
        )

    def run(self, asked: ChatRequest) -> Iterator[ChatEvent]:
        return self.orchestrator.run(asked, self.cancel)

    @property
    def states(self) -> list[str]:
        return [chat.row.state for chat in self.book.rows]

    def _confirm(self, caller: Caller) -> None:
        if self.revoked is not None:
            raise self.revoked
