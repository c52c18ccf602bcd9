"""What one chat holds of limits and budgets while it lasts."""

from __future__ import annotations

from datetime import date

from app.domain.caller import Bound, Caller
from app.domain.catalogue import Model
from app.domain.chat import Work
from app.domain.errors import BudgetExceeded, DomainError, RateLimited
from app.domain.events import Delta, Picture
from app.domain.hot import Grant, Renewal
from app.domain.money import FREE, PER_MILLION, Price
from app.domain.policies.lease import budget_spent, cost, lease_price
from app.domain.policies.tokens import Count, estimate
from app.services.ledger.bounds import BoundsBook
from app.services.ledger.meter import Meter
from app.services.ledger.treasury import Treasury

ENDLESS = 1 << 62
LARGEST_ANSWER = 16_384
"""Tokens that an answer may have where neither the caller nor the model's row says less."""


class Hold:
    """bounds: what binds the chat, and what settling must let go of. money: as admission granted it, None where no
    budget binds. slice_tokens: LEASE_TOKENS, what is renewed at a time. answer_tokens: what the first lease covers;
    longest: the most tokens that the caller lets the answer have, all its choices together. work: a picture cannot be
    cut, so that it is paid whole before it is asked for.
    """

    __slots__ = (
        "_answer_tokens", "_before", "_book", "_budgets", "_caller", "_choices", "_day", "_enough", "_fixed",
        "_granted", "_longest", "_meter", "_money", "_most_a_choice", "_price", "_prompt_id", "_slice", "_treasury",
        "_work", "bounds", "refused",
    )  # fmt: skip

    def __init__(
        self,
        treasury: Treasury,
        book: BoundsBook,
        caller: Caller,
        prompt_id: str,
        day: date,
        bounds: tuple[Bound, ...],
        money: Grant | None,
        *,
        slice_tokens: int,
        answer_tokens: int,
        longest: int | None,
        choices: int = 1,
        work: Work = "chat",
    ) -> None:
        self.bounds = bounds
        self.refused: DomainError | None = None
        self._treasury = treasury
        self._book = book
        self._caller = caller
        self._prompt_id = prompt_id
        self._day = day
        self._money = money
        self._granted = money.amount if money else 0
        self._budgets = tuple(bound for bound in bounds if bound.budget is not None) if money else ()
        self._slice = slice_tokens
        self._answer_tokens = answer_tokens
        self.expects(longest, choices, work)
        self._before = self._fixed = self._enough = 0
        self._meter = Meter()
        self._price: Price = FREE

    @property
    def metered(self) -> bool:
        """Whether a budget binds this chat."""
        return self._money is not None

    def expects(self, longest: int | None, choices: int = 1, work: Work = "chat") -> None:
        """The attempts from here on may be so many tokens long, all their choices together; None for any length.
        work: what they are asked for, which says how they are paid."""
        self._work = work
        self._longest, self._choices = longest, choices
        self._most_a_choice = None if longest is None else longest // choices

    def may_ask(self, model: Model, prompt_tokens: int) -> bool:
        """Whether this model may be asked now; what is missing for it is taken. Where not, `refused` says why."""
        own = self._own_limits(model)
        price = lease_price(model.price, self._work)
        if self._money is not None and price is None:
            self.refused = budget_spent(self._budgets[0], self._day, "price_unknown")
            return False
        wanted = needed = 0
        if self._money is not None and price is not None:
            prompt = self._so_far() + cost(prompt_tokens, price.input)
            least = self._answer_tokens if self._work == "picture" else 1
            needed = prompt + cost(least, price.output) - self._granted
            wanted = prompt + cost(self._answer_tokens, price.output) - self._granted
        if own is None and needed <= 0:
            return True
        try:
            self._renew(max(wanted, needed, 0), needed, own, prompt_tokens + self._answer_tokens)
        except (RateLimited, BudgetExceeded) as refused:
            self.refused = refused
            return False
        return True

    def begin(self, model: Model, prompt_tokens: int, before: int, count: Count = estimate) -> None:
        """An attempt begins: its prompt is paid. before: nano-USD that attempts cost which failed; count: tokens of a
        text for this model."""
        self._price = lease_price(model.price, self._work) or FREE
        self._before = before
        self._fixed = self._before + cost(prompt_tokens, self._price.input)
        self._meter = Meter(count)
        self._look_ahead()

    def flowed(self, delta: Delta | Picture) -> None:
        """Count a piece of the answer. Raises BudgetExceeded where it is more than can be paid for."""
        self._meter.add(delta)
        if self._meter.rough > self._enough and (tokens := self._meter.exact()) > self._enough:
            price = self._price.output
            self._renew(
                self._fixed + cost(tokens + self._slice, price) - self._granted,
                self._fixed + cost(tokens, price) - self._granted,
            )
            self._look_ahead()

    def near_the_cap(self, model: Model, prompt_tokens: int) -> bool:
        """Whether the largest answer may cost more than there is, everything that others hold considered: then the
        provider is to be asked for a stream, which can be cut."""
        price = lease_price(model.price, self._work)
        if self._money is None or price is None or not price.output:
            return False
        told = [most for most in (self._most_a_choice, model.max_output) if most]
        longest = min(told, default=LARGEST_ANSWER) * self._choices
        most = self._so_far() + cost(prompt_tokens, price.input) + cost(longest, price.output)
        beyond = most - self._granted
        if beyond <= 0:
            return False
        held = max(self._granted, 1)
        return self._money.left < beyond * (self._money.leased // held + 1)

    def end(self, spent: int) -> None:
        """The chat ended, and came to so many nano-USD."""
        self._treasury.away.end(self._prompt_id, self.bounds, self._day, spent)

    def _so_far(self) -> int:
        """Nano-USD that all attempts came to, the one that ended last and is not in `_before` yet among them."""
        if not self._meter.begun:
            return self._before
        return self._fixed + cost(self._meter.exact(), self._price.output)

    def _look_ahead(self) -> None:
        """The tokens of output up to which what is held is enough: any, where it pays all that the caller allows."""
        price, held = self._price.output, self._granted - self._fixed
        paid = self._longest is not None and cost(self._longest, price) <= held
        self._enough = ENDLESS if paid or not price else held * PER_MILLION // price

    def _renew(self, wanted: int, needed: int, own: Bound | None = None, tokens: int = 0) -> None:
        bounds = self._budgets if own is None else (*self._budgets, own)
        renewal = Renewal(self._prompt_id, bounds, self._day, self._granted, wanted, needed, tokens)
        self._granted += self._treasury.renew(renewal).amount
        if own is not None:
            self.bounds = (*self.bounds, own)

    def _own_limits(self, model: Model) -> Bound | None:
        """The model's limits where it has some and they were not asked at admission."""
        for bound in self._book.of(self._caller, model):
            if bound.scope == "model" and bound not in self.bounds:
                return bound
        return None
