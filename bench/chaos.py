"""A thousand chats, fifty at once, against two providers that fail at random, with a healthy one behind them.

    make chaos              prints the figures
    make chaos ARGS=200     fewer chats

Each question holds a canary and is echoed by the providers, so that an answer that was cut, doubled or mixed up with
another one shows. Exits with 1 where a promise is broken.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests

from tests.journeys.failing import WAYS, Outcome, ask, calls, failing_gateway, spare, wait_for_spares
from tests.journeys.gateway import Gateway
from tests.providers.fixtures import running_providers

AT_ONCE = 50
PERCENT = 30
#: Longer than any chat may take here: a chat that is not over by then hangs.
HANG = 20.0


@dataclass
class Tally:
    """What a run came to. cut: told as whole, and was not; hangs: no end in time; attempts: by their error."""

    chats: int
    answered: int
    cut: int
    hangs: int
    unsettled: int
    upstream_calls: int
    attempts: Counter[str]
    states: Counter[str]
    endings: Counter[str]
    seconds: float
    slowest: float

    @property
    def kept(self) -> bool:
        """Whether every promise held."""
        return not (self.cut or self.hangs or self.unsettled) and self.answered > 0.99 * self.chats

    def __str__(self) -> str:
        return "\n".join(
            [
                f"chats                      {self.chats}, {AT_ONCE} at once, {PERCENT} % of calls fail",
                f"answered whole             {self.answered} ({100 * self.answered / self.chats:.1f} %)",
                f"cut but told as whole      {self.cut}",
                f"hangs                      {self.hangs}",
                f"without one terminal row   {self.unsettled}",
                f"terminal states            {_listed(self.states)}",
                f"other endings              {_listed(self.endings) or 'none'}",
                f"attempts                   {_listed(self.attempts)}",
                f"calls the upstream saw     {self.upstream_calls}",
                f"seconds in all, slowest    {self.seconds:.1f}, {self.slowest:.2f}",
            ]
        )


def run(gateway: Gateway, chats: int) -> Tally:
    """Ask so many chats of a gateway whose upstream log is empty."""
    before = {row["prompt_id"] for row in gateway.sql("SELECT prompt_id FROM requests")}
    troubled = [spare(gateway, name, f"echo+chaos-{PERCENT}") for name in ("groq", "gemini")]
    # One goes on from what was sent, one says all of it anew.
    healthy = [spare(gateway, "anthropic", "echo+continues"), spare(gateway, "openai", "echo")]
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda n: _chat(gateway, n, [*troubled, healthy[n // 4 % 2]]), range(chats)))
    seconds = time.monotonic() - began
    heard = [(n, outcome) for n, (outcome, _) in enumerate(results) if outcome is not None]
    rows = [row for row in gateway.sql("SELECT prompt_id, state FROM requests") if row["prompt_id"] not in before]
    count = Counter(row["prompt_id"] for row in rows)
    query = "SELECT prompt_id, error FROM attempts"
    return Tally(
        chats=chats,
        answered=sum(one.whole and one.text == question(n) for n, one in heard),
        cut=sum(one.whole and one.text != question(n) for n, one in heard),
        hangs=chats - len(heard),
        unsettled=sum(count[one.prompt_id] != 1 for _, one in heard),
        upstream_calls=len(calls(gateway)),
        attempts=Counter(row["error"] or "whole" for row in gateway.sql(query) if row["prompt_id"] not in before),
        states=Counter(row["state"] for row in rows),
        endings=Counter(f"{one.status} {one.code}" for _, one in heard if not one.whole),
        seconds=seconds,
        slowest=max(took for _, took in results),
    )


def question(number: int) -> str:
    """Text with a canary, of which no two parts are alike."""
    return f"canary-{number:05d} " + " ".join(f"w{number * 7 + at:x}ü{at}" for at in range(12)) + f" end-{number:05d}"


def _chat(gateway: Gateway, number: int, models: list[str]) -> tuple[Outcome | None, float]:
    began = time.monotonic()
    try:
        outcome = ask(gateway, WAYS[number % 4], question(number), *models)
    except requests.RequestException as fault:
        print(f"chat {number}: {fault}", file=sys.stderr)
        return None, time.monotonic() - began
    took = time.monotonic() - began
    return (outcome if took < HANG else None), took


def _listed(numbers: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.most_common())


def main(arguments: list[Any]) -> int:
    chats = int(arguments[0]) if arguments else 1000
    with (
        tempfile.TemporaryDirectory(prefix="onedoor-chaos-") as folder,
        running_providers() as upstream,
        failing_gateway(Path(folder), upstream) as gateway,
    ):
        wait_for_spares(gateway)
        upstream.forget()
        tally = run(gateway, chats)
    print(tally)
    return 0 if tally.kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
