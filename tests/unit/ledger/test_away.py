"""What one worker lets in by itself while Redis is away."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pytest

from app.domain.caller import Bound, Budget, Limits
from app.domain.errors import BudgetExceeded, RateLimited, Unavailable
from app.domain.hot import Admission, Grant, Renewal
from app.domain.money import Price
from app.services.ledger.away import Away

DAY = date(2026, 11, 21)
EVEN = Price(1_000_000, 1_000_000)


class House:
    """A worker of `workers`, its clock, and the ledger."""

    def __init__(self, mode: str = "local", workers: int = 2) -> None:
        self.now = 1_000.0
        self.spent = 0
        self.reads = 0
        self.database_away = False
        self.away = Away(mode, workers, self, clock=lambda: self.now)
        self._n = 0

    def of(self, scope: str, name: str, budget: Budget, day: date, without: Collection[str] = ()) -> int:
        self.reads += 1
        if self.database_away:
            raise Unavailable("away")
        return self.spent

    def admit(self, *bounds: Bound, prompt_tokens: int = 10, answer_tokens: int = 0) -> tuple[str, Grant | None]:
        self._n += 1
        name = f"p{self._n}"
        asked = Admission(name, "u", None, "m", None, 1, None, bounds, prompt_tokens, answer_tokens, False, EVEN, DAY)
        return name, self.away.admit(asked).money


LIMITED = Bound("user", "u", Limits(rpm=5, concurrency=3))


def capped(nano: int) -> Bound:
    return Bound("key", "k", budget=Budget(nano, "month"))


def test_closed_lets_nobody_in_and_open_everybody_without_a_budget() -> None:
    with pytest.raises(Unavailable):
        House("closed").admit()
    house = House("open")
    for _ in range(10):
        house.admit(LIMITED)
    with pytest.raises(Unavailable):
        house.admit(capped(100))


def test_each_worker_admits_its_share_of_a_limit_rounded_up_in_any_minute() -> None:
    house = House(workers=2)
    bound = Bound("user", "u", Limits(rpm=5))
    for _ in range(3):
        house.admit(bound)
        house.now += 10
    with pytest.raises(RateLimited) as refused:
        house.admit(bound)
    assert refused.value.details == {"limit": "user", "reason": "requests"}
    assert refused.value.retry_after == 30
    house.now += 30
    house.admit(bound)


def test_requests_at_once_are_let_go_of_at_their_end() -> None:
    house = House(workers=2)
    bound = Bound("user", "u", Limits(concurrency=3))
    first, _ = house.admit(bound)
    house.admit(bound)
    with pytest.raises(RateLimited):
        house.admit(bound)
    house.away.end(first, (bound,), DAY, 0)
    house.admit(bound)


def test_tokens_of_the_last_minute_are_shared_too() -> None:
    house = House(workers=2)
    bound = Bound("user", "u", Limits(tpm=100))
    house.admit(bound, prompt_tokens=30)
    with pytest.raises(RateLimited) as refused:
        house.admit(bound, prompt_tokens=21)
    assert refused.value.details["reason"] == "tokens"
    house.admit(bound, prompt_tokens=20)


def test_of_a_budget_a_worker_spends_its_share_of_what_the_ledger_says_is_left() -> None:
    house = House(workers=4)
    house.spent, bound = 600, capped(1_000)
    first, money = house.admit(bound, answer_tokens=80)
    assert money == Grant(90, 10, 90)
    assert house.admit(bound, prompt_tokens=5)[1] == Grant(5, 5, 95)
    with pytest.raises(BudgetExceeded):
        house.admit(bound, prompt_tokens=5)
    house.away.end(first, (bound,), DAY, 40)
    assert house.admit(bound, prompt_tokens=54)[1] == Grant(54, 1, 59)
    assert house.reads == 1


def test_what_the_ledger_said_is_believed_for_a_second() -> None:
    house = House(workers=1)
    bound = capped(1_000)
    first, _ = house.admit(bound)
    house.away.end(first, (bound,), DAY, 10)
    house.spent = 910
    house.now += 1
    assert house.admit(bound)[1] == Grant(10, 80, 10)
    assert house.reads == 2


def test_with_the_database_away_too_it_is_what_was_left_when_last_seen() -> None:
    house = House(workers=1)
    bound = capped(100)
    first, _ = house.admit(bound, prompt_tokens=60)
    house.away.end(first, (bound,), DAY, 60)
    house.database_away = True
    house.now += 10
    house.admit(bound, prompt_tokens=30)
    with pytest.raises(BudgetExceeded):
        house.admit(bound, prompt_tokens=30)
    with pytest.raises(Unavailable):
        house.admit(Bound("key", "never seen", budget=Budget(100, "day")))


def test_a_stream_that_redis_let_in_renews_here() -> None:
    house = House(workers=1)
    bound = capped(100)
    assert house.away.renew(Renewal("old", (bound,), DAY, 50, 40, 1)).amount == 40
    assert house.away.renew(Renewal("old", (bound,), DAY, 90, 40, 1)).amount == 10
    with pytest.raises(BudgetExceeded):
        house.away.renew(Renewal("old", (bound,), DAY, 100, 40, 1))
    with pytest.raises(Unavailable):
        House("open").away.renew(Renewal("old", (bound,), DAY, 50, 40, 1))


def test_every_bound_must_have_room_or_none_counts() -> None:
    house = House(workers=1)
    tight, wide = Bound("key", "k", Limits(rpm=1)), Bound("user", "u", Limits(rpm=2))
    house.admit(tight, wide)
    with pytest.raises(RateLimited):
        house.admit(tight, wide)
    house.admit(wide)


def test_a_limit_that_redis_said_is_reached_stays_so_until_its_time_has_come() -> None:
    house = House(workers=1)
    bound = Bound("user", "u", Limits(rpm=5))
    refused = RateLimited("full", details={"limit": "user", "reason": "requests"}, retry_after=20)
    house.away.heard(refused, (Bound("key", "k"), bound))
    with pytest.raises(RateLimited) as again:
        house.admit(bound)
    assert again.value.retry_after == 20
    house.now += 20
    house.admit(bound)
