"""Users in SQL."""

from __future__ import annotations

from typing import TypedDict, cast

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.accounts import GUEST_ID, NewUser, User
from app.domain.audit import Actor, Facts
from app.domain.caller import Budget, Limits, Role
from app.domain.errors import Conflict, InvalidRequest, NotFound
from app.models.accounts import ApiKeyRow, UserRow
from app.repositories.audit import record
from app.repositories.database import Database
from app.repositories.epochs import raise_epoch


class UserChanges(TypedDict, total=False):
    """Columns to set; what is left out stays. budget_amount: nano-USD."""

    email: str
    email_key: str
    password_hash: str
    role: Role
    active: bool
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    budget_amount: int | None
    budget_period: str | None


_ENDS_SESSIONS = frozenset({"password_hash", "role", "active"})
_CALLER_DOES_NOT_SEE = frozenset({"email", "email_key"})


class Users:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewUser) -> User:
        """Store a user. Raises Conflict naming `username` or `email` where another has it: the unique index decides."""

        def work(session: Session) -> User:
            row = UserRow(
                id=new.id, username=new.username, name_key=new.name_key, email=new.email, email_key=new.email_key,
                password_hash=new.password_hash, role=new.role, active=True, token_epoch=0, created_at=new.created_at,
                budget_amount=new.budget.amount if new.budget else None,
                budget_period=new.budget.period if new.budget else None,
            )  # fmt: skip
            session.add(row)
            flush_or_conflict(session)
            return user_of(row)

        return self._database.write(work)

    def get(self, user_id: str) -> User | None:
        def work(session: Session) -> User | None:
            row = session.get(UserRow, user_id)
            return user_of(row) if row else None

        return self._database.read(work)

    def by_name(self, name_key: str) -> User | None:
        found = self._one(UserRow.name_key == name_key)
        return found[0] if found else None

    def by_identity(self, key: str) -> tuple[User, str | None] | None:
        """The user whose name or e-mail address has this key, and the password's hash. A name never has an `@`."""
        return self._one((UserRow.email_key if "@" in key else UserRow.name_key) == key)

    def with_password(self, user_id: str) -> tuple[User, str | None] | None:
        return self._one(UserRow.id == user_id)

    def change(self, user_id: str, changes: UserChanges) -> User:
        """Set the columns. A new password, role or state ends all sessions. Raises NotFound, Conflict (`email`)."""

        def work(session: Session) -> User:
            row = session.get(UserRow, user_id, with_for_update=True)
            if row is None:
                raise NotFound("There is no such user.")
            for column, value in changes.items():
                setattr(row, column, value)
            if _ENDS_SESSIONS & changes.keys():
                row.token_epoch += 1
            flush_or_conflict(session)
            if changes.keys() - _CALLER_DOES_NOT_SEE:
                raise_epoch(session, "auth")
            return user_of(row)

        return self._database.write(work)

    def page(self, limit: int, before: str | None) -> list[User]:
        """All users, newest first, from after the one with the id `before`."""
        query = select(UserRow).order_by(UserRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(UserRow.id < before)
        return self._database.read(lambda session: [user_of(row) for row in session.scalars(query)])

    def amend(self, user_id: str, changes: UserChanges, actor: Actor) -> User:
        """An admin's change, with its row in the audit. A new role or state ends all sessions.

        Raises NotFound, InvalidRequest for the guest's role, Conflict where no active admin would be left.
        """

        def work(session: Session) -> User:
            # All admins are held: of two who take each other's role away at once one must see the other's change.
            admins = select(UserRow.id).where(UserRow.role == "admin", UserRow.active).order_by(UserRow.id)
            others = set(session.scalars(admins.with_for_update())) - {user_id}
            row = session.get(UserRow, user_id, with_for_update=True)
            if row is None:
                raise NotFound("There is no such user.")
            if user_id == GUEST_ID and "role" in changes:
                raise InvalidRequest("The guest stays a guest.", field="role")
            before = _facts(row)
            for column, value in changes.items():
                setattr(row, column, value)
            if not others and _leads(before) and not _leads(_facts(row)):
                raise Conflict("This is the last active admin.", field="role" if "role" in changes else "active")
            if _ENDS_SESSIONS & changes.keys():
                row.token_epoch += 1
            record(session, actor, "user.change", user_id, before, _facts(row))
            raise_epoch(session, "auth")
            return user_of(row)

        return self._database.write(work)

    def _one(self, where: ColumnElement[bool]) -> tuple[User, str | None] | None:
        def work(session: Session) -> tuple[User, str | None] | None:
            row = session.scalar(select(UserRow).where(where))
            return (user_of(row), row.password_hash) if row else None

        return self._database.read(work)


def flush_or_conflict(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as fault:
        field = "email" if "email_key" in str(fault.orig) else "username"
        what = "e-mail address" if field == "email" else "user name"
        raise Conflict(f"This {what} is taken.", field=field) from None


def _facts(row: UserRow) -> Facts:
    return {"username": row.username, "role": row.role, "active": row.active, **bounds_facts(row)}


def _leads(user: Facts) -> bool:
    return user["role"] == "admin" and bool(user["active"])


def bounds_facts(row: UserRow | ApiKeyRow) -> Facts:
    """Limits and budget as the audit keeps them."""
    names = ("rpm", "tpm", "concurrency", "budget_amount", "budget_period")
    return {name: getattr(row, name) for name in names}


def limits_of(row: UserRow | ApiKeyRow) -> Limits:
    return Limits(rpm=row.rpm, tpm=row.tpm, concurrency=row.concurrency)


def budget_of(row: UserRow | ApiKeyRow) -> Budget | None:
    if row.budget_amount is None or row.budget_period is None:
        return None
    return Budget(amount=row.budget_amount, period=row.budget_period)  # type: ignore[arg-type]


def user_of(row: UserRow) -> User:
    return User(
        id=row.id,
        username=row.username,
        email=row.email,
        role=cast(Role, row.role),
        active=row.active,
        limits=limits_of(row),
        budget=budget_of(row),
        token_epoch=row.token_epoch,
        created_at=row.created_at,
    )
