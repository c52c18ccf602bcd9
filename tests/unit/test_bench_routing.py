"""The simulation of users learns, the same each time, and its section takes its own place in the report."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "routing.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_routing", BENCH)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["bench_routing"] = made
    spec.loader.exec_module(made)
    return made


def test_fewer_wrong_choices_are_made_than_in_turn_and_fewer_still_later(bench: ModuleType) -> None:
    first, longer = bench.simulate(1, chats=1000), bench.simulate(1, chats=3000)
    assert first.share < 80
    assert longer.share < first.share


def test_the_same_seed_makes_the_same_run(bench: ModuleType) -> None:
    runs = [bench.simulate(7, chats=500, change=bench.fallen) for _ in range(2)]
    assert runs[0] == runs[1]


def test_what_goes_through_sql_is_what_is_learned_in_memory(bench: ModuleType) -> None:
    assert bench.through_sql(3, chats=400) == bench.simulate(3, change=bench.fallen, chats=400)


def test_a_new_section_takes_the_place_of_the_old_one(bench: ModuleType) -> None:
    made = f"{bench.TITLE}\n\nnew\n"
    assert bench.put("# Report\n\n## A\n\na\n", made) == f"# Report\n\n## A\n\na\n\n{made}"
    before = f"# Report\n\n{bench.TITLE}\n\nold\n\n## B\n\nb\n"
    assert bench.put(before, made) == f"# Report\n\n{made}\n## B\n\nb\n"
    assert bench.put(bench.put(before, made), made) == bench.put(before, made)
