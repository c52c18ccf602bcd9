"""Who of a plan is asked next, by a clock of ours."""

from __future__ import annotations

import pytest

from app.domain.catalogue import Candidate, Credential, Model
from app.domain.errors import ProviderFault
from app.domain.policies.retry import Step
from app.services.chat.agenda import Agenda, Pause, Turn
from app.services.chat.health import HealthBoard
from tests.unit.chat.chat_house import NoSharing

NEXT_KEY, NEXT_MODEL = Step("next_key"), Step("next_model")


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> HealthBoard:
    return HealthBoard(NoSharing(), clock, lambda: 0.5)  # type: ignore[arg-type]


def candidate(name: str, keys: int = 1, window: int | None = None) -> Candidate:
    pool = tuple(Credential(f"{name}:{n}", name, "secret", "…") for n in range(keys))
    return Candidate(Model(f"{name}/m", name, "m", context_window=window), pool, "asked for")


def agenda(board: HealthBoard, *candidates: Candidate, patience: float = 3.0, tokens: int = 10) -> Agenda:
    return Agenda(candidates, board, prompt_tokens=tokens, patience=patience)


def limit(board: HealthBoard, turn: Turn, seconds: float) -> ProviderFault:
    fault = ProviderFault("rate_limited", "", status=429, retry_after=seconds)
    board.failed(turn.ticket, fault)
    return fault


def turn_of(move: Turn | Pause | None) -> Turn:
    assert isinstance(move, Turn)
    return move


def who(move: Turn | Pause | None) -> str | float | None:
    return move.credential.id if isinstance(move, Turn) else move.seconds if isinstance(move, Pause) else None


def test_another_key_of_the_model_is_asked_before_the_next_model(board: HealthBoard) -> None:
    order = agenda(board, candidate("a", keys=2), candidate("b"))
    first = turn_of(order.next())
    order.learn(first, limit(board, first, 60), NEXT_KEY)
    second = turn_of(order.next())
    assert {who(first), who(second)} == {"a:0", "a:1"}
    order.learn(second, limit(board, second, 60), NEXT_KEY)
    assert who(order.next()) == "b:0"


def test_the_model_that_was_wished_for_is_waited_for_a_short_while(board: HealthBoard, clock: Clock) -> None:
    order = agenda(board, candidate("a"), candidate("b"))
    first = turn_of(order.next())
    order.learn(first, limit(board, first, 2), NEXT_KEY)
    assert who(order.next()) == pytest.approx(2.0)
    clock.now += 2.0
    assert who(order.next()) == "a:0"


def test_waits_add_up_to_the_patience_and_no_more(board: HealthBoard, clock: Clock) -> None:
    order = agenda(board, candidate("a"), candidate("b"))
    for _ in range(2):
        turn = turn_of(order.next())
        order.learn(turn, limit(board, turn, 2), NEXT_KEY)
        move = order.next()
        if isinstance(move, Pause):
            clock.now += move.seconds
    assert who(move) == "b:0"


def test_a_fallback_is_not_waited_for_while_another_is_free(board: HealthBoard) -> None:
    a, b, c = candidate("a"), candidate("b"), candidate("c")
    for limited, seconds in ((a, 60), (b, 1)):
        limit(board, turn_of(agenda(board, limited).next()), seconds)
    assert who(agenda(board, a, b, c).next()) == "c:0"
    assert who(agenda(board, a, b).next()) == pytest.approx(1.0)


def test_of_many_that_wait_for_a_key_one_finds_out(board: HealthBoard, clock: Clock) -> None:
    limit(board, turn_of(agenda(board, candidate("a")).next()), 2)
    waiting = [agenda(board, candidate("a"), candidate("b")) for _ in range(20)]
    assert {who(order.next()) for order in waiting} == {2.0}
    clock.now += 2.0
    moves = [order.next() for order in waiting]
    assert sum(isinstance(move, Turn) for move in moves) == 1
    clock.now += 1.0
    assert sum(who(order.next()) == "a:0" for order in waiting) == 1


def test_at_most_four_tries_on_one_model(board: HealthBoard) -> None:
    order = agenda(board, candidate("a", keys=9), candidate("b"))
    for _ in range(4):
        turn = turn_of(order.next())
        assert turn.candidate.model.integration == "a"
        order.learn(turn, limit(board, turn, 60), NEXT_KEY)
    assert who(order.next()) == "b:0"


def test_a_model_whose_breaker_is_open_is_passed_over_and_never_waited_for(board: HealthBoard) -> None:
    a, b = candidate("a"), candidate("b")
    for _ in range(5):
        board.failed(turn_of(agenda(board, a).next()).ticket, ProviderFault("server_error", "", status=500))
    assert who(agenda(board, a, b).next()) == "b:0"
    alone = agenda(board, a)
    assert alone.next() is None
    assert alone.passed == ["server_error"]
    assert alone.soonest() == pytest.approx(2.0)


def test_a_repeat_asks_the_breaker_too(board: HealthBoard) -> None:
    a, b = candidate("a"), candidate("b")
    order = agenda(board, a, b)
    turn = turn_of(order.next())
    for _ in range(5):
        board.failed(turn_of(agenda(board, a).next()).ticket, ProviderFault("server_error", "", status=500))
    order.learn(turn, ProviderFault("server_error", "", status=500), Step("retry"))
    assert who(order.next()) == "b:0"


def test_fault_4_08_after_a_prompt_too_long_only_larger_windows_are_asked(board: HealthBoard) -> None:
    order = agenda(board, candidate("a", window=8), candidate("b", window=4), candidate("c", window=32), tokens=1)
    turn = turn_of(order.next())
    order.learn(turn, ProviderFault("context_length_exceeded", "", status=400), NEXT_MODEL)
    assert who(order.next()) == "c:0"


def test_a_prompt_that_surely_does_not_fit_is_not_sent_there(board: HealthBoard) -> None:
    order = agenda(board, candidate("a", window=100), candidate("b", window=1_000), tokens=500)
    assert who(order.next()) == "b:0"
    assert order.passed == ["context_length_exceeded"]


def test_why_nobody_could_be_asked_is_told(board: HealthBoard) -> None:
    a, b = candidate("a"), candidate("b")
    limit(board, turn_of(agenda(board, a).next()), 60)
    board.failed(turn_of(agenda(board, b).next()).ticket, ProviderFault("key_rejected", "", status=401))
    order = agenda(board, a, b)
    assert order.next() is None
    assert order.passed == ["rate_limited", "key_rejected"]
    assert order.soonest() == pytest.approx(60.0)
