"""How a chat gets in: past the limits of its caller and of the first model that has room."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from app.domain.caller import Bound
from app.domain.catalogue import Candidate, Model
from app.domain.errors import DomainError, Unavailable
from app.domain.hot import Admission, Epochs
from app.domain.policies.lease import answer_tokens, budget_spent, lease_price
from app.domain.policies.limits import for_errand
from app.domain.policies.tokens import Count, estimate_prompt
from app.services.chat.run import ChatRun
from app.services.ledger.away import AwayAdmission
from app.services.ledger.bounds import BoundsBook
from app.services.ledger.hold import Hold
from app.services.ledger.treasury import Treasury
from app.utils.ids import new_id

log = logging.getLogger(__name__)


class Entry:
    """saw: told the epochs that came back. lease_ms: how long an in-flight record stands; slice_tokens: output tokens
    of one renewal of money; intends: told each admission before Redis is asked; counting: see ChatRun."""

    def __init__(
        self,
        treasury: Treasury,
        bounds: BoundsBook,
        saw: Callable[[Epochs], None],
        *,
        lease_ms: int,
        slice_tokens: int,
        intends: Callable[[Admission], None] = lambda asked: None,
        counting: Callable[[Model], Count] | None = None,
    ) -> None:
        self._treasury = treasury
        self._bounds = bounds
        self._saw = saw
        self._lease_ms = lease_ms
        self._slice_tokens = slice_tokens
        self._intends = intends
        self._counting = counting

    def admit(self, chat: ChatRun) -> None:
        """Set what admission gave, and leave out the candidates whose own limits are reached or whose price nobody
        knows while there is a budget.

        Raises RateLimited, BudgetExceeded, InvalidRequest for a request that is larger than a whole limit, and
        Unavailable where Redis is away and this caller is not let in without it.
        """
        candidates = chat.plan.candidates
        chat.counting, chat.model = self._counting, candidates[0].model
        chat.prompt_tokens = estimate_prompt(chat.request.messages, chat.count)
        full: DomainError | None = None
        for place, candidate in enumerate(candidates):
            bounds = self._bounds.of(chat.request.caller, candidate.model)
            if chat.request.wishes.errand:
                bounds = for_errand(bounds)
            try:
                _check_price(candidate, bounds, chat.created_at.date())
                self._ask(chat, candidate.model, bounds)
            except DomainError as refused:
                if refused.details.get("limit") != "model" and not _is_other_models_price(refused, candidate):
                    raise
                full = full or refused
                continue
            if place:
                chat.plan = replace(chat.plan, candidates=candidates[place:])
            return
        if full is not None:
            raise full

    def _ask(self, chat: ChatRun, model: Model, bounds: tuple[Bound, ...]) -> None:
        request, day = chat.request, chat.created_at.date()
        conversation = request.conversation
        choices = request.params.get("n") or 1
        work = chat.plan.work
        first_lease = answer_tokens(request.max_tokens, choices, work)
        chat.model = model
        admission = Admission(
            prompt_id=request.prompt_id,
            user_id=request.caller.user_id,
            key_id=request.caller.key_id,
            model=model.name,
            conversation=conversation.public_id if conversation else None,
            lease_ms=self._lease_ms,
            proposed_row=new_id() if conversation and not conversation.must_exist else None,
            bounds=bounds,
            prompt_tokens=chat.prompt_tokens,
            answer_tokens=first_lease,
            answer_capped=request.max_tokens is not None or work in ("picture", "embedding"),
            price=lease_price(model.price, work),
            day=day,
        )
        try:
            self._intends(admission)
            admitted = chat.admitted = self._treasury.admit(admission)
            money = admitted.money
            self._saw(admitted.epochs)
        except Unavailable as fault:
            log.debug("admitted without redis: %s", fault.message, extra={"request_id": request.prompt_id})
            chat.alone = self._alone(admission)
            money = chat.alone.money
        chat.hold = Hold(
            self._treasury,
            self._bounds,
            request.caller,
            request.prompt_id,
            day,
            bounds,
            money,
            slice_tokens=self._slice_tokens,
            answer_tokens=first_lease,
            longest=None if request.max_tokens is None else request.max_tokens * choices,
            choices=choices,
            work=work,
        )

    def _alone(self, admission: Admission) -> AwayAdmission:
        try:
            return self._treasury.away.admit(admission)
        except DomainError:
            # Redis may have let it in all the same, and told so too late.
            self._treasury.give_back(admission)
            raise


def _check_price(candidate: Candidate, bounds: tuple[Bound, ...], day: date) -> None:
    if candidate.model.price is None:
        for bound in bounds:
            if bound.budget is not None:
                raise budget_spent(bound, day, "price_unknown")


def _is_other_models_price(refused: DomainError, candidate: Candidate) -> bool:
    """Whether a model is refused that nobody asked for by name."""
    return refused.details.get("reason") == "price_unknown" and candidate.reason != "asked for"
