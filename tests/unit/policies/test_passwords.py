from __future__ import annotations

import pytest

from app.domain.errors import InvalidRequest
from app.domain.policies.passwords import new_password_bytes, password_bytes


def test_composed_and_decomposed_letters_are_one_password() -> None:
    assert password_bytes("Caf\u00e9-1234") == password_bytes("Cafe\u0301-1234")


def test_a_nul_is_a_byte_of_the_password_and_no_end_of_it() -> None:
    assert password_bytes("Abcdefg1\0one") != password_bytes("Abcdefg1\0two")


@pytest.mark.parametrize("password", ["x" * 1025, "é" * 513, "x" * 10_000_000, "\ufb2c" * 342])
def test_more_than_1024_bytes_are_refused(password: str) -> None:
    with pytest.raises(InvalidRequest, match="1024 bytes"):
        password_bytes(password)


def test_1024_bytes_are_taken() -> None:
    assert len(password_bytes("x" * 1024)) == 1024


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        password_bytes("Abcdefg1\ud800")


@pytest.mark.parametrize("password", ["Abcde1x", "abcdefg1", "ABCDEFG1", "Abcdefgh", "", "12345678"])
def test_a_weak_password_cannot_be_chosen(password: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        new_password_bytes(password)
    assert refused.value.field == "password"


@pytest.mark.parametrize("password", ["Abcdefg1", "Abcdefg\u0661", "Äöüßabc1", "A1a" + "\0" * 5])
def test_a_strong_password_can(password: str) -> None:
    assert new_password_bytes(password)
