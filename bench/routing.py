"""Whether the learned strategy learns: python bench/routing.py [runs]

Simulates users with hidden preferences over 10,000 chats and writes what it cost to find them into bench/routing.md
and into that section of bench/REPORT.md. Nothing is asked of a provider: what is tried are the beliefs, the way they
are chosen by and the batches they are written in, by the code that serves.

A user is satisfied by an answer with a likelihood that belongs to the model and the kind of task, and differs from user
to user. Of those who are not, every second one asks again; of those who are, three in a hundred; one chat in eight is
rated. The strategy sees nothing else. What a choice is worth is the likelihood less cost and slowness at the weights of
the settings; regret is what a choice is worth less than the best one for that kind, summed.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.domain.catalogue import Model
from app.domain.money import Price
from app.domain.policies import evidence
from app.domain.policies.bandit import Book, Weights, fade, sampled
from app.domain.routing import KINDS, Arm, Outcome, TaskKind
from app.domain.usage import Usage
from app.repositories.beliefs import BeliefRows
from app.repositories.database import Database
from app.repositories.migrate import upgrade

HERE = Path(__file__).parent
SECTION = HERE / "routing.md"
REPORT = HERE / "REPORT.md"
TITLE = "## Whether the learned strategy learns"

CHATS, USERS, CHATS_A_DAY, BATCH = 10_000, 40, 1_000, 20
DAY = 86_400.0
HALF_LIFE = 7 * DAY
WEIGHTS = Weights(0.2, 0.1)
OFTEN: dict[TaskKind, float] = {
    "chat": 0.35, "code": 0.25, "writing": 0.15, "maths": 0.1, "translation": 0.1, "vision": 0.05,
}  # fmt: skip
CHANGED: tuple[TaskKind, ...] = ("chat", "writing")
LOOK_BACK = 30


@dataclass(frozen=True)
class Hidden:
    """What nobody tells the strategy. likes: by kind of task, how likely an answer satisfies; fails: how often none
    comes; price: nano-USD a million tokens in and out."""

    likes: dict[TaskKind, float]
    price: Price
    ms: int
    fails: float


def _hidden(likes: str, price_in: float, price_out: float, ms: int, fails: float) -> Hidden:
    found = dict(
        zip(("chat", "code", "writing", "maths", "translation", "vision"), map(float, likes.split()), strict=True)
    )
    return Hidden(found, Price(int(price_in * 1e9), int(price_out * 1e9)), ms, fails)  # type: ignore[arg-type]


MODELS = {
    "thinker": _hidden(".82 .97 .80 .96 .80 .78", 1.25, 10, 4000, 0.01),
    "talker": _hidden(".90 .55 .93 .45 .78 .45", 0.15, 0.6, 1500, 0.01),
    "sprinter": _hidden(".70 .45 .55 .40 .58 .35", 0.05, 0.08, 600, 0.02),
    "linguist": _hidden(".72 .62 .66 .58 .95 .93", 0.3, 2.5, 2500, 0.01),
    "veteran": _hidden(".50 .40 .45 .35 .50 .30", 0.59, 0.79, 900, 0.03),
}


def fallen(models: dict[str, Hidden]) -> dict[str, Hidden]:
    """The best at chat and writing is another from now on under its old name, and the sprinter takes its place."""
    talker, sprinter = models["talker"], models["sprinter"]
    return models | {
        "talker": Hidden(dict.fromkeys(KINDS, 0.4), talker.price, talker.ms, talker.fails),
        "sprinter": Hidden(talker.likes, sprinter.price, sprinter.ms, sprinter.fails),
    }


@dataclass
class Run:
    """regret, even: of the learned strategy and of round_robin. found: chats from the change until most of the last
    30 of the kinds concerned went to the new best one; None for never."""

    regret: float = 0.0
    even: float = 0.0
    found: int | None = None

    @property
    def share(self) -> float:
        return 100 * self.regret / self.even


class Memory:
    """Where what was learned is kept in a run without a database."""

    def __init__(self) -> None:
        self._book = Book()

    def learn(self, outcomes: list[Outcome], now: float, half_life: float) -> None:
        self._book.learn(outcomes, now, half_life)

    def all(self) -> dict[TaskKind, dict[str, Arm]]:
        found: dict[TaskKind, dict[str, Arm]] = {}
        for (kind, model), arm in self._book.arms.items():
            found.setdefault(kind, {})[model] = copy(arm)
        return found


def simulate(
    seed: int,
    kept: Memory | BeliefRows | None = None,
    *,
    users: int = USERS,
    change: Callable[[dict[str, Hidden]], dict[str, Hidden]] | None = None,
    chats: int = CHATS,
) -> Run:
    """One run; the same seed makes the same. change: what becomes of the models after half of it."""
    dice, kept, run, hidden = random.Random(seed), kept or Memory(), Run(), dict(MODELS)
    models = [Model(f"p/{name}", "p", name, price=row.price) for name, row in MODELS.items()]
    tastes: dict[tuple[int, str, TaskKind], float] = {}
    busy = [1 / (n + 1) ** 0.6 for n in range(users)]
    known: dict[TaskKind, dict[str, Arm]] = {}
    seen: list[Outcome] = []
    last: deque[bool] = deque(maxlen=LOOK_BACK)
    now = 1_800_000_000.0
    for n in range(chats):
        now += DAY / CHATS_A_DAY
        if change and n == chats // 2:
            hidden = change(hidden)
        user = dice.choices(range(users), busy)[0]
        kind = dice.choices(list(OFTEN), list(OFTEN.values()))[0]
        worth = {name: _worth(hidden, name, kind) for name in hidden}
        best = max(worth, key=worth.__getitem__)
        chosen = sampled(models, known.get(kind, {}), WEIGHTS, dice.betavariate)[0].name
        run.regret += worth[best] - worth[chosen]
        run.even += worth[best] - statistics.fmean(worth.values())
        if change and n >= chats // 2 and run.found is None and kind in CHANGED:
            last.append(chosen == best)
            if sum(last) > LOOK_BACK / 2:
                run.found = n - chats // 2
        taste = tastes.setdefault((user, chosen, kind), dice.gauss(0, 0.08))
        seen += _reaction(dice, hidden[chosen], kind, f"p/{chosen}", f"user-{user}", taste)
        if n % BATCH == BATCH - 1:
            kept.learn(seen, now, HALF_LIFE)
            seen, known = [], kept.all()
            for arms in known.values():
                for arm in arms.values():
                    fade(arm, now, HALF_LIFE)
    return run


def _worth(hidden: dict[str, Hidden], name: str, kind: TaskKind) -> float:
    def cost(row: Hidden) -> float:
        return row.price.input * 350 + row.price.output * 280

    row = hidden[name]
    dear = cost(row) / max(map(cost, hidden.values()))
    slow = row.ms / max(other.ms for other in hidden.values())
    return row.likes[kind] * (1 - row.fails) - WEIGHTS.cost * dear - WEIGHTS.latency * slow


def _reaction(dice: random.Random, row: Hidden, kind: TaskKind, model: str, user: str, taste: float) -> list[Outcome]:
    if dice.random() < row.fails:
        return [evidence.failed(kind, model, user)]
    satisfied = dice.random() < row.likes[kind] + taste
    usage = Usage(int(dice.lognormvariate(5.7, 0.6)), int(dice.lognormvariate(5.5, 0.5)))
    said = [evidence.answered(kind, model, user, usage, int(row.ms * dice.lognormvariate(0, 0.4)))]
    if dice.random() < (0.03 if satisfied else 0.5):
        said.append(evidence.complained(kind, model, user))
    if dice.random() < 0.125:
        rating = dice.choice((4, 5, 5) if satisfied else (1, 2, 2, 3))
        said.append(evidence.rated(kind, model, user, rating, None))
    return said


def through_sql(seed: int, chats: int = CHATS) -> Run:
    """A run whose beliefs go through a database, as those of a server do."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/routing.db"
        upgrade(url)
        database = Database(url, timeout=30)
        try:
            return simulate(seed, BeliefRows(database), change=fallen, chats=chats)
        finally:
            database.close()


def section(runs: int) -> str:
    """The figures as Markdown."""
    still = [simulate(seed) for seed in range(1, runs + 1)]
    moved = [simulate(seed, change=fallen) for seed in range(1, runs + 1)]
    alone = [simulate(seed, users=1) for seed in range(1, runs + 1)]
    stored = through_sql(1)
    assert stored.found == moved[0].found, "what went through SQL is not what was learned"
    found = [run.found if run.found is not None else CHATS // 2 for run in moved]
    rows = [
        ("regret of that of `round_robin`, nothing changes", "15 %", _shares(still)),
        ("regret of that of `round_robin`, the best model changes after 5,000 chats", "15 %", _shares(moved)),
        (
            "chats until the change is found",
            "500",
            f"{statistics.fmean(found):.0f} ({max(found)}); {sum(n <= 500 for n in found)} of {runs} runs within",
        ),
        ("regret where there is one user alone", "", _shares(alone)),
    ]
    lines = [
        TITLE,
        "",
        f"Written by `python bench/routing.py`: {runs} runs of 10,000 chats of 40 users with hidden preferences, five",
        "models, six kinds of task; its first lines say how users behave. Nothing but what they do and rate is seen by",
        "the strategy. Figures are means, in brackets those of the worst run. One user's evidence is bounded, so one",
        "alone learns slower.",
        "",
        "| what | goal | measured |",
        "| --- | --- | --- |",
        *(f"| {what} | {goal} | {figure} |" for what, goal, figure in rows),
        "",
    ]
    return "\n".join(lines)


def _shares(runs: list[Run]) -> str:
    return f"{statistics.fmean(run.share for run in runs):.1f} % ({max(run.share for run in runs):.1f} %)"


def put(report: str, made: str) -> str:
    """The report with this section in the place of the one it had, else at its end."""
    before, title, rest = report.partition(TITLE)
    _, mark, after = rest.partition("\n## ") if title else ("", "", "")
    return f"{before.rstrip()}\n\n{made}{(chr(10) + '## ' + after) if mark else ''}"


def main(args: list[str]) -> None:
    made = section(int(args[0]) if args else 20)
    SECTION.write_text(made, encoding="utf-8")
    REPORT.write_text(put(REPORT.read_text(encoding="utf-8"), made), encoding="utf-8")
    print(made)


if __name__ == "__main__":
    main(sys.argv[1:])
