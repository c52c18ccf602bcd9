"""Which of a provider's token numbers are believed."""

from __future__ import annotations

import pytest

from app.domain.policies.metering import believable
from app.domain.usage import Usage

COUNTED = Usage(prompt=100, completion=50, source="counted")


@pytest.mark.parametrize(
    ("told", "facts", "believed"),
    [
        (Usage(120, 60), {}, True),
        (Usage(4 * 100 + 1024, 60), {}, True),
        (Usage(4 * 100 + 1025, 60), {}, False),
        (Usage(100, 4 * 50 + 64), {}, True),
        (Usage(100, 4 * 50 + 65), {}, False),
        (Usage(100, 10**12), {}, False),
        (Usage(100, 0), {}, False),
        (Usage(100, 20), {"max_tokens": 20}, True),
        (Usage(100, 21), {"max_tokens": 20}, False),
        (Usage(100, 5_000), {"reasons": True, "max_output": 8_192}, True),
        (Usage(100, 8_193), {"reasons": True, "max_output": 8_192}, False),
        (Usage(100, 5_000, reasoning=4_900), {"max_output": 8_192}, True),
        (Usage(100, 5_000, reasoning=4_900), {}, False),
    ],
)  # fmt: skip
def test_fault_4_21_numbers_beyond_belief_are_not_charged_by(
    told: Usage, facts: dict[str, int], believed: bool
) -> None:
    facts = {"max_tokens": None, "max_output": None, "reasons": False} | facts  # type: ignore[dict-item]
    assert believable(told, COUNTED, **facts) is believed  # type: ignore[arg-type]


def test_nothing_said_may_cost_nothing() -> None:
    assert believable(Usage(100, 0), Usage(100, 0), max_tokens=None, max_output=None, reasons=False)
