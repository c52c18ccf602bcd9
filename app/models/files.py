"""Files that users keep, and the bytes they share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Words

OWNED = text("refs > 0")
FREE = text("refs = 0")


class Blob(Base):
    """Bytes in the blob store, there under this id. Equal bytes are kept once.

    refs: files that are these bytes. With none the bytes may be there or not, and are nobody's: they are being
    written for the first time, or are to be taken away from free_at on.
    """

    __tablename__ = "blobs"
    __table_args__ = (
        Index("uq_blobs_owned", "sha256", unique=True, postgresql_where=OWNED, sqlite_where=OWNED),
        Index("ix_blobs_free", "free_at", postgresql_where=FREE, sqlite_where=FREE),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    refs: Mapped[int]
    free_at: Mapped[datetime] = mapped_column(UtcDateTime)


class File(Base):
    """A file of one user.

    kept: false while its bytes are being written; until then it holds its part of the quota, and is seen by nobody.
    """

    __tablename__ = "files"
    __table_args__ = (Index(None, "user_id", "created_at", "id"), Index(None, "blob_id"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id)
    blob_id: Mapped[str] = mapped_column(ForeignKey("blobs.id"))
    name: Mapped[str] = mapped_column(Words)
    bytes: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str] = mapped_column(String(128))
    purpose: Mapped[str] = mapped_column(String(32))
    origin: Mapped[str] = mapped_column(String(16))
    kept: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
