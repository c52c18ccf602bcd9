"""Keys and models as two workers know them, over Redis and over its embedded stand-in, by a clock of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.catalogue import Credential
from app.domain.errors import ProviderFault, Unavailable
from app.services.chat.health import HealthBoard, Ticket
from app.stores.health_state import EPOCH, KNOWN, USES, HealthState
from app.stores.scripts import ScriptRunner
from tests.stores.redis_support import KINDS, runner_of

MODEL = "groq/llama"
POOL = tuple(Credential(f"groq:{n}", "groq", f"secret-{n}", f"…{n}") for n in range(2))
LIMIT = ProviderFault("rate_limited", "", status=429, retry_after=2.0)
DOWN = ProviderFault("server_error", "", status=500)


class Clock:
    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """A board and what moves it: told the epoch as an admission would."""

    def __init__(self, runner: ScriptRunner, clock: Clock) -> None:
        self.store = HealthState(runner)
        self.board = HealthBoard(self.store, clock, lambda: 0.5)
        self._runner = runner

    def look(self) -> None:
        self.board.saw_epoch(int(self._runner.command("GET", EPOCH) or 0))

    def ask(self, pool: tuple[Credential, ...] = POOL[:1]) -> Ticket | None:
        return self.board.ticket(MODEL, pool)

    def fails(self, fault: ProviderFault, times: int = 1, pool: tuple[Credential, ...] = POOL[:1]) -> None:
        for _ in range(times):
            ticket = self.ask(pool)
            assert ticket is not None
            self.board.failed(ticket, fault)

    def works(self) -> None:
        ticket = self.ask()
        assert ticket is not None
        self.board.succeeded(ticket, 100, 50, 1.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
def workers(request: pytest.FixtureRequest, clock: Clock) -> Iterator[tuple[Worker, Worker]]:
    runner = runner_of(request.param)
    _forget(runner)
    yield Worker(runner, clock), Worker(runner, clock)
    _forget(runner)
    runner.close()


def _forget(runner: ScriptRunner) -> None:
    names = [KNOWN, EPOCH, USES, f"v1:try:model:{MODEL}", *(f"v1:try:key:{key.id}" for key in POOL)]
    runner.command("DEL", *names)


def test_a_limit_that_one_worker_meets_holds_for_the_other(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(LIMIT)
    assert one.ask() is None
    two.look()
    assert two.ask() is None
    assert two.board.wait_for_key(POOL[:1]) == pytest.approx(2.0, abs=0.1)
    assert two.ask(POOL).credential is POOL[1]  # type: ignore[union-attr]


def test_after_the_limit_one_request_of_all_workers_tries_the_key(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(LIMIT)
    two.look()
    clock.now += 2.2
    tickets = [worker.ask() for worker in (one, two, one, two)]
    assert sum(ticket is not None for ticket in tickets) == 1
    assert two.board.wait_for_key(POOL[:1]) > 0


def test_when_the_try_goes_well_all_may_ask(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(LIMIT)
    two.look()
    clock.now += 2.2
    one.works()
    two.look()
    assert all(worker.ask() is not None for worker in (one, two, one, two))


def test_a_rejected_key_is_out_for_all_until_it_is_stored_anew(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(ProviderFault("key_rejected", "", status=401))
    two.look()
    assert two.ask() is None
    assert two.board.are_out(POOL[:1])
    clock.now += 0.5
    one.board.renewed(POOL[0].id)
    two.look()
    assert two.ask() is not None


def test_a_breaker_opens_for_all_and_lets_one_probe_through(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(DOWN, 5)
    two.look()
    assert one.ask() is None
    assert two.ask() is None
    clock.now += 2.2
    tickets = [worker.ask() for worker in (two, one, two, one)]
    assert [ticket.probes for ticket in tickets if ticket] == [True]


def test_a_probe_that_fails_lets_the_next_through_after_the_next_rest(
    workers: tuple[Worker, Worker], clock: Clock
) -> None:
    one, two = workers
    one.fails(DOWN, 5)
    clock.now += 2.2
    one.fails(DOWN)
    two.look()
    assert two.board.wait_for_model(MODEL) == pytest.approx(4.0, abs=0.1)
    clock.now += 4.2
    ticket = two.ask()
    assert ticket is not None
    assert ticket.probes


def test_a_probe_that_goes_well_closes_it_for_all(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(DOWN, 5)
    two.look()
    clock.now += 2.2
    one.works()
    two.look()
    assert not two.board.is_open(MODEL)
    assert all(worker.ask() is not None for worker in (one, two, one, two))


def test_a_probe_whose_client_left_is_given_back(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(DOWN, 5)
    two.look()
    clock.now += 2.2
    ticket = one.ask()
    assert ticket is not None
    one.board.abandoned(ticket)
    assert two.ask() is not None


def test_attempts_under_way_when_it_opened_do_not_hold_it_open(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, _ = workers
    under_way = [one.ask() for _ in range(50)]
    clock.now += 1
    for ticket in under_way:
        assert ticket is not None
        one.board.failed(ticket, DOWN)
    assert one.board.wait_for_model(MODEL) == pytest.approx(2.0, abs=0.1)


def test_what_a_worker_knows_is_not_overwritten_by_older_news(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(DOWN, 5)
    store, two.board._store = two.board._store, _Away()
    two.look()  # it could not read
    assert not two.board.is_open(MODEL)
    two.board._store = store
    two.look()
    assert two.board.is_open(MODEL)
    clock.now += 2.2
    two.works()
    one.look()
    one.fails(ProviderFault("key_rejected", "", status=401))  # news of another kind brings the old ones along
    two.look()
    assert not two.board.is_open(MODEL)
    assert not one.board.is_open(MODEL)


class _Away:
    """A store that is not there."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object) -> None:
            raise Unavailable("away")

        return refuse


def test_without_the_store_a_worker_learns_alone(clock: Clock) -> None:
    board = HealthBoard(_Away(), clock, lambda: 0.5)
    for _ in range(5):
        ticket = board.ticket(MODEL, POOL[:1])
        assert ticket is not None
        board.failed(ticket, DOWN)
    assert board.ticket(MODEL, POOL[:1]) is None
    clock.now += 2.2
    tickets = [board.ticket(MODEL, POOL[:1]) for _ in range(5)]
    assert sum(ticket is not None for ticket in tickets) == 1


def test_two_providers_asked_in_turn_share_their_load_over_their_own_keys(clock: Clock) -> None:
    board = HealthBoard(_Away(), clock)
    other = tuple(Credential(f"gemini:{n}", "gemini", "s", "…") for n in range(2))
    asked = []
    for _ in range(4):
        for pool, model in ((POOL, MODEL), (other, "gemini/x")):
            ticket = board.ticket(model, pool)
            assert ticket is not None
            asked.append(ticket.credential.id)
    assert sorted(asked) == sorted([*(key.id for key in POOL), *(key.id for key in other)] * 2)


def test_fault_5_06_a_clock_that_was_set_back_keeps_no_key_for_a_day(
    workers: tuple[Worker, Worker], clock: Clock
) -> None:
    """Moments travel by the server's clock: here it was a day ahead when they were told."""
    one, two = workers
    one.fails(LIMIT)
    one.fails(DOWN, 5, POOL[1:])
    runner = one.store._runner
    flat = runner.command("HGETALL", KNOWN)
    for field, value in zip(flat[::2], flat[1::2], strict=True):
        words = value.decode().split(" ")
        moved = [str(int(word) + 86_400_000) if len(word) > 12 else word for word in words]
        runner.command("HSET", KNOWN, field, " ".join(moved))
    two.look()
    assert two.board.wait_for_key(POOL[:1]) <= 3_600.0
    assert two.board.wait_for_model(MODEL) <= 15.0
    assert all(state.limited_at <= clock.now for state in two.board.keys.values())


def test_an_admin_is_shown_each_key_masked(workers: tuple[Worker, Worker], clock: Clock) -> None:
    one, two = workers
    one.fails(LIMIT)
    two.look()
    two.board.ticket(MODEL, POOL)
    two.board.flush_uses()
    one.board.flush_uses()
    first, second = one.board.facts({"groq": POOL})
    assert (first.key, first.usage_count, first.last_error, first.is_current) == ("…0", 1, "rate_limited", False)
    assert first.cooling_until is not None
    assert first.cooling_until.endswith("Z")
    assert (second.key, second.usage_count, second.last_error, second.is_current) == ("…1", 1, None, True)
    assert second.cooling_until is None
    assert "secret" not in repr(first)


def test_uses_that_could_not_be_told_are_told_later(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    one.ask()
    store, one.board._store = one.board._store, _Away()
    with pytest.raises(Unavailable):
        one.board.flush_uses()
    one.board._store = store
    one.ask()
    one.board.flush_uses()
    one.board.flush_uses()
    assert two.store.uses() == {POOL[0].id: 2}
