"""Users, sign-ins and keys on both SQL engines."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.domain.accounts import MAX_KEYS, Family, NewKey, NewUser, User
from app.domain.caller import Budget, Limits
from app.domain.errors import Conflict, NotFound
from app.domain.policies.names import identity_key
from app.repositories.api_keys import ApiKeys
from app.repositories.database import Database
from app.repositories.epochs import EpochRows
from app.repositories.refresh_families import RefreshFamilies
from app.repositories.users import Users
from app.utils.ids import new_id
from tests import accounts_fixtures

database, postgres_url = accounts_fixtures.database, accounts_fixtures.postgres_url

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _new(name: str, email: str | None = None) -> NewUser:
    return NewUser(new_id(), name, identity_key(name), email, email and identity_key(email), "hash", "user", None, NOW)


def _somebody(database: Database) -> User:
    return Users(database).add(_new(f"u{uuid4().hex[:16]}"))


def _family(database: Database, user: User) -> str:
    family = new_id()
    expires = NOW + timedelta(days=30)
    RefreshFamilies(database).begin(Family(family, user.id, 0, (), user.token_epoch, False, expires), NOW)
    return family


def _key(database: Database, user: User, **wish: object) -> tuple[str, bytes]:
    digest = hashlib.sha256(uuid4().bytes).digest()
    key = ApiKeys(database).add(new_id(), user.id, NewKey("k", **wish), "sk-1234567", digest, NOW)  # type: ignore[arg-type]
    return key.id, digest


def test_a_user_comes_back_as_stored(database: Database) -> None:
    users, name = Users(database), f"Zoë {uuid4().hex[:8]}"
    made = users.add(_new(name, f"{uuid4().hex}@B.c"))
    assert users.get(made.id) == made
    assert users.by_name(identity_key(name)) == made
    assert users.by_identity(identity_key(made.email or "")) == (made, "hash")


def test_fault_1_14_of_twenty_equal_registrations_at_once_one_is_made(database: Database) -> None:
    users, name = Users(database), f"Twin{uuid4().hex[:8]}"

    def join(n: int) -> str:
        try:
            return users.add(_new(name.upper() if n % 2 else name.lower())).id
        except Conflict:
            return ""

    with ThreadPoolExecutor(10) as pool:
        made = [user_id for user_id in pool.map(join, range(20)) if user_id]
    assert len(made) == 1


def test_an_address_that_is_taken_is_named(database: Database) -> None:
    users, email = Users(database), f"{uuid4().hex}@b.c"
    users.add(_new(uuid4().hex, email))
    with pytest.raises(Conflict) as taken:
        users.add(_new(uuid4().hex, email.upper()))
    assert taken.value.field == "email"


@pytest.mark.parametrize("change", [{"password_hash": "other"}, {"role": "admin"}, {"active": False}])
def test_fault_1_07_a_new_password_role_or_state_ends_sign_ins_and_raises_the_epoch(
    database: Database,
    change: dict[str, object],
) -> None:
    users, families, epochs = Users(database), RefreshFamilies(database), EpochRows(database)
    user = _somebody(database)
    family, before = _family(database, user), epochs.read("auth")
    assert families.live(family) is not None
    users.change(user.id, change)  # type: ignore[arg-type]
    assert families.live(family) is None
    assert epochs.read("auth") == before + 1
    shown = families.use(family, 0, 1000, NOW)
    assert shown is not None
    assert shown[0].kind == "dead"


def test_a_new_address_ends_nothing(database: Database) -> None:
    user, epochs = _somebody(database), EpochRows(database)
    family, before = _family(database, user), epochs.read("auth")
    email = f"{uuid4().hex}@b.c"
    assert Users(database).change(user.id, {"email": email, "email_key": email}).email == email
    assert RefreshFamilies(database).live(family) is not None
    assert epochs.read("auth") == before


def test_a_change_that_fails_leaves_the_epoch(database: Database) -> None:
    epochs = EpochRows(database)
    before = epochs.read("auth")
    with pytest.raises(NotFound):
        Users(database).change(new_id(), {"active": False})
    assert epochs.read("auth") == before


def test_fault_1_15_a_refresh_token_used_twice_at_once_gets_one_successor(database: Database) -> None:
    user, families = _somebody(database), RefreshFamilies(database)
    family = _family(database, user)

    def use(n: int) -> tuple[int, int]:
        shown = families.use(family, 0, 1000 + n, NOW + timedelta(days=30))
        assert shown is not None
        return shown[0].generation, shown[0].minted_ms

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(use, range(10)))) == 1


def test_fault_1_15_a_theft_ends_the_family_and_raises_the_epoch(database: Database) -> None:
    user, families, epochs = _somebody(database), RefreshFamilies(database), EpochRows(database)
    family, before = _family(database, user), epochs.read("auth")
    kinds = [
        shown[0].kind
        for at in (1000, 12_000, 12_001)
        if (shown := families.use(family, 0, at, NOW + timedelta(days=30)))
    ]
    assert kinds == ["fresh", "reuse", "dead"]
    assert families.live(family) is None
    assert epochs.read("auth") == before + 1


def test_sign_ins_that_have_expired_are_forgotten_at_the_next_one(database: Database) -> None:
    user, families = _somebody(database), RefreshFamilies(database)
    old = _family(database, user)
    later = NOW + timedelta(days=31)
    families.begin(Family(new_id(), user.id, 0, (), 0, False, later + timedelta(days=30)), later)
    assert families.use(old, 0, 0, later) is None


def test_a_key_comes_back_as_stored(database: Database) -> None:
    user = _somebody(database)
    expires = NOW + timedelta(days=1)
    _, digest = _key(
        database, user, limits=Limits(1, 2, 3), budget=Budget(9_000_000 * 10**9, "month"),
        models=("a", "b"), expires_at=expires,
    )  # fmt: skip
    found = ApiKeys(database).by_hash(digest)
    assert found is not None
    key, owner = found
    assert owner == user
    assert (key.limits, key.budget) == (Limits(1, 2, 3), Budget(9_000_000 * 10**9, "month"))
    assert (key.models, key.expires_at, key.revoked) == (("a", "b"), expires, False)


def test_a_key_for_all_models_is_no_key_for_none(database: Database) -> None:
    user = _somebody(database)
    for models in (None, ()):
        _, digest = _key(database, user, models=models)
        found = ApiKeys(database).by_hash(digest)
        assert found is not None
        assert found[0].models == models


def test_the_hundredth_key_is_the_last_also_for_two_at_once(database: Database) -> None:
    user = _somebody(database)
    for _ in range(MAX_KEYS - 1):
        _key(database, user)

    def add(_: int) -> bool:
        try:
            _key(database, user)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(add, range(4))) == 1
    last = ApiKeys(database).page(user.id, 1, None)[0]
    assert ApiKeys(database).revoke(user.id, last.id, NOW)
    assert add(0)


def test_a_key_is_revoked_by_its_owner_alone_and_once(database: Database) -> None:
    owner, other, keys, epochs = _somebody(database), _somebody(database), ApiKeys(database), EpochRows(database)
    key_id, digest = _key(database, owner)
    before = epochs.read("auth")
    assert not keys.revoke(other.id, key_id, NOW)
    assert epochs.read("auth") == before
    assert keys.revoke(owner.id, key_id, NOW)
    assert not keys.revoke(owner.id, key_id, NOW)
    assert epochs.read("auth") == before + 1
    found = keys.by_hash(digest)
    assert found is not None
    assert found[0].revoked


def test_a_users_keys_come_newest_first_in_pages(database: Database) -> None:
    user, keys = _somebody(database), ApiKeys(database)
    made = [_key(database, user)[0] for _ in range(5)]
    first = [key.id for key in keys.page(user.id, 3, None)]
    rest = [key.id for key in keys.page(user.id, 3, first[-1])]
    assert first + rest == made[::-1]
