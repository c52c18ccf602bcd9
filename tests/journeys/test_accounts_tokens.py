"""Tokens that are not what they seem: rows 1.1 to 1.6 of the faults."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from typing import Any

import jwt
import pytest

from tests import accounts_fixtures
from tests.accounts_fixtures import MakeHouse, Person, who
from tests.accounts_house import ACCESS, REFRESH, SECRET, House

make_house, house = accounts_fixtures.make_house, accounts_fixtures.house


@pytest.fixture
def person(house: House) -> Person:
    return Person(house)


def _part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signed(header: Any, claims: Any, secret: str = SECRET, digest: str = "sha256") -> str:
    body = f"{_part(header)}.{_part(claims)}"
    return f"{body}.{_part(hmac.new(secret.encode(), body.encode(), digest).digest())}"


def _claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _refused(house: House, token: str) -> None:
    reply, plain = who(house, token), who(house, "x")
    assert (reply.status_code, reply.json) == (401, plain.json)
    assert reply.json["error"]["code"] == "unauthorized"
    assert reply.headers["WWW-Authenticate"] == "Bearer"


PLAIN = {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"}, {"alg": "nOnE"}, {"alg": ["HS256"]}, {"alg": None}, {"alg": "HS384"}, {"alg": "RS256"},
        PLAIN | {"kid": "../../x"}, PLAIN | {"kid": 5}, PLAIN | {"jku": "http://127.0.0.1:1/"},
        PLAIN | {"jwk": {"kty": "oct", "k": "AAAA"}}, PLAIN | {"x5u": "http://127.0.0.1:1/"}, PLAIN | {"zip": "DEF"},
        PLAIN | {"b64": False}, PLAIN | {"b64": False, "crit": ["b64"]}, PLAIN | {"crit": ["x"]}, [], "HS256", None,
    ],
)  # fmt: skip
def test_fault_1_01_a_header_that_is_not_ours_is_one_401(house: House, person: Person, header: Any) -> None:
    claims = _claims_of(person.access)
    _refused(house, _signed(header, claims))
    _refused(house, _signed(header, claims, digest="sha384"))
    _refused(house, _signed(header, claims, secret=""))
    _refused(house, f"{_part(header)}.{_part(claims)}.")


def test_fault_1_01_an_edited_token_is_refused(house: House, person: Person) -> None:
    header, payload, signature = person.access.split(".")
    claims = _claims_of(person.access)
    for broken in (
        f"{header}.{_part(claims | {'sub': 'another'})}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature[:-3]}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        "..",
    ):
        _refused(house, broken)
    assert who(house, person.access).status_code == 200


def test_fault_1_01_another_secret_is_refused(house: House, person: Person) -> None:
    for secret in ("", "another secret of thirty-two bytes!!", SECRET[:-1]):
        _refused(house, _signed(PLAIN, _claims_of(person.access), secret=secret))


MISSING = object()


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("exp", MISSING), ("exp", None), ("exp", 10**18), ("exp", "soon"), ("exp", True), ("exp", -1), ("exp", 1e300),
        ("sub", MISSING), ("sub", 5), ("sub", None), ("sub", ["x"]), ("sub", ""), ("sub", "01a1fe87-unknown"),
        ("type", MISSING), ("type", "refresh"), ("type", None), ("type", ["access"]),
        ("iss", MISSING), ("iss", "another"), ("iss", None), ("iss", ["onedoor"]),
        ("fam", MISSING), ("fam", 5), ("fam", "unknown"), ("fam", "x" * 40), ("fam", "a\0b"),
        ("gen", MISSING), ("gen", "0"), ("gen", 0.5), ("iat", "now"), ("iat", None), ("nbf", None), ("nbf", MISSING),
    ],
)  # fmt: skip
def test_fault_1_02_claims_are_checked_by_type(house: House, person: Person, claim: str, value: Any) -> None:
    claims = _claims_of(person.access)
    claims[claim] = value
    if value is MISSING:
        del claims[claim]
    _refused(house, _signed(PLAIN, claims))


@pytest.mark.parametrize(
    ("claim", "shift", "owed"),
    [("exp", -10, 401), ("exp", -2, 200), ("nbf", 60, 401), ("nbf", 3, 200), ("iat", 60, 401), ("iat", 3, 200)],
)
def test_fault_1_02_five_seconds_of_skew_pass_and_no_more(
    house: House, person: Person, claim: str, shift: int, owed: int
) -> None:
    claims = _claims_of(person.access)
    claims[claim] = int(time.time()) + shift
    assert who(house, _signed(PLAIN, claims)).status_code == owed


def test_fault_1_02_a_remembered_token_ends_when_it_ends(house: House, person: Person) -> None:
    claims = _claims_of(person.access) | {"exp": int(time.time()) - 3}
    token = _signed(PLAIN, claims)
    assert who(house, token).status_code == 200
    deadline = time.monotonic() + 5
    while who(house, token).status_code == 200:
        assert time.monotonic() < deadline
    _refused(house, token)


def test_fault_1_02_each_kind_of_token_opens_its_own_door_alone(house: House, person: Person) -> None:
    _refused(house, person.refresh)
    for token in (person.access, person.key()["key"], "", "x"):
        reply = person.client.post("/api/auth/refresh", json={"refresh_token": token})
        assert (reply.status_code, reply.json["error"]["code"]) == (401, "unauthorized")


def test_fault_1_02_a_disabled_users_tokens_are_refused(house: House, person: Person) -> None:
    key = person.key()["key"]
    house.accounts.service.amend_user(person.id, {"active": False})
    _refused(house, person.access)
    _refused(house, key)
    reply = person.client.post("/api/auth/refresh", json={"refresh_token": person.refresh})
    assert reply.status_code == 401


@pytest.mark.parametrize("payload", ["[" * 5000, '{"a":' * 1000, '"' + "x" * 5000, "[" * 80_000])
def test_fault_1_03_large_and_deep_tokens_are_a_plain_401(house: House, payload: str) -> None:
    _refused(house, f"{_part(payload.encode())}.{_part({})}.x")
    _refused(house, f"{_part(PLAIN)}.{_part(payload.encode())}.x")
    body = f"{_part(PLAIN)}.{_part(payload.encode())}"
    _refused(house, f"{body}.{_part(hmac.new(SECRET.encode(), body.encode(), 'sha256').digest())}")


def test_fault_1_04_the_scheme_is_taken_in_any_case(house: House, person: Person) -> None:
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
        reply = person.client.get("/who", headers={"Authorization": f"{scheme} {person.access}"})
        assert reply.status_code == 200


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "", " ", "Basic dXNlcjpwYXNz", "Token x", "Bearer x", "\x00"])
def test_fault_1_04_what_is_no_bearer_token_is_401(house: House, header: str) -> None:
    reply = house.client().get("/who", environ_overrides={"HTTP_AUTHORIZATION": header})
    assert (reply.status_code, reply.json["error"]["code"]) == (401, "unauthorized")


def test_fault_1_04_two_headers_are_400(house: House, person: Person) -> None:
    both = [("Authorization", f"Bearer {person.access}"), ("Authorization", f"Bearer {person.access}")]
    reply = person.client.get("/who", headers=both)
    assert (reply.status_code, reply.json["error"]["code"]) == (400, "invalid_request")


def test_fault_1_04_a_key_is_the_whole_key(house: House, person: Person) -> None:
    made = person.key()
    key = made["key"]
    last = "B" if key[-1] == "A" else "A"
    for wrong in (made["prefix"], key[:-1], key + "A", key[:-1] + last, key[:-1] + "\xe9", key.swapcase(), "sk-"):
        _refused(house, wrong)
    assert who(house, key).json["key_id"] == made["id"]


def test_fault_1_04_a_key_is_read_from_its_header_alone(house: House, person: Person) -> None:
    key, client = person.key()["key"], house.client()
    assert client.get("/who", headers={"X-Api-Key": key}).status_code == 401
    for name in ("api_key", "access_token", "token", "key"):
        assert client.get(f"/who?{name}={key}").status_code == 401
    client.set_cookie("access_token_cookie", person.access)
    assert client.get("/who").status_code == 401


def test_fault_1_05_a_bad_token_is_never_a_guest(make_house: MakeHouse) -> None:
    house = make_house(anonymous=True)
    house.accounts.service.ensure_guest()
    person = Person(house)
    made = person.key()
    assert house.client().get("/who").json == {"user_id": "guest", "role": "guest", "key_id": None}
    person.call("DELETE", f"/api/keys/{made['id']}")
    expired = _signed(PLAIN, _claims_of(person.access) | {"exp": int(time.time()) - 10})
    for token in ("x", made["key"], expired, "sk-" + "A" * 43):
        _refused(house, token)
    assert house.client().get("/who", headers={"Authorization": ""}).status_code == 401


def test_fault_1_05_a_guest_has_no_keys_and_changes_nothing(make_house: MakeHouse) -> None:
    house = make_house(anonymous=True)
    house.accounts.service.ensure_guest()
    client = house.client()
    for method, path, body in (
        ("GET", "/api/keys", None), ("POST", "/api/keys", {"name": "k"}), ("DELETE", "/api/keys/x", None),
        ("PATCH", "/api/profile", {"email": "a@b.c"}), ("POST", "/api/auth/logout", None),
        ("GET", "/api/admin/who", None),
    ):  # fmt: skip
        reply = client.open(path, method=method, json=body)
        assert (reply.status_code, reply.json["error"]["code"]) == (403, "forbidden"), path
    for password in ("", "Correct-horse-1"):
        assert client.post("/token", data={"username": "guest", "password": password}).status_code == 401


def test_a_guest_is_nobody_where_it_is_not_allowed(house: House) -> None:
    house.accounts.service.ensure_guest()
    assert house.client().get("/who").status_code == 401


def test_fault_1_06_a_key_is_bound_not_spliced(house: House, person: Person) -> None:
    for wrong in ("' OR 1=1--", "sk-' OR 1=1--", "sk-" + "%" * 43, "sk-" + "_" * 43):
        _refused(house, wrong)


def test_fault_1_06_tokens_alike_at_their_beginning_are_two(house: House, person: Person) -> None:
    one, two = _claims_of(person.access), _claims_of(Person(house).access)
    tokens = [_signed(PLAIN, claims) for claims in (one, two)]
    assert tokens[0][:36] == tokens[1][:36]
    assert [who(house, token).json["user_id"] for token in tokens] == [one["sub"], two["sub"]]


def test_fault_1_06_who_tries_keys_waits_and_who_has_one_does_not(house: House, person: Person) -> None:
    address = {"REMOTE_ADDR": f"10.1.{random.randrange(256)}.{random.randrange(256)}"}

    def show(token: str) -> Any:
        return house.client().get("/who", headers={"Authorization": f"Bearer {token}"}, environ_overrides=address)

    key = person.key()["key"]
    statuses = [show(f"sk-{n:043d}").status_code for n in range(70)]
    assert statuses == [401] * 60 + [429] * 10
    limited = show("sk-" + "A" * 43)
    assert 1 <= int(limited.headers["Retry-After"]) <= 15
    assert [show(token).status_code for token in (key, person.access)] == [200, 200]
    assert show(_signed(PLAIN, _claims_of(person.access) | {"exp": 1})).status_code == 401


def test_fault_1_06_wrong_keys_are_not_remembered(house: House, person: Person) -> None:
    before = len(house.accounts.registry._known)
    for n in range(30):
        who(house, f"sk-{n:043d}")
    assert len(house.accounts.registry._known) == before


def test_a_revoked_key_is_no_guess(house: House, person: Person) -> None:
    made = person.key()
    person.call("DELETE", f"/api/keys/{made['id']}")
    assert {who(house, made["key"]).status_code for _ in range(70)} == {401}


def test_only_the_hash_of_a_key_is_stored(house: House, person: Person) -> None:
    key = person.key()["key"]
    found = house.database.read(lambda session: session.connection().exec_driver_sql("SELECT * FROM api_keys").all())
    assert key[13:] not in repr(found)
    assert hashlib.sha256(key.encode()).digest() in found[0]


def test_no_token_lives_longer_than_a_refresh_token(house: House, person: Person) -> None:
    now = int(time.time())
    assert who(house, _signed(PLAIN, _claims_of(person.access) | {"exp": now + ACCESS})).status_code == 200
    _refused(house, _signed(PLAIN, _claims_of(person.access) | {"exp": now + REFRESH + 60}))
