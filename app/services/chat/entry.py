"""How a chat gets in: past the limits of its caller and of the first model that has room."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from app.domain.catalogue import Model
from app.domain.errors import DomainError, Unavailable
from app.domain.hot import Admission, Admitted, Epochs
from app.domain.policies.lease import answer_tokens
from app.domain.policies.tokens import estimate_prompt
from app.services.chat.run import ChatRun
from app.services.ledger.bounds import BoundsBook
from app.utils.ids import new_id

log = logging.getLogger(__name__)


class Admissions(Protocol):
    def admit(self, admission: Admission) -> Admitted:
        """Trip 1. Raises RateLimited or InvalidRequest for who is not let in; Unavailable where Redis is away."""


class Entry:
    """saw: told the epochs that came back. lease_ms: how long an in-flight record stands."""

    def __init__(
        self, admissions: Admissions, bounds: BoundsBook, saw: Callable[[Epochs], None], *, lease_ms: int
    ) -> None:
        self._admissions = admissions
        self._bounds = bounds
        self._saw = saw
        self._lease_ms = lease_ms

    def admit(self, chat: ChatRun) -> None:
        """Set what admission gave, and leave out the candidates whose own limits are reached.

        Raises RateLimited, and InvalidRequest for a request that is larger than a whole limit.
        """
        chat.prompt_tokens = estimate_prompt(chat.request.messages)
        candidates = chat.plan.candidates
        full: DomainError | None = None
        for place, candidate in enumerate(candidates):
            try:
                self._ask(chat, candidate.model)
            except DomainError as refused:
                if refused.details.get("limit") != "model":
                    raise
                full = full or refused
                continue
            if place:
                chat.plan = replace(chat.plan, candidates=candidates[place:])
            return
        if full is not None:
            raise full

    def _ask(self, chat: ChatRun, model: Model) -> None:
        request = chat.request
        conversation = request.conversation
        chat.model = model
        chat.bounds = self._bounds.of(request.caller, model)
        admission = Admission(
            prompt_id=request.prompt_id,
            user_id=request.caller.user_id,
            key_id=request.caller.key_id,
            model=model.name,
            conversation=conversation.public_id if conversation else None,
            lease_ms=self._lease_ms,
            proposed_row=new_id() if conversation and not conversation.must_exist else None,
            bounds=chat.bounds,
            prompt_tokens=chat.prompt_tokens,
            answer_tokens=answer_tokens(request.max_tokens, request.params.get("n") or 1),
            answer_capped=request.max_tokens is not None,
        )
        try:
            chat.admitted = self._admissions.admit(admission)
        except Unavailable as fault:
            log.debug("admitted without redis: %s", fault.message, extra={"request_id": request.prompt_id})
        else:
            self._saw(chat.admitted.epochs)
