"""What was learned of models, kept for all workers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import delete, select, text, tuple_
from sqlalchemy.orm import Session

from app.domain.policies.bandit import Book
from app.domain.routing import Arm, ModelName, Outcome, Share, TaskKind
from app.models.chat import Conversation, Message
from app.models.ledger import Request
from app.models.routing import BanditArm, BanditShare
from app.repositories.database import Database

ArmKey = tuple[TaskKind, ModelName]
#: Half-lives after which a user's part of an arm is nothing any more.
FORGOTTEN: Final = 10
#: Seconds for one batch; nobody waits for it.
TIMEOUT: Final = 3.0
#: Keys of one statement; SQLite takes 32,766 values in one.
_KEYS: Final = 5_000
_SUMS: Final = ("good", "weight", "ratings", "chats", "prompt", "completion", "ms", "samples", "age", "at", "last_user")

_NEW: Final = text(
    "INSERT INTO bandit (kind, model, good, weight, ratings, chats, prompt, completion, ms, samples, age, at,"
    " last_user, recent) VALUES (:kind, :model, 0, 0, 0, 0, 0, 0, 0, 0, 0, :at, '', '[]')"
    " ON CONFLICT (kind, model) DO NOTHING"
)


class BeliefRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    def learn(self, outcomes: Sequence[Outcome], now: float, half_life: float) -> None:
        """Take these in, in their order, in one transaction. now: unix seconds; half_life: seconds.

        Raises Unavailable with nothing learned.
        """
        keys = sorted({(outcome.kind, outcome.model) for outcome in outcomes})
        owners = sorted({(outcome.kind, outcome.model, outcome.user_id) for outcome in outcomes})

        def work(session: Session) -> None:
            for kind, model in keys:
                session.execute(_NEW, {"kind": kind, "model": model, "at": now})
            arms = _locked(session, {kind for kind, _ in keys})
            shares = _shares(session, owners)
            book = Book(
                {key: _arm(row) for key, row in arms.items()},
                {key: Share(row.good, row.weight, row.age) for key, row in shares.items()},
            )
            book.learn(outcomes, now, half_life)
            for key, arm in book.arms.items():
                _write(arms[key], arm)
            for owner, share in book.shares.items():
                _write_share(session, shares, owner, share, datetime.fromtimestamp(now, UTC))

        if outcomes:
            self._database.write(work, timeout=TIMEOUT)

    def all(self) -> dict[TaskKind, dict[ModelName, Arm]]:
        """Every arm, without what came last of it. Raises Unavailable."""
        columns = (BanditArm.kind, BanditArm.model, *(getattr(BanditArm, name) for name in _SUMS))
        rows = self._database.read(lambda session: session.execute(select(*columns)).all())
        found: dict[TaskKind, dict[ModelName, Arm]] = {}
        for kind, model, *sums in rows:
            found.setdefault(kind, {})[model] = Arm(**dict(zip(_SUMS, sums, strict=True)))
        return found

    def prune(self, now: float, half_life: float) -> None:
        """Drop users' parts that have faded away."""
        old = datetime.fromtimestamp(now, UTC) - timedelta(seconds=FORGOTTEN * half_life)
        self._database.write(lambda session: session.execute(delete(BanditShare).where(BanditShare.updated_at < old)))

    def answer(self, user_id: str, prompt_id: str) -> tuple[ModelName, str | None] | None:
        """Who answered this user's request, and the question where it is kept; None where there is no such request."""
        asked = select(Request.provider, Request.model, Request.created_at).where(
            Request.prompt_id == prompt_id, Request.user_id == user_id
        )

        def work(session: Session) -> tuple[ModelName, str | None] | None:
            row = session.execute(asked).first()
            if row is None:
                return None
            # Messages are found by their conversation: those of this user that were alive then.
            home = (
                Conversation.user_id == user_id,
                Conversation.updated_at >= row.created_at,
                Conversation.created_at <= row.created_at,
                Conversation.deleted_at.is_(None),
            )
            query = (
                select(Message.content)
                .join(Conversation, Conversation.id == Message.conversation_id)
                .where(*home, Message.prompt_id == prompt_id, Message.role == "user")
            )
            return f"{row.provider}/{row.model}", session.scalar(query)

        return self._database.read(work)


def _locked(session: Session, kinds: Collection[TaskKind]) -> dict[ArmKey, BanditArm]:
    """The arms of these kinds, locked in order, so that workers take turns: what is seen of one may touch another."""
    query = (
        select(BanditArm).where(BanditArm.kind.in_(kinds)).order_by(BanditArm.kind, BanditArm.model).with_for_update()
    )
    return {(cast("TaskKind", row.kind), row.model): row for row in session.scalars(query)}


def _shares(
    session: Session, owners: Sequence[tuple[TaskKind, ModelName, str]]
) -> dict[tuple[TaskKind, ModelName, str], BanditShare]:
    found: dict[tuple[TaskKind, ModelName, str], BanditShare] = {}
    for start in range(0, len(owners), _KEYS):
        some = owners[start : start + _KEYS]
        query = select(BanditShare).where(tuple_(BanditShare.kind, BanditShare.model, BanditShare.user_id).in_(some))
        for row in session.scalars(query):
            found[cast("TaskKind", row.kind), row.model, row.user_id] = row
    return found


def _arm(row: BanditArm) -> Arm:
    recent = [(user, good) for user, good in row.recent]
    return Arm(**{name: getattr(row, name) for name in _SUMS}, recent=recent)


def _write(row: BanditArm, arm: Arm) -> None:
    for name in _SUMS:
        setattr(row, name, getattr(arm, name))
    row.recent = [list(piece) for piece in arm.recent]


def _write_share(
    session: Session,
    rows: dict[tuple[TaskKind, ModelName, str], BanditShare],
    owner: tuple[TaskKind, ModelName, str],
    share: Share,
    now: datetime,
) -> None:
    row: Any = rows.get(owner)
    if row is None:
        kind, model, user_id = owner
        row = BanditShare(kind=kind, model=model, user_id=user_id)
        session.add(row)
    row.good, row.weight, row.age, row.updated_at = share.good, share.weight, share.age, now
