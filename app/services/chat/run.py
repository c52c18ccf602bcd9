"""The state of one chat between its admission and its settlement."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.domain.caller import Standing
from app.domain.catalogue import Candidate, Model, Plan
from app.domain.chat import ChatRequest, Message
from app.domain.events import Attempt, Delta, Picture
from app.domain.hot import Admitted
from app.domain.ledger import StoredMessage
from app.domain.money import Price
from app.domain.policies.metering import believable
from app.domain.policies.tokens import PICTURE_TOKENS, Count, estimate, estimate_prompt
from app.domain.usage import Usage
from app.domain.wishes import Source
from app.services.chat.own_tool import OwnTool
from app.services.chat.transcript import Transcript
from app.services.ledger.away import AwayAdmission
from app.services.ledger.hold import Hold
from app.services.ledger.journal import Trail

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ChatRun:
    """started: monotonic seconds; created_at: UTC.

    counting: gives what counts a text's tokens as a model does.
    admitted: None where Redis was away at admission; alone: what this worker then decided by itself.
    hold: what it holds of limits and budgets; trail: what a crash leaves of it.
    row_id: the conversation's row, is_new: it has no row yet, unsure: as far as is known, SQL being away; window: what
        of it went into the prompt, older: there is more of it, rebuilt: the same where it was read from SQL, so that
        Redis can be given it again.
    prompt: what is sent; prompt_tokens: its estimated length; asked_tokens: that of what the present attempt was sent,
        which is longer where it goes on from another's answer.
    model, model_key: who answers, and the id of the key it was asked with; settled: the terminal state is written.
    thoughts: what another model thought of it, which the caller was sent as reasoning; others: who else was asked than
        the plan has; asides: the attempts (by n) that belong to the answer beside the one that gave it.
    cached: the answer was kept from an earlier request, or another who asks the same pays for it. shared: others may
    hear its call, which leaves its own trail. offer: to be called once its answer is durable: it may be kept.
    cache_hit: what came of asking the cache, None where it was not asked.
    carries: files of earlier turns stand in the prompt; attachments: ids of those of a question that is asked again.
    sources: what the prompt was given to answer from; images: ids of the files that were drawn.
    tool: ours, that the next attempts offer to models which use tools.
    transcript: what the caller was sent; own: what the present attempt has said, the same object unless it rescues.
    """

    request: ChatRequest
    plan: Plan
    started: float
    created_at: datetime
    counting: Callable[[Model], Count] | None = None
    admitted: Admitted | None = None
    alone: AwayAdmission | None = None
    hold: Hold | None = None
    trail: Trail | None = None
    row_id: str | None = None
    is_new: bool = False
    unsure: bool = False
    window: tuple[StoredMessage, ...] = ()
    older: bool = False
    carries: bool = False
    attachments: tuple[str, ...] = ()
    rebuilt: tuple[StoredMessage, ...] | None = None
    prompt: tuple[Message, ...] = ()
    prompt_tokens: int = 0
    asked_tokens: int = 0
    question: str = ""
    model: Model | None = None
    model_key: str | None = None
    usage: Usage | None = None
    transcript: Transcript = field(default_factory=Transcript)
    own: Transcript = field(default_factory=Transcript)
    attempts: list[Attempt] = field(default_factory=list)
    ttft_ms: int | None = None
    skipped_chunks: int = 0
    thoughts: str = ""
    others: tuple[Candidate, ...] = ()
    asides: set[int] = field(default_factory=set)
    shared: bool = False
    offer: Callable[[], None] | None = None
    cache_hit: bool | None = None
    cached: bool = False
    sources: list[Source] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    tool: OwnTool | None = None
    latency_ms: int = 0
    settled: bool = False

    @property
    def count(self) -> Count:
        """Tokens of a text for the model that answers, or is the first to be asked."""
        return estimate if self.counting is None or self.model is None else self.counting(self.model)

    def set_prompt(self, messages: tuple[Message, ...]) -> None:
        """Send this instead."""
        self.prompt, self.prompt_tokens = messages, estimate_prompt(messages, self.count)

    def params_for(self, model: Model) -> Mapping[str, Any]:
        """The request's parameters, with the tool of ours where there is one and this model uses tools."""
        if self.tool is None or not model.surely_uses_tools:
            return self.request.params
        return {**self.request.params, "tools": [self.tool.definition]}

    def begin(self, model: Model, key_id: str, *, rescuing: bool, prompt_tokens: int) -> None:
        """An attempt begins; rescuing: it goes on from what the caller was sent. prompt_tokens: of what it is sent."""
        self.model = model
        self.asked_tokens = prompt_tokens
        self.model_key = key_id
        self.usage = None
        self.own = Transcript()
        if not rescuing:
            self.transcript = self.own
        if self.hold is not None and self.hold.metered:
            self.hold.begin(model, prompt_tokens, self.spent_on(self.attempts), self.count)

    def flowed(self, delta: Delta | Picture) -> None:
        """Meter what a provider said, whether or not the caller gets it. Raises BudgetExceeded where it is more than
        can be paid for."""
        if self.trail is not None:
            self.trail.flowed(delta)
        if self.hold is not None and self.hold.metered:
            self.hold.flowed(delta)

    def may_ask(self, model: Model) -> bool:
        """Whether limits and budgets let this model be asked; it takes what is missing for that."""
        return self.hold is None or self.hold.may_ask(model, self.prompt_tokens)

    def must_be_cuttable(self, model: Model) -> bool:
        """Whether its answer may cost more than there is, so that it must come as a stream."""
        return self.hold is not None and self.hold.near_the_cap(model, self.prompt_tokens)

    def believed_usage(self) -> Usage:
        """The present attempt's: the provider's numbers where they can be true, else counted here: nothing where
        nothing was said."""
        seen, told = self.own.counted(self.asked_tokens, self.count), self.usage
        if self.cached and told is not None:
            return told
        if told is not None and self.own.pictures:
            drawn = len(self.own.pictures)
            tokens = told.picture_tokens or min(told.completion, drawn * PICTURE_TOKENS)
            told = replace(told, pictures=drawn, picture_tokens=tokens)
        counted = seen if self.own.has_content else Usage(source="counted")
        if told is None:
            return counted
        if told.source == "counted" or self._believable(told, seen):
            return told
        log.warning(
            "a provider's usage cannot be true: told %d + %d tokens, counted %d + %d",
            told.prompt,
            told.completion,
            counted.prompt,
            counted.completion,
            extra={"request_id": self.request.prompt_id},
        )
        self.usage = counted
        return counted

    def _believable(self, told: Usage, counted: Usage) -> bool:
        request, model = self.request, self.model
        cap = request.max_tokens
        return believable(
            told,
            counted,
            max_tokens=None if cap is None else cap * (request.params.get("n") or 1),
            max_output=model.max_output if model else None,
            reasons=bool(model and model.reasoning),
        )

    def aside(self, asked: ChatRequest, plan: Plan, prompt: tuple[Message, ...]) -> ChatRun:
        """A run of its own for a call whose answer is not this chat's, on its time, money and trail."""
        self.others = (*self.others, *plan.candidates)
        aside = ChatRun(asked, plan, self.started, self.created_at)
        aside.admitted, aside.alone, aside.hold, aside.trail = self.admitted, self.alone, self.hold, self.trail
        aside.counting, aside.model, aside.question = self.counting, plan.candidates[0].model, self.question
        aside.attempts, aside.others = self.attempts, (*self.plan.candidates, *self.others)
        aside.prompt, aside.prompt_tokens = prompt, estimate_prompt(prompt, aside.count)
        return aside

    def expect_answer(self) -> None:
        """What comes now is this chat's answer again."""
        request = self.request
        choices = request.params.get("n") or 1
        if self.hold is not None:
            longest = None if request.max_tokens is None else request.max_tokens * choices
            self.hold.expects(longest, choices, self.plan.work)

    @property
    def sent(self) -> bool:
        """Whether the caller may have been sent something."""
        return bool(self.thoughts) or self.transcript.has_content

    @property
    def helped(self) -> list[Attempt]:
        """The attempts that belong to the answer beside the one that gave it."""
        return [attempt for attempt in self.attempts if attempt.n in self.asides]

    def spent_on(self, attempts: Sequence[Attempt]) -> int:
        """Nano-USD of these attempts, each by its own model's price."""
        total = 0
        for attempt in attempts:
            usage = attempt.usage
            price = self._price_of(attempt) if usage else None
            if usage is not None and price is not None:
                total += price.of(usage)
        return total

    def _price_of(self, attempt: Attempt) -> Price | None:
        for candidate in (*self.plan.candidates, *self.others):
            model = candidate.model
            if (model.integration, model.name) == (attempt.provider, attempt.model):
                return model.price
        return None

    @property
    def degraded(self) -> str | None:
        """The store that was away at admission."""
        return "redis" if self.admitted is None else None

    @property
    def fallback(self) -> bool:
        """Whether another model answered than the first that was tried for."""
        first = self.plan.candidates[0].model
        return self.model is not None and self.model is not first

    @property
    def standing(self) -> Standing | None:
        """How the caller stood after the admission."""
        if self.admitted is not None:
            return self.admitted.standing
        return self.alone.standing if self.alone else None
