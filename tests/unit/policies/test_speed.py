"""How quick a model is held to be."""

from __future__ import annotations

from app.domain.policies.speed import FORGOTTEN_SECONDS, Speed, observed, waited_in_vain


def test_the_first_answer_is_the_average() -> None:
    assert observed(None, 300, 100, 2.0, 5.0) == Speed(300.0, 50.0, 5.0)


def test_a_new_answer_moves_the_average_by_a_fifth() -> None:
    speed = observed(Speed(300.0, 50.0, 5.0), 800, 100, 1.0, 6.0)
    assert (speed.ttft_ms, speed.tokens_a_second, speed.at) == (400.0, 60.0, 6.0)


def test_what_was_not_seen_for_long_is_not_held_against_a_model() -> None:
    slow = Speed(9_000.0, 1.0, 5.0)
    assert observed(slow, 100, 100, 1.0, 6.0 + FORGOTTEN_SECONDS) == Speed(100.0, 100.0, 6.0 + FORGOTTEN_SECONDS)


def test_a_quicker_answer_is_quicker_in_the_order() -> None:
    assert Speed(100, 100).answer_ms < Speed(100, 50).answer_ms < Speed(5_000, 50).answer_ms


def test_a_failure_makes_a_model_no_quicker() -> None:
    known = Speed(300.0, 50.0, 5.0)
    failed = waited_in_vain(known, 12.0, 6.0)
    assert failed.answer_ms > known.answer_ms
    assert failed.ttft_ms == known.ttft_ms
    assert known.answer_ms < observed(failed, 300, 100, 2.0, 7.0).answer_ms < failed.answer_ms
    assert waited_in_vain(None, 0.01, 6.0).answer_ms > known.answer_ms


def test_an_answer_that_came_at_once_divides_by_nothing() -> None:
    assert observed(None, 0, 10, 0.0).answer_ms >= 0
    assert observed(None, 0, 0, 0.0).answer_ms > 0
