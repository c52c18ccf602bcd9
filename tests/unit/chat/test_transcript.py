"""What a chat has said so far is the sum of its deltas, however they were cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import Delta, Finish, ToolCallPart
from app.domain.policies.tokens import estimate
from app.services.chat.transcript import Transcript

deltas = st.builds(
    Delta, text=st.text(max_size=5), reasoning=st.text(max_size=5), choice=st.integers(0, 2), logprobs=st.none()
)


def _folded(*events: Delta | Finish) -> Transcript:
    transcript = Transcript()
    for event in events:
        if isinstance(event, Delta):
            transcript.add(event)
        else:
            transcript.finish(event)
    return transcript


@given(st.lists(deltas, max_size=20))
def test_each_answer_is_its_own_pieces_in_order(said: list[Delta]) -> None:
    transcript = _folded(*said)
    choices = sorted({delta.choice for delta in said})
    assert [answer.text for answer in transcript.answers()] == [
        "".join(delta.text for delta in said if delta.choice == choice) for choice in choices
    ]
    assert transcript.text == "".join(delta.text for delta in said if delta.choice == 0)
    assert transcript.reasoning == "".join(delta.reasoning for delta in said if delta.choice == 0)
    assert transcript.has_content == bool(said)


def test_pieces_of_calls_are_joined_by_their_place() -> None:
    transcript = _folded(
        Delta(tool_calls=(ToolCallPart(1, "c2", "second", '{"b"'), ToolCallPart(0, "c1", "first", "{"))),
        Delta(tool_calls=(ToolCallPart(0, arguments="}"), ToolCallPart(1, arguments=":2}"))),
        Finish("tool_calls"),
    )
    [answer] = transcript.answers()
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [
        ("c1", "first", "{}"),
        ("c2", "second", '{"b":2}'),
    ]
    assert answer.finish_reason == "tool_calls"
    assert transcript.has_calls


def test_a_piece_is_not_changed_by_being_joined() -> None:
    """Events go on to the door after they were written down."""
    first, second = ToolCallPart(0, "c1", "f", "{"), ToolCallPart(0, arguments="}")
    _folded(Delta(tool_calls=(first,)), Delta(tool_calls=(second,)))
    assert (first.arguments, second.arguments) == ("{", "}")


def test_the_first_finish_counts_and_an_answer_without_one_stops() -> None:
    transcript = _folded(Delta("a"), Delta("b", choice=1), Finish("length"), Finish("stop"))
    assert [answer.finish_reason for answer in transcript.answers()] == ["length", "stop"]


def test_logprobs_of_pieces_are_joined() -> None:
    transcript = _folded(
        Delta("a", logprobs={"content": [1], "refusal": None}), Delta("b", logprobs={"content": [2], "refusal": None})
    )
    assert transcript.answers()[0].logprobs == {"content": [1, 2], "refusal": None}


def test_what_was_said_is_counted_thoughts_apart() -> None:
    usage = _folded(Delta("four", "thoughts"), Delta(tool_calls=(ToolCallPart(0, "c", "name", "args"),))).counted(7)
    assert (usage.prompt, usage.reasoning, usage.completion, usage.source) == (
        7,
        estimate("thoughts"),
        sum(map(estimate, ("four", "thoughts", "name", "args"))),
        "counted",
    )
