"""What of the memories comes into a prompt."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.memory import RememberedExchange
from app.domain.policies.tokens import estimate
from app.services.chat.remembering import MOST_TOKENS, bounded


def exchange(day: int, question: str, answer: str = "Yes.") -> RememberedExchange:
    return RememberedExchange(f"id{day}", "c1", question, answer, datetime(2026, 5, day, tzinfo=UTC))


def test_the_nearest_come_in_and_what_is_too_much_stays_out_though_it_is_older() -> None:
    nearest = exchange(20, "The code of the gate is 4711.")
    others = [exchange(day, f"{day} " + "long story " * 200, "so it goes " * 200) for day in range(1, 8)]
    texts = bounded([nearest, *others])
    assert "4711" in texts[-1], "oldest first"
    assert 1 < len(texts) < 8
    assert sum(map(estimate, texts)) <= MOST_TOKENS


def test_one_long_exchange_in_any_script_leaves_room_for_others() -> None:
    texts = bounded([exchange(1, "记" * 4_000, "忆" * 4_000), exchange(2, "Is there room?")])
    assert len(texts) == 2
