"""How long it takes to find memories among many: `python bench/memory.py [EXCHANGES]`, 100,000 where none is said.

Made-up exchanges of a hundred to a thousand a user are put into SQLite and a Chroma folder of their own, thrown away
afterwards; then some are asked for as a chat does it: embed the question, search the conversation's and all of the
user's, read the texts.
"""

from __future__ import annotations

# ruff: noqa: E402 - patched first, as the worker is
from gevent import monkey

monkey.patch_all()

import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import insert

from app.models.chat import Conversation
from app.models.memories import MemoryRow
from app.repositories.database import Database
from app.repositories.memories import Memories
from app.repositories.migrate import upgrade
from app.services.memory.service import MemoryService
from app.stores.embedder import WordLlamaEmbedder
from app.stores.vectors import Entry, FolderCollections, Vectors
from app.utils.ids import new_id

WORDS = [
    "garden",
    "river",
    "train",
    "letter",
    "summer",
    "bridge",
    "window",
    "coffee",
    "piano",
    "winter",
    "market",
    "doctor",
    "engine",
    "lemon",
    "shadow",
    "ticket",
    "mountain",
    "island",
    "copper",
    "velvet",
    "recipe",
    "harbour",
    "lantern",
    "budget",
    "server",
    "table",
    "index",
    "python",
    "holiday",
    "invoice",
    "painting",
]
A_USER = 500
ASKED = 200


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    folder = Path(tempfile.mkdtemp(prefix="memories-"))
    try:
        print(measured(folder, wanted))
    finally:
        shutil.rmtree(folder)


def measured(folder: Path, wanted: int) -> str:
    dice = random.Random(7)
    database = Database(f"sqlite:///{folder}/app.db")
    upgrade(f"sqlite:///{folder}/app.db")
    embedder, vectors = WordLlamaEmbedder(), Vectors(FolderCollections(folder / "chroma"), "wordllama-256")
    service = MemoryService(Memories(database), embedder, vectors)
    users = [new_id() for _ in range(max(1, wanted // A_USER))]
    began = time.perf_counter()
    for user in users:
        _fill(dice, database, embedder, vectors, user)
    filled = time.perf_counter() - began
    waits, cpu = [], []
    for turn in range(ASKED + 20):
        user = dice.choice(users)
        began, used = time.perf_counter(), _cpu()
        service.recall(user, _sentence(dice), None, (), 8)
        if turn >= 20:
            waits.append(1000 * (time.perf_counter() - began))
            cpu.append(1000 * (_cpu() - used))
    waits.sort()
    return (
        f"{len(users) * A_USER} exchanges of {len(users)} users, filled in {filled:.0f} s: recall p50 "
        f"{statistics.median(waits):.1f} ms, p95 {waits[int(0.95 * ASKED)]:.1f} ms, CPU {statistics.mean(cpu):.1f} ms"
    )


def _fill(dice: random.Random, database: Database, embedder: WordLlamaEmbedder, vectors: Vectors, user: str) -> None:
    home, now = new_id(), datetime.now(UTC)
    rows = [
        {
            "id": new_id(),
            "user_id": user,
            "conversation_id": home,
            "question": _sentence(dice),
            "answer": _sentence(dice),
            "embedder": embedder.name,
            "created_at": now,
        }
        for _ in range(A_USER)
    ]
    talk = {"id": home, "user_id": user, "public_id": home, "title": "t", "created_at": now, "updated_at": now}
    database.write(
        lambda session: (session.execute(insert(Conversation), [talk]), session.execute(insert(MemoryRow), rows)),
        timeout=30,
    )
    found = embedder.embed([f"{row['question']}\n{row['answer']}" for row in rows])
    vectors.add([Entry(str(row["id"]), user, home, v) for row, v in zip(rows, found, strict=True) if v is not None])


def _sentence(dice: random.Random) -> str:
    return " ".join(dice.choices(WORDS, k=12))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
