"""An exchange goes into Redis and comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ledger import StoredMessage
from app.stores.window_codec import pack, pack_all, unpack

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FILES = st.none() | st.lists(TEXT, min_size=1, max_size=3).map(tuple)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), None])


@st.composite
def said(draw: st.DrawFn, prompt: str, role: Literal["user", "assistant"]) -> StoredMessage:
    return StoredMessage(
        prompt,
        role,
        draw(TEXT),
        draw(st.integers(0, 10**9)),
        draw(st.datetimes(timezones=ZONES)),
        draw(st.none() | TEXT),
        draw(st.none() | st.sampled_from(["complete", "client_gone", "stalled"])),
        draw(st.none() | TEXT),
        attachments=draw(FILES),
        images=draw(FILES),
    )


@st.composite
def windows(draw: st.DrawFn) -> tuple[StoredMessage, ...]:
    """Oldest first, each exchange together, the question before its answer."""
    messages: list[StoredMessage] = []
    for prompt in sorted(str(prompt) for prompt in draw(st.sets(st.uuids(), max_size=6))):
        roles = draw(st.sampled_from([("user", "assistant"), ("user",), ("assistant",)]))
        messages += [draw(said(prompt, role)) for role in roles]
    return tuple(messages)


def flat(messages: tuple[StoredMessage, ...]) -> list[bytes]:
    return [word for prompt, entry in pack_all(messages) for word in (prompt.encode(), entry)]


@given(windows())
def test_a_window_comes_back_as_it_was(messages: tuple[StoredMessage, ...]) -> None:
    assert unpack(flat(messages)) == messages


@given(windows(), st.randoms())
def test_it_is_in_order_whatever_the_order_in_redis(messages: tuple[StoredMessage, ...], chance: object) -> None:
    pairs = [(prompt.encode(), entry) for prompt, entry in pack_all(messages)]
    chance.shuffle(pairs)  # type: ignore[attr-defined]
    assert unpack([word for pair in pairs for word in pair]) == messages


@given(windows())
def test_the_weight_in_front_is_what_scripts_count(messages: tuple[StoredMessage, ...]) -> None:
    weights = [entry.split(b" ")[:2] for _, entry in pack_all(messages)]
    assert sum(int(count) for count, _ in weights) == len(messages)
    assert sum(int(tokens) for _, tokens in weights) == sum(message.tokens for message in messages)


@given(st.lists(st.binary(), min_size=1, max_size=3), st.sampled_from([b"", b"2 10 ", b"2 10 [", b"x "]))
def test_what_is_not_ours_is_refused_with_one_kind_of_error(words: list[bytes], front: bytes) -> None:
    with pytest.raises(ValueError):
        unpack([word for text in words for word in (b"p", front + text + b"\xff")])


@given(windows().filter(bool), st.data())
def test_an_entry_cut_anywhere_is_refused(messages: tuple[StoredMessage, ...], data: st.DataObject) -> None:
    entry = pack(messages[:1])
    cut = data.draw(st.integers(0, len(entry) - 1))
    with pytest.raises(ValueError):
        unpack([b"p", entry[:cut]])


def test_a_naive_moment_stays_naive() -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, 7)
    assert unpack(flat((StoredMessage("p", "user", "", 0, moment),)))[0].created_at == moment


def test_what_was_packed_before_files_were_told_still_reads() -> None:
    old = b'2 7 [["user","q",3,"2026-01-01T00:00:00+00:00",null,null,null],["assistant","a",4,"2026-01-01T00:00:01",'
    question, answer = unpack([b"p", old + b'"m","complete",null]]'])
    assert (question.content, question.attachments, question.images) == ("q", None, None)
    assert (answer.model, answer.images) == ("m", None)


@pytest.mark.parametrize("files", [b'"a"', b"[1]", b"{}", b"7"])
def test_files_of_another_shape_are_refused(files: bytes) -> None:
    with pytest.raises(ValueError):
        unpack([b"p", b'1 1 [["user","q",1,"2026-01-01T00:00:00",null,null,null,' + files + b",null]]"])


def test_a_message_without_files_is_packed_as_it_always_was() -> None:
    entry = pack((StoredMessage("p", "user", "q", 1, datetime(2026, 1, 1, tzinfo=UTC)),))
    assert entry == b'1 1 [["user","q",1,"2026-01-01T00:00:00+00:00",null,null,null]]'
