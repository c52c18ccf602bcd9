"""Files of users and the bytes behind them, in SQL. Every query is one user's; the blob store has no owners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.errors import Conflict, InvalidRequest, NotFound, TooLarge, Unavailable
from app.domain.files import MOST_FILES, FileOrigin, StoredFile
from app.models.accounts import UserRow
from app.models.chat import Conversation, Message
from app.models.files import Blob, File
from app.repositories.database import Database

#: How long bytes may take on their way into the store. What takes longer has died, and its part of the quota is free.
WRITING: Final = timedelta(minutes=15)
#: After how long bytes that could not be taken away are tried again.
REMOVING: Final = timedelta(minutes=1)
#: Blobs that one sweep takes away.
SWEPT: Final = 100

_FILE = (File.id, File.user_id, File.name, File.bytes, File.content_type, File.created_at, File.purpose, File.origin)
_NEWEST = (File.created_at.desc(), File.id.desc())
_OLDEST = (File.created_at.asc(), File.id.asc())


@dataclass(frozen=True, slots=True)
class Located:
    """A file and the blob that it is."""

    file: StoredFile
    blob_id: str


class Files:
    """quota: bytes that a user may keep. Every method raises Unavailable while the database is away."""

    def __init__(self, database: Database, quota: int) -> None:
        self._database = database
        self._quota = quota

    def expect(self, user_id: str, size: int, now: datetime) -> None:
        """Raises TooLarge with the reason `quota` where so many bytes would be refused now. Nothing is taken."""
        used, files = self._database.read(lambda session: _used(session, user_id, now))
        self._check(used, files, size)

    def reserve(self, file: StoredFile, blob_id: str, sha256: str) -> None:
        """Take the file's part of its owner's quota before its bytes are written under `blob_id`.

        Raises TooLarge with the reason `quota`; nothing is taken then.
        """

        def work(session: Session) -> None:
            # The owner's row is held, so that of many at once each sees those before it.
            session.execute(select(UserRow.id).where(UserRow.id == file.user_id).with_for_update())
            used, files = _used(session, file.user_id, file.created_at)
            self._check(used, files, file.bytes)
            free_at = file.created_at + WRITING
            session.add(Blob(id=blob_id, sha256=sha256, bytes=file.bytes, refs=0, free_at=free_at))
            session.flush()
            session.add(
                File(
                    id=file.id, user_id=file.user_id, blob_id=blob_id, name=file.name, bytes=file.bytes,
                    content_type=file.content_type, purpose=file.purpose, origin=file.origin, kept=False,
                    created_at=file.created_at,
                )
            )  # fmt: skip

        self._database.write(work)

    def keep(self, file: StoredFile, blob_id: str, sha256: str, now: datetime) -> str:
        """Its bytes are in the store: it is a file now. The id of the blob that it is, another one where equal bytes
        were kept already. Raises Unavailable where the reservation lapsed meanwhile."""

        def work(session: Session) -> str:
            own = and_(File.id == file.id, File.user_id == file.user_id, File.kept.is_(False))
            owned = _owned(session, blob_id, sha256, now)
            set_ = update(File).where(own).values(kept=True, blob_id=owned).returning(File.id)
            if session.execute(set_).first() is None:
                raise Unavailable("Storing this file took too long; send it again.", retry_after=1)
            return owned

        try:
            return self._database.write(work)
        except IntegrityError:
            # Equal bytes were kept between our look and our write: now they are found.
            return self._database.write(work)

    def give_up(self, file: StoredFile, now: datetime) -> None:
        """Its bytes could not be stored: its part of the quota is free again."""

        def work(session: Session) -> None:
            own = delete(File).where(File.id == file.id, File.user_id == file.user_id, File.kept.is_(False))
            blob_id = session.scalar(own.returning(File.blob_id))
            if blob_id is not None:
                session.execute(update(Blob).where(Blob.id == blob_id, Blob.refs == 0).values(free_at=now))

        self._database.write(work)

    def get(self, user_id: str, file_id: str) -> Located:
        """Raises NotFound, also where it is another user's."""
        found = self.some(user_id, [file_id])
        if not found:
            raise _unknown()
        return found[0]

    def some(self, user_id: str, file_ids: Sequence[str]) -> tuple[Located, ...]:
        """Those of these files that are the user's, in the order of the ids."""
        query = select(*_FILE, File.blob_id).where(_kept(user_id), File.id.in_(file_ids))
        rows = self._database.read(lambda session: session.execute(query).all())
        found = {row.id: Located(_file(row), row.blob_id) for row in rows}
        return tuple(found[file_id] for file_id in file_ids if file_id in found)

    def find(self, user_id: str, name: str) -> Located:
        """The file with this id, or else the only one with this name. Raises NotFound; Conflict where two bear it."""
        query = select(*_FILE, File.blob_id).where(_kept(user_id), or_(File.id == name, File.name == name)).limit(3)
        rows = self._database.read(lambda session: session.execute(query).all())
        rows = [row for row in rows if row.id == name] or list(rows)
        if not rows:
            raise _unknown()
        if len(rows) > 1:
            raise Conflict("More than one of your files bears this name; say its id.", field="filename")
        return Located(_file(rows[0]), rows[0].blob_id)

    def page(
        self,
        user_id: str,
        *,
        limit: int = MOST_FILES,
        after: str | None = None,
        purpose: str | None = None,
        oldest_first: bool = False,
    ) -> tuple[tuple[StoredFile, ...], bool]:
        """The user's files, newest first, and whether there are more. after: the id of the last one before them.

        Raises InvalidRequest naming `after` where the user has no such file.
        """
        query = select(*_FILE).where(_kept(user_id)).order_by(*(_OLDEST if oldest_first else _NEWEST))
        if purpose is not None:
            query = query.where(File.purpose == purpose)

        def work(session: Session) -> Sequence[Any]:
            rest = query if after is None else query.where(_beyond(session, user_id, after, oldest_first))
            return session.execute(rest.limit(limit + 1)).all()

        rows = self._database.read(work)
        return tuple(_file(row) for row in rows[:limit]), len(rows) > limit

    def delete(self, user_id: str, file_id: str, now: datetime) -> None:
        """Raises NotFound. Bytes that no file is any more are free to be taken away."""

        def work(session: Session) -> bool:
            return _release(session, user_id, [file_id], now) > 0

        if not self._database.write(work):
            raise _unknown()

    def release_of_deleted(self, user_id: str, file_ids: Sequence[str], conversation_row: str, now: datetime) -> int:
        """Delete these where the conversation that they were made for was; how many."""
        gone = select(Conversation.id).where(Conversation.id == conversation_row, Conversation.deleted_at.is_not(None))
        if self._database.read(lambda session: session.scalar(gone)) is None:
            return 0
        return self._database.write(lambda session: _release(session, user_id, file_ids, now))

    def free(self, now: datetime) -> list[str]:
        """Ids of some blobs that nobody owns and nobody is writing. Their bytes are to be taken away, then `gone`."""

        due = (Blob.refs == 0, Blob.free_at <= now)

        def work(session: Session) -> list[str]:
            some = select(Blob.id).where(*due).order_by(Blob.free_at).limit(SWEPT)
            # Taken for a while: another sweep passes them over, and what was slow to be stored finds itself too late.
            take = update(Blob).where(Blob.id.in_(some), *due).values(free_at=now + REMOVING).returning(Blob.id)
            ids = list(session.scalars(take))
            session.execute(delete(File).where(File.blob_id.in_(ids), File.kept.is_(False)))
            return ids

        # A look alone first: a sweep that finds nothing takes no lock.
        if self._database.read(lambda session: session.scalar(select(Blob.id).where(*due).limit(1))) is None:
            return []
        return self._database.write(work)

    def gone(self, blob_id: str) -> None:
        """Its bytes are not in the store any more."""
        query = delete(Blob).where(Blob.id == blob_id, Blob.refs == 0)
        self._database.write(lambda session: session.execute(query) and None)

    def _check(self, used: int, files: int, more: int) -> None:
        if files < MOST_FILES and used + more <= self._quota:
            return
        left = max(0, self._quota - used)
        raise TooLarge(
            f"A user may keep {MOST_FILES} files of {self._quota} bytes in all; {left} bytes are left.",
            field="file",
            details={"reason": "quota", "max_bytes": self._quota, "left_bytes": left},
        )


def release_attached(session: Session, user_id: str, conversation_row: str, now: datetime) -> None:
    """Let go of the files that stand in this conversation's messages and in no other one that lives.

    Call it in the transaction that deletes the messages, before they are.
    """
    has_files = or_(Message.attachments.is_not(None), Message.images.is_not(None))
    of_it = select(Message.attachments, Message.images).where(Message.conversation_id == conversation_row, has_files)
    ids = _ids(session.execute(of_it).all())
    if not ids:
        return
    elsewhere = (
        select(Message.attachments, Message.images)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.user_id == user_id, Conversation.deleted_at.is_(None), Conversation.id != conversation_row)
        .where(has_files)
    )
    _release(session, user_id, sorted(ids - _ids(session.execute(elsewhere).all())), now)


def _release(session: Session, user_id: str, file_ids: Sequence[str], now: datetime) -> int:
    """Delete these files of the user's; how many there were."""
    if not file_ids:
        return 0
    gone = delete(File).where(_kept(user_id), File.id.in_(file_ids)).returning(File.blob_id)
    blobs = list(session.scalars(gone))
    for blob_id in sorted(blobs):  # in one order, so that two who delete at once do not wait for each other
        session.execute(update(Blob).where(Blob.id == blob_id).values(refs=Blob.refs - 1, free_at=now))
    return len(blobs)


def _owned(session: Session, blob_id: str, sha256: str, now: datetime) -> str:
    """The blob that these bytes are from now on, with one more file: one that is owned already, or ours."""
    theirs = update(Blob).where(Blob.sha256 == sha256, Blob.refs > 0).values(refs=Blob.refs + 1).returning(Blob.id)
    found = session.scalar(theirs)
    if found is not None:
        session.execute(update(Blob).where(Blob.id == blob_id, Blob.refs == 0).values(free_at=now))
        return found
    session.execute(update(Blob).where(Blob.id == blob_id).values(refs=1))
    return blob_id


def _used(session: Session, user_id: str, now: datetime) -> tuple[int, int]:
    """Bytes and files of the user, what is being written among them."""
    counts = or_(File.kept, File.created_at > now - WRITING)
    query = select(func.coalesce(func.sum(File.bytes), 0), func.count()).where(File.user_id == user_id, counts)
    used, files = session.execute(query).one()
    return int(used), int(files)


def _beyond(session: Session, user_id: str, after: str, oldest_first: bool) -> Any:
    last = session.execute(select(File.created_at, File.id).where(_kept(user_id), File.id == after)).first()
    if last is None:
        raise InvalidRequest("There is no such file.", field="after")
    at, file_id = last
    if oldest_first:
        return or_(File.created_at > at, and_(File.created_at == at, File.id > file_id))
    return or_(File.created_at < at, and_(File.created_at == at, File.id < file_id))


def _kept(user_id: str) -> Any:
    return and_(File.user_id == user_id, File.kept)


def _file(row: Any) -> StoredFile:
    return StoredFile(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        bytes=row.bytes,
        content_type=row.content_type,
        created_at=row.created_at,
        purpose=row.purpose,
        origin=cast(FileOrigin, row.origin),
    )


def _ids(rows: Iterable[Any]) -> set[str]:
    """The files that messages name: attachments by their ids, pictures as objects with an `id`."""
    found: set[str] = set()
    for lists in rows:
        for items in lists:
            for item in items or ():
                file_id = item.get("id") if isinstance(item, dict) else item
                if isinstance(file_id, str):
                    found.add(file_id)
    return found


def _unknown() -> NotFound:
    return NotFound("There is no such file.", field="file")
