"""Equal requests have one key, others never."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, ConversationRef, ImagePart, Message, TextPart, ToolCall, VideoPart
from app.domain.policies.cache_key import cache_key, scope_of
from app.domain.wishes import Wishes

ANN = Caller("u1", "ann", "user")
ASKED = ChatRequest(
    "p1",
    "app",
    ANN,
    "llama",
    (Message("system", "be brief"), Message("user", "hi"), Message("assistant", "yes?"), Message("user", "why")),
    params={"temperature": 0.5, "tools": [{"type": "function", "function": {"name": "look", "strict": True}}]},
    max_tokens=50,
    strategy="priority",
    fallbacks=("gpt",),
    conversation=ConversationRef("c1", must_exist=True),
    wishes=Wishes(memory=True, attachments=("f1",), template="t1"),
)


def digest(request: ChatRequest, prompt: tuple[Message, ...] | None = None) -> tuple[str, str]:
    key = cache_key(request, request.messages if prompt is None else prompt)
    return key.tenant, key.digest


def said(*messages: Message) -> ChatRequest:
    return replace(ASKED, messages=messages)


FUNCTION = {"type": "function"}
OTHERS: dict[str, ChatRequest] = {
    "user": replace(ASKED, caller=replace(ANN, user_id="u2")),
    "role": replace(ASKED, caller=replace(ANN, role="admin")),
    "rights": replace(ASKED, caller=replace(ANN, models=frozenset({"llama"}))),
    "model": replace(ASKED, model="llama2"),
    "strategy": replace(ASKED, strategy=None),
    "fallbacks": replace(ASKED, fallbacks=()),
    "max_tokens": replace(ASKED, max_tokens=51),
    "temperature": replace(ASKED, params={**ASKED.params, "temperature": 0.6}),
    "another parameter": replace(ASKED, params={**ASKED.params, "seed": 1}),
    "a parameter nobody knows": replace(ASKED, params={**ASKED.params, "min_p": 0.1}),
    "tools": replace(ASKED, params={"temperature": 0.5}),
    "in the tools": replace(
        ASKED, params={**ASKED.params, "tools": [{"type": "function", "function": {"name": "look", "strict": False}}]}
    ),
    "true and one": replace(ASKED, params={**ASKED.params, "temperature": True}),
    "text and number": replace(ASKED, params={**ASKED.params, "temperature": "0.5"}),
    "memory": replace(ASKED, wishes=replace(ASKED.wishes, memory=None)),
    "search": replace(ASKED, wishes=replace(ASKED.wishes, web_search="yes")),
    "attachments": replace(ASKED, wishes=replace(ASKED.wishes, attachments=("f2",))),
    "template version": replace(ASKED, wishes=replace(ASKED.wishes, template="t2")),
    "system": said(Message("system", "be long"), *ASKED.messages[1:]),
    "the role of a turn": said(Message("developer", "be brief"), *ASKED.messages[1:]),
    "an earlier question": said(ASKED.messages[0], Message("user", "ho"), *ASKED.messages[2:]),
    "an earlier answer": said(*ASKED.messages[:2], Message("assistant", "no?"), ASKED.messages[3]),
    "a turn less": said(ASKED.messages[0], ASKED.messages[3]),
    "the question": said(*ASKED.messages[:3], Message("user", "why?")),
    "a name": said(*ASKED.messages[:3], Message("user", "why", name="bob")),
    "content none and empty": said(*ASKED.messages[:3], Message("user", "")),
    "an image": said(*ASKED.messages[:3], Message("user", (TextPart("why"), ImagePart("data:image/png;base64,AA=="))),),
    "another image": said(
        *ASKED.messages[:3], Message("user", (TextPart("why"), ImagePart("data:image/png;base64,AB=="))),
    ),
    "its detail": said(
        *ASKED.messages[:3], Message("user", (TextPart("why"), ImagePart("data:image/png;base64,AA==", "low"))),
    ),
    "a call": said(*ASKED.messages[:2], Message("assistant", None, tool_calls=(ToolCall("1", "look", "{}"),))),
    "its arguments": said(*ASKED.messages[:2], Message("assistant", None, tool_calls=(ToolCall("1", "look", "{ }"),))),
}  # fmt: skip


def test_fault_9_02_what_changes_an_answer_changes_the_key() -> None:
    digests = {name: digest(request) for name, request in {"itself": ASKED, **OTHERS}.items()}
    assert len(set(digests.values())) == len(digests), "two that differ read the same"


@pytest.mark.parametrize(
    "same",
    [
        replace(ASKED, prompt_id="p2", stream=True, drain=True),
        replace(ASKED, door="short"),
        replace(ASKED, conversation=ConversationRef("c2", must_exist=False)),
        replace(ASKED, params={**ASKED.params, "user": "somebody"}),
        replace(ASKED, params=dict(reversed(list(ASKED.params.items())))),
        replace(ASKED, params={**ASKED.params, "tools": [{"function": {"strict": True, "name": "look"}, **FUNCTION}]}),
        replace(ASKED, wishes=replace(ASKED.wishes, cache="semantic")),
        replace(ASKED, caller=replace(ANN, key_id="k2", family="f", expires_at=5.0)),
    ],
)  # fmt: skip
def test_fault_9_02_what_does_not_change_an_answer_does_not_change_the_key(same: ChatRequest) -> None:
    assert digest(same) == digest(ASKED)


def test_to_ask_for_the_cache_is_to_ask_for_the_same() -> None:
    plain = replace(ASKED, wishes=Wishes())
    for word in ("use", "semantic", "off"):
        assert digest(replace(ASKED, wishes=Wishes(cache=word))) == digest(plain)


def test_one_and_one_point_nought_are_one_number() -> None:
    whole, pointed = (replace(ASKED, params={"temperature": value}) for value in (1, 1.0))
    assert digest(whole) == digest(pointed)


def test_guests_are_told_apart_by_their_conversations() -> None:
    guest = replace(ASKED, caller=Caller("guest", "guest", "guest"))
    other = replace(guest, conversation=ConversationRef("c2", must_exist=True))
    assert digest(guest) != digest(other)


texts = st.text(st.characters(exclude_categories=()), max_size=8)


@given(st.lists(texts, max_size=5), st.lists(texts, max_size=5))
def test_fault_9_02_texts_cut_elsewhere_are_other_texts(one: list[str], other: list[str]) -> None:
    first, second = (tuple(Message("user", text) for text in some) for some in (one, other))
    assert (digest(ASKED, first) == digest(ASKED, second)) == (one == other)
    parts = [tuple(map(TextPart, some)) for some in (one, other)]
    first, second = ((Message("user", some),) for some in parts)
    assert (digest(ASKED, first) == digest(ASKED, second)) == (one == other)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def told_apart(value: Any) -> Any:
    """The value with its types, since Python's 1, 1.0 and True are one; JSON's numbers are."""
    if isinstance(value, dict):
        return {key: told_apart(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [told_apart(inner) for inner in value]
    if isinstance(value, float | int) and not isinstance(value, bool):
        return "number", value
    return type(value).__name__, value


@given(values, values)
def test_fault_9_02_parameters_that_differ_anywhere_have_another_key(one: Any, other: Any) -> None:
    first, second = (replace(ASKED, params={"x": value}) for value in (one, other))
    assert (digest(first) == digest(second)) == (told_apart(one) == told_apart(other))


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(inner) for key, inner in reversed(list(value.items()))}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@given(values)
def test_fault_9_02_the_order_of_names_is_nothing(value: Any) -> None:
    assert digest(replace(ASKED, params={"x": value})) == digest(replace(ASKED, params={"x": shuffled(value)}))


def test_near_questions_share_all_but_the_question() -> None:
    scope, question = scope_of(ASKED, ASKED.messages) or ("", "")
    assert question == "why"
    other = said(*ASKED.messages[:3], Message("user", "for what reason"))
    assert scope_of(other, other.messages) == (scope, "for what reason")
    for name, request in OTHERS.items():
        if name not in ("the question", "content none and empty"):
            found = scope_of(request, request.messages)
            assert found is None or found[0] != scope, name


def test_what_ends_in_no_plain_question_has_no_near_ones() -> None:
    picture = (Message("user", (TextPart("why"), ImagePart("data:image/png;base64,AA=="))),)
    assert scope_of(ASKED, picture) is None
    assert scope_of(ASKED, ASKED.messages[:3]) is None
    assert scope_of(ASKED, ()) is None


def test_a_video_is_told_by_its_digest_and_not_read_again() -> None:
    frames = (ImagePart("data:image/jpeg;base64,AA=="),)
    video = VideoPart(b"one", "video/mp4", "d1", 7, frames)

    def key(part: VideoPart) -> tuple[str, str]:
        return digest(said(Message("user", (part, TextPart("What?")))))

    assert key(video) == key(replace(video, data=b""))
    assert len({key(video), key(replace(video, digest="d2")), key(replace(video, frames=()))}) == 3
