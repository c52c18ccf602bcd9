from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Family
from app.domain.policies.rotation import GRACE_MS, rotate

NEW = Family("f", "u", 0, (), 0, dead=False, expires_at=datetime.now(UTC))


def _after(family: Family, generation: int, at: int) -> Family:
    rotation = rotate(family, generation, at)
    assert rotation.kind == "fresh"
    return replace(family, generation=rotation.generation, used=rotation.used)


def test_a_token_that_was_never_used_moves_the_family_on() -> None:
    assert _after(NEW, 0, 1000).generation == 1


def test_the_same_token_again_within_the_grace_gets_the_same_pair() -> None:
    family = _after(NEW, 0, 1000)
    again = rotate(family, 0, 1000 + GRACE_MS)
    assert (again.kind, again.generation, again.minted_ms) == ("repeat", 1, 1000)


def test_the_same_token_after_the_grace_is_a_theft() -> None:
    assert rotate(_after(NEW, 0, 1000), 0, 1001 + GRACE_MS).kind == "reuse"


def test_a_slow_tab_gets_its_pair_though_the_family_has_moved_on_twice() -> None:
    family = _after(_after(NEW, 0, 1000), 1, 2000)
    again = rotate(family, 0, 3000)
    assert (again.kind, again.generation, again.minted_ms) == ("repeat", 1, 1000)


def test_a_dead_family_has_no_grace() -> None:
    assert rotate(replace(_after(NEW, 0, 1000), dead=True), 0, 1001).kind == "dead"


def test_a_token_that_was_never_given_out_is_refused() -> None:
    assert rotate(NEW, 1, 1000).kind == "dead"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30_000)), max_size=60))
def test_whatever_is_shown_a_pair_is_never_minted_twice_with_different_times(shown: list[tuple[int, int]]) -> None:
    family, now, minted = NEW, 0, {}
    for generation, pause in shown:
        now += pause
        rotation = rotate(family, min(generation, family.generation), now)
        if rotation.kind in ("fresh", "repeat"):
            assert minted.setdefault(rotation.generation, rotation.minted_ms) == rotation.minted_ms
        if rotation.kind == "fresh":
            family = replace(family, generation=rotation.generation, used=rotation.used)
        assert len(family.used) <= 32
