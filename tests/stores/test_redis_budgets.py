"""Money as the scripts hold it, the same on Redis and on the embedded server."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.domain.caller import Bound, Budget
from app.domain.errors import BudgetExceeded
from app.domain.hot import Admission, Grant, HotSettlement, Renewal
from app.domain.money import Price
from app.services.ledger.away import Away
from app.services.ledger.treasury import Treasury
from app.stores.chat_state import ChatState
from app.stores.scripts import ScriptRunner
from app.utils.clock import monotonic
from tests.stores.redis_support import KINDS, runner_of

DAY = date(2026, 11, 21)
MILLION = 1_000_000
#: A token costs a nano-USD, in and out.
EVEN = Price(input=MILLION, output=MILLION)


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[ScriptRunner]:
    made = runner_of(request.param)
    yield made
    made.close()


class Bank:
    """The scripts and a ledger that is a dictionary."""

    def __init__(self, runner: ScriptRunner, **caps: int) -> None:
        self.runner = runner
        self.state = ChatState(runner, ttl=60, max_messages=40, max_tokens=8000)
        self.treasury = Treasury(self.state, self, Away("closed", 1, self))
        self.ledger: dict[str, int] = {}
        self.reads = 0
        self.bounds = tuple(self.bound(scope, cap) for scope, cap in caps.items())

    def bound(self, scope: str, cap: int, period: str = "day", name: str | None = None) -> Bound:
        return Bound(scope, name or uuid.uuid4().hex, budget=Budget(cap, period))  # type: ignore[arg-type]

    def of(self, scope: str, name: str, budget: Budget, day: date, without: Collection[str] = ()) -> int:
        """What the ledger says was spent."""
        self.reads += 1
        return sum(spent for prompt, spent in self.ledger.items() if prompt not in without)

    def admit(
        self, prompt_tokens: int, answer_tokens: int = 0, price: Price = EVEN, prompt: str | None = None
    ) -> tuple[str, Grant]:
        prompt = prompt or uuid.uuid4().hex
        admission = Admission(
            prompt, "u", None, "m", None, 60_000, None, self.bounds, prompt_tokens, answer_tokens, False, price, DAY
        )
        money = self.treasury.admit(admission).money
        assert money is not None
        return prompt, money

    def renew(self, prompt: str, held: int, wanted: int, needed: int = 1) -> Grant:
        return self.treasury.renew(Renewal(prompt, self.bounds, DAY, held, wanted, needed))

    def settle(self, prompt: str, spent: int, **more: Any) -> None:
        self.ledger[prompt] = spent
        more = {"bounds": self.bounds, "spent": spent, "day": DAY, **more}
        self.state.settle(HotSettlement(prompt, "u", None, None, None, -1, (), None, "m", **more))

    def key(self, bound: Bound) -> str:
        return f"v1:bud:{bound.scope}:{bound.id}:{DAY.isoformat()}"

    def kept(self, bound: Bound | None = None) -> dict[str, str]:
        flat = self.runner.command("HGETALL", self.key(bound or self.bounds[0]))
        return {k.decode(): v.decode() for k, v in zip(flat[::2], flat[1::2], strict=True)}

    def left(self) -> int:
        return int(self.kept()["left"])

    def lose(self) -> None:
        for bound in self.bounds:
            self.runner.command("DEL", self.key(bound))


def test_a_lease_is_the_prompt_and_the_answer_expected_and_goes_back_at_settle(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    prompt, money = bank.admit(100, 300)
    assert money == Grant(400, 600, 400)
    bank.settle(prompt, 250)
    assert (bank.left(), bank.kept()["leased"]) == (750, "0")


def test_near_the_cap_a_lease_is_what_is_left(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    bank.admit(100, 800)
    assert bank.admit(50, 500)[1] == Grant(100, 0, 1_000)
    with pytest.raises(BudgetExceeded) as refused:
        bank.admit(1)
    assert refused.value.details == {"limit": "user", "reason": "spent", "period_end": "2026-11-22T00:00:00Z"}


def test_the_narrowest_of_several_budgets_rules_and_a_refusal_takes_from_none(runner: ScriptRunner) -> None:
    bank = Bank(runner, key=300, user=10_000)
    bank.admit(100, 200)
    before = [bank.kept(bound) for bound in bank.bounds]
    with pytest.raises(BudgetExceeded) as refused:
        bank.admit(1)
    assert refused.value.details["limit"] == "key"
    assert [bank.kept(bound) for bound in bank.bounds] == before


def test_fault_5_01_a_budget_of_nothing_lets_only_what_is_free_pass(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=0)
    with pytest.raises(BudgetExceeded):
        bank.admit(1)
    assert bank.admit(1, 1, Price(0, 0))[1].amount == 0


def test_fault_5_02_a_million_calls_of_ten_tokens_cost_exactly_twenty_cents(runner: ScriptRunner) -> None:
    cheap = Price(input=20_000_000, output=20_000_000)
    assert sum(cheap.charge(10, 0) for _ in range(MILLION)) == 200_000_000
    bank = Bank(runner, user=10**9)
    for _ in range(50):
        prompt, _ = bank.admit(10, 0, cheap)
        bank.settle(prompt, cheap.charge(10, 0))
    assert bank.left() == 10**9 - 50 * 200


def test_fault_5_02_numbers_stay_whole_at_the_largest_budget(runner: ScriptRunner) -> None:
    cap = 9_000_000 * 10**9
    bank = Bank(runner, user=cap)
    prompt, _ = bank.admit(7, 4)
    bank.settle(prompt, 9)
    bank.renew(bank.admit(3)[0], 3, 8)
    assert bank.left() == cap - 9 - 11
    assert all("e" not in value and "." not in value for name, value in bank.kept().items() if name != "built")


def test_fault_5_14_a_renewal_gets_what_is_left_or_is_refused(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    prompt, money = bank.admit(100, 800)
    assert bank.renew(prompt, money.amount, 64, 1).amount == 64
    assert bank.renew(prompt, 964, 64, 1).amount == 36
    with pytest.raises(BudgetExceeded):
        bank.renew(prompt, 1_000, 64, 1)
    bank.settle(prompt, 1_000)
    assert bank.left() == 0


def test_fault_5_09_a_budget_that_was_lost_is_built_from_the_ledger(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    bank.settle(bank.admit(0, 300)[0], 300)
    bank.lose()
    assert bank.admit(100)[1].left == 600


@pytest.mark.parametrize("planted", ["text", "unknown format"])
def test_fault_5_09_what_somebody_planted_is_not_trusted(runner: ScriptRunner, planted: str) -> None:
    bank = Bank(runner, user=1_000)
    bank.ledger["before"] = 900
    if planted == "text":
        runner.command("SET", bank.key(bank.bounds[0]), "99999")
    else:
        runner.command("HSET", bank.key(bank.bounds[0]), "left", "99999")
    with pytest.raises(BudgetExceeded):
        bank.admit(101)


def test_fault_5_09_chats_in_flight_when_redis_was_emptied_are_charged_once(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    before_build, after_build, renewed = bank.admit(0, 100)[0], bank.admit(0, 100)[0], bank.admit(0, 100)[0]
    bank.lose()
    bank.ledger[before_build] = 50
    bank.admit(10)
    bank.settle(before_build, 50)
    bank.renew(renewed, 100, 20)
    bank.settle(after_build, 60)
    bank.settle(renewed, 110)
    bank.settle(bank.admit(0, 5)[0], 5)
    assert bank.left() == 1_000 - 50 - 60 - 110 - 5 - 10


def test_fault_5_08_a_settle_told_twice_charges_once(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    prompt, _ = bank.admit(0, 100)
    bank.settle(prompt, 70)
    bank.settle(prompt, 70)
    assert bank.admit(1)[1].left == 929


def test_fault_5_08_what_was_spent_while_redis_was_away_is_told_afterwards_and_counts_once(
    runner: ScriptRunner,
) -> None:
    bank = Bank(runner, user=1_000)
    bank.admit(100)
    reads = bank.reads
    runner.command("HINCRBY", bank.key(bank.bounds[0]), "at", -60_000)
    for _ in range(2):
        bank.settle("alone", 30, alone=True, committed_after=monotonic())
    assert bank.admit(10)[1].left == 1_000 - 100 - 30 - 10
    assert bank.reads == reads
    bank.settle("long ago", 50, alone=True, committed_after=monotonic() - 3_600)
    bank.settle("nobody knows when", 60, alone=True)
    assert bank.admit(10)[1].left == 1_000 - 100 - 30 - 10 - 50 - 60 - 10
    assert bank.reads == reads + 1


def test_what_was_settled_while_nobody_had_built_it_counts_once(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    first, second = bank.admit(0, 100)[0], bank.admit(0, 100)[0]
    bank.settle("never admitted here", 200)
    bank.settle(first, 40)
    assert bank.admit(1)[1].left == 1_000 - 200 - 40 - 100 - 1
    bank.settle(second, 100)
    assert bank.left() == 1_000 - 200 - 40 - 100 - 1


def test_a_cap_that_is_changed_moves_what_is_left_along(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=1_000)
    bank.settle(bank.admit(0, 400)[0], 400)
    old = bank.bounds[0]
    bank.bounds = (bank.bound("user", 500, name=old.id),)
    assert bank.admit(60)[1].left == 40
    bank.bounds = (bank.bound("user", 300, name=old.id),)
    with pytest.raises(BudgetExceeded):
        bank.admit(1)


def test_a_thousand_who_find_it_unbuilt_ask_the_ledger_once(runner: ScriptRunner) -> None:
    bank = Bank(runner, user=10**6)
    greenlets = [gevent.spawn(bank.admit, 10) for _ in range(200)]
    gevent.joinall(greenlets, raise_error=True)
    assert bank.left() == 10**6 - 2_000
    assert bank.reads <= 2


def test_fault_5_05_who_is_admitted_at_once_never_holds_more_than_there_is(runner: ScriptRunner) -> None:
    bank = Bank(runner, key=10**6, user=20 * 100)

    def knock() -> int:
        try:
            return bank.admit(40, 60)[1].amount
        except BudgetExceeded:
            return 0

    greenlets = [gevent.spawn(knock) for _ in range(200)]
    gevent.joinall(greenlets, raise_error=True)
    assert sorted(greenlet.value for greenlet in greenlets)[-21:] == [0] + [100] * 20


class MoneyModel(RuleBasedStateMachine):
    """Whatever happens, in whatever order: spent, held and left are the cap, and no number is broken."""

    @initialize(cap=st.integers(0, 9_000_000 * 10**9))
    def begin(self, cap: int) -> None:
        self.bank = Bank(RUNNER, user=cap, key=cap + 5)
        self.cap = cap
        self.held: dict[str, int] = {}

    @rule(prompt=st.integers(0, 10**6), answer=st.integers(0, 10**6), price=st.integers(0, 10**11))
    def admit(self, prompt: int, answer: int, price: int) -> None:
        try:
            name, money = self.bank.admit(prompt, answer, Price(price, price * 4))
        except BudgetExceeded:
            return
        self.held[name] = money.amount

    @rule(data=st.data(), wanted=st.integers(0, 10**9), needed=st.integers(-5, 10**9))
    def renew(self, data: Any, wanted: int, needed: int) -> None:
        if self.held:
            name = data.draw(st.sampled_from(sorted(self.held)))
            try:
                self.held[name] += self.bank.renew(name, self.held[name], max(wanted, needed), needed).amount
            except BudgetExceeded:
                return

    @rule(data=st.data(), twice=st.booleans(), of_held=st.integers(0, 100))
    def settle(self, data: Any, twice: bool, of_held: int) -> None:
        if self.held:
            name = data.draw(st.sampled_from(sorted(self.held)))
            spent = self.held.pop(name) * of_held // 100
            for _ in range(2 if twice else 1):
                self.bank.settle(name, spent)

    @rule()
    def empty(self) -> None:
        self.bank.lose()
        for name in list(self.held):
            try:
                self.held[name] += self.bank.renew(name, self.held[name], 0, -(10**18)).amount
            except BudgetExceeded:
                return

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        if not hasattr(self, "cap"):
            return
        kept = self.bank.kept()
        if kept.get("built") == "1":
            spent = sum(self.bank.ledger.values())
            assert int(kept["left"]) + int(kept["leased"]) + spent == self.cap
            assert int(kept["leased"]) == sum(int(v) for k, v in kept.items() if k.startswith("l:"))


RUNNER: ScriptRunner


@pytest.mark.parametrize("kind", KINDS)
def test_money_is_neither_made_nor_lost(kind: str) -> None:
    global RUNNER
    RUNNER = runner_of(kind)
    try:
        run_state_machine_as_test(
            MoneyModel,
            settings=settings(
                max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    finally:
        RUNNER.close()
