from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.utils.sealing import Sealer, UnreadableError

SECRET, FORMER = "s" * 40, "f" * 40


@given(st.text(st.characters(exclude_categories=["Cs"])), st.uuids().map(str))
def test_what_is_sealed_opens_in_its_place(text: str, place: str) -> None:
    sealer = Sealer(SECRET)
    sealed = sealer.seal(text, place)
    assert sealer.open(sealed, place) == text
    assert len(text) < 4 or text.encode() not in sealed


def test_it_opens_in_no_other_place_and_with_no_other_secret() -> None:
    sealed = Sealer(SECRET).seal("key", "row-1")
    for sealer, place in ((Sealer(SECRET), "row-2"), (Sealer(FORMER), "row-1")):
        with pytest.raises(UnreadableError):
            sealer.open(sealed, place)


def test_the_former_secret_still_opens_and_the_new_one_seals() -> None:
    sealed = Sealer(FORMER).seal("key", "row-1")
    both = Sealer(SECRET, FORMER)
    assert both.open(sealed, "row-1") == "key"
    assert Sealer(SECRET).open(both.seal("key", "row-1"), "row-1") == "key"


@given(st.data())
def test_a_byte_that_changed_is_noticed(data: st.DataObject) -> None:
    sealer = Sealer(SECRET)
    sealed = bytearray(sealer.seal("sk-secret", "row-1"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableError):
        sealer.open(bytes(sealed), "row-1")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"x" * 11, b"\x01" + b"x" * 12, b"\x02" + b"x" * 60])
def test_what_was_never_sealed_is_unreadable(sealed: bytes) -> None:
    with pytest.raises(UnreadableError):
        Sealer(SECRET).open(sealed, "row-1")


def test_equal_texts_are_sealed_differently() -> None:
    sealer = Sealer(SECRET)
    assert sealer.seal("key", "row-1") != sealer.seal("key", "row-1")
