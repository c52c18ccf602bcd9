"""Limits and money while Redis is away: what this worker may let in by itself, as REDIS_DOWN says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from app.domain.caller import Bound, Budget, Limits, Quota, Scope, Standing
from app.domain.errors import RateLimited, Unavailable
from app.domain.hot import Admission, Grant, Renewal
from app.domain.money import FREE
from app.domain.policies.lease import budget_spent, cost, period_name
from app.utils.clock import monotonic

MINUTE = 60.0
MOST_FULL = 20_000
BELIEVED = 1.0
"""Seconds that what the ledger said is gone by."""

Name = tuple[Scope, str]


class Spent(Protocol):
    def of(self, scope: Scope, name: str, budget: Budget, day: date, without: Collection[str] = ()) -> int:
        """Nano-USD by the ledger, but for these prompt ids. Raises Unavailable."""


@dataclass(slots=True)
class _Used:
    """What one key, user or model takes here: requests and tokens of the last minute, requests at once."""

    requests: deque[float] = field(default_factory=deque)
    tokens: deque[tuple[float, int]] = field(default_factory=deque)
    at_once: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Budget:
    """spent: by the ledger at read_at; since: what was settled here after that; held: by chats in flight here."""

    spent: int = 0
    read_at: float = float("-inf")
    since: int = 0
    held: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AwayAdmission:
    standing: Standing | None = None
    money: Grant | None = None


class Away:
    """One worker's. mode: REDIS_DOWN, closed, open or local; workers: how many share each limit and each budget."""

    def __init__(self, mode: str, workers: int, spent: Spent, *, clock: Callable[[], float] = monotonic) -> None:
        self._mode = mode
        self._workers = workers
        self._ledger = spent
        self._clock = clock
        self._used: dict[Name, _Used] = {}
        self._budgets: dict[tuple[Name, str], _Budget] = {}
        self._full: dict[Name, float] = {}

    def heard(self, refused: RateLimited, bounds: Collection[Bound]) -> None:
        """Redis said that a limit is reached: until it says otherwise nothing more is let in here either."""
        for bound in bounds:
            if bound.scope == refused.details.get("limit") and refused.details.get("reason") == "requests":
                if len(self._full) >= MOST_FULL:
                    self._full.clear()
                self._full[bound.scope, bound.id] = self._clock() + (refused.retry_after or 0.0)

    def admit(self, admission: Admission) -> AwayAdmission:
        """Raises Unavailable where nobody, or nobody under a budget, is let in; RateLimited and BudgetExceeded."""
        budgets = [bound for bound in admission.bounds if bound.budget is not None]
        if self._mode == "closed" or (self._mode == "open" and budgets):
            raise Unavailable("Redis is away, and without it nobody is let in whose limits stand there.", retry_after=1)
        if self._mode == "open":
            return AwayAdmission()
        standing = self._check_limits(admission)
        money = None
        if budgets:
            price = admission.price or FREE
            prompt = cost(admission.prompt_tokens, price.input)
            wanted = prompt + cost(admission.answer_tokens, price.output)
            money = self._take(admission.prompt_id, budgets, admission.day, wanted, prompt + cost(1, price.output))
        self._count(admission)
        return AwayAdmission(standing, money)

    def renew(self, renewal: Renewal) -> Grant:
        """More for a chat in flight. Raises BudgetExceeded; Unavailable where no money moves without Redis."""
        budgets = [bound for bound in renewal.bounds if bound.budget is not None]
        if budgets and self._mode != "local":
            raise Unavailable("Redis is away, and without it no budget is spent.", retry_after=1)
        for bound in budgets:
            # What was held in Redis is not in the ledger either.
            self._of(bound, renewal.day).held.setdefault(renewal.prompt_id, renewal.held)
        return self._take(renewal.prompt_id, budgets, renewal.day, renewal.wanted, renewal.needed)

    def end(self, prompt_id: str, bounds: Collection[Bound], day: date, spent: int) -> None:
        """A chat ended that was let in here, or renewed."""
        for bound in bounds:
            used = self._used.get((bound.scope, bound.id))
            if used is not None:
                used.at_once.discard(prompt_id)
            if bound.budget is not None and (budget := self._known(bound, day)) is not None:
                budget.held.pop(prompt_id, None)
                budget.since += spent

    def _check_limits(self, admission: Admission) -> Standing:
        now, least = self._clock(), None
        tokens = admission.prompt_tokens + admission.answer_tokens
        for bound in admission.bounds:
            until = self._full.get((bound.scope, bound.id), 0.0)
            if until > now:
                raise _reached(bound, "requests", until - now)
            used, limits = self._recent(bound, now), self._share(bound.limits)
            if limits.rpm is not None and len(used.requests) >= limits.rpm:
                raise _reached(bound, "requests", used.requests[0] + MINUTE - now)
            if limits.tpm is not None and used.tokens and sum(n for _, n in used.tokens) + tokens > limits.tpm:
                raise _reached(bound, "tokens", used.tokens[0][0] + MINUTE - now)
            if limits.concurrency is not None and len(used.at_once) >= limits.concurrency:
                raise _reached(bound, "concurrency", 1.0)
            if limits.rpm is not None:
                oldest = used.requests[0] if used.requests else now
                quota = Quota(limits.rpm, limits.rpm - len(used.requests) - 1, oldest + MINUTE - now)
                least = quota if least is None or quota.left < least.left else least
        return Standing(least)

    def _count(self, admission: Admission) -> None:
        now = self._clock()
        for bound in admission.bounds:
            if bound.limits != Limits():
                used = self._used[bound.scope, bound.id]
                used.requests.append(now)
                used.tokens.append((now, admission.prompt_tokens + admission.answer_tokens))
                used.at_once.add(admission.prompt_id)

    def _recent(self, bound: Bound, now: float) -> _Used:
        used = self._used.setdefault((bound.scope, bound.id), _Used())
        while used.requests and used.requests[0] <= now - MINUTE:
            used.requests.popleft()
            used.tokens.popleft()
        return used

    def _share(self, limits: Limits) -> Limits:
        """Rounded up, so that a limit lower than the number of workers lets somebody in."""
        shares = (None if n is None else -(-n // self._workers) for n in (limits.rpm, limits.tpm, limits.concurrency))
        return Limits(*shares)

    def _take(self, prompt_id: str, bounds: list[Bound], day: date, wanted: int, needed: int) -> Grant:
        if not bounds:
            return Grant(0, 0)
        left, scarce = min(((self._left(bound, day), bound) for bound in bounds), key=lambda pair: pair[0])
        if left < needed:
            raise budget_spent(scarce, day)
        amount = max(0, min(wanted, left))
        for bound in bounds:
            held = self._of(bound, day).held
            held[prompt_id] = held.get(prompt_id, 0) + amount
        return Grant(amount, left - amount, sum(self._of(scarce, day).held.values()))

    def _left(self, bound: Bound, day: date) -> int:
        """This worker's share of what the ledger says is left, less what is held and was spent here since."""
        assert bound.budget is not None
        budget, now = self._of(bound, day), self._clock()
        if now - budget.read_at >= BELIEVED:
            try:
                spent = self._ledger.of(bound.scope, bound.id, bound.budget, day)
            except Unavailable:
                if budget.read_at == float("-inf"):
                    raise
            else:
                budget.spent, budget.read_at, budget.since = spent, now, 0
        return (bound.budget.amount - budget.spent) // self._workers - budget.since - sum(budget.held.values())

    def _of(self, bound: Bound, day: date) -> _Budget:
        return self._budgets.setdefault(_name(bound, day), _Budget())

    def _known(self, bound: Bound, day: date) -> _Budget | None:
        return self._budgets.get(_name(bound, day))


def _name(bound: Bound, day: date) -> tuple[Name, str]:
    period = period_name(bound.budget.period, day) if bound.budget else ""
    return (bound.scope, bound.id), period


def _reached(bound: Bound, reason: str, wait: float) -> RateLimited:
    return RateLimited(
        f"this worker's share of the limit of {reason} is reached while Redis is away",
        details={"limit": bound.scope, "reason": reason},
        retry_after=wait,
    )
