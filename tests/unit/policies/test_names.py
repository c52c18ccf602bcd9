from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest
from app.domain.policies.names import email_key, identity_key, name_key


@pytest.mark.parametrize(
    "name", ["a", "Ann", "ann smith", "x" * 64, "=cmd", "Zoë", "Ольга", "山田 Taro", "たろうー", "김철수", "\U0001f600"]
)
def test_a_plain_name_is_taken(name: str) -> None:
    assert name_key(name)


@pytest.mark.parametrize("name", ["Ａdmin", "ⓐdmin", "ADMIN", "admin", "Admin"])
def test_names_that_fold_to_one_word_are_one_name(name: str) -> None:
    assert name_key(name) == "admin"


@pytest.mark.parametrize(
    "name",
    [
        "", "x" * 65, " admin", "admin ", "аdmin", "admin\u200b", "ad\u00admin", "\u3164", "a\u2800b", "a\ufe0f",
        "guest", "GUEST", "ｇuest", "a/b", "a@b", "a＠b", "a\nb", "a\0b", "a\u202eb", "\ud800", "\ue000", "\u0301a",
        "\ufdfa" * 64,
    ],
)  # fmt: skip
def test_a_name_that_deceives_or_is_reserved_is_refused_and_named(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        name_key(name)
    assert refused.value.field == "username"


@given(st.text(max_size=80))
def test_a_name_that_is_taken_is_taken_again_by_its_own_key(name: str) -> None:
    try:
        key = name_key(name)
    except InvalidRequest:
        return
    assert identity_key(key) == key
    assert identity_key(name.upper()) == identity_key(unicodedata.normalize("NFD", name.upper()))
    assert "@" not in key
    assert "/" not in key


@pytest.mark.parametrize("email", ["a@b.c", "A.b+c@example.org", "ü@exämple.de"])
def test_an_address_is_taken(email: str) -> None:
    assert email_key(email) == email_key(email.upper())


@pytest.mark.parametrize(
    "email",
    [
        "",
        "a",
        "@b",
        "a@",
        "a@@b.c",
        "a b@c.d",
        "a@b..c",
        "a@.",
        "a\0@b.c",
        "a@b.c\n",
        "x" * 251 + "@b.c",
        "a@b\u200b.c",
    ],
)
def test_what_is_no_address_is_refused_and_named(email: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        email_key(email)
    assert refused.value.field == "email"
