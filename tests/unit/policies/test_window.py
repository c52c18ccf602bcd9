"""What of a conversation goes into the next prompt: whole exchanges, the newest, within both bounds."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from app.domain.ledger import StoredMessage
from app.domain.policies.window import cut
from app.utils.clock import utcnow

NOW = utcnow()
#: Each exchange by the tokens of its messages; most have two, one that lost its answer has one.
conversations = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=2), max_size=12)
bounds = st.tuples(st.integers(0, 30), st.integers(0, 400))


def _messages(exchanges: list[list[int]]) -> list[StoredMessage]:
    return [
        StoredMessage(f"p{number:03}", "user" if half == 0 else "assistant", "text", tokens, NOW)
        for number, exchange in enumerate(exchanges)
        for half, tokens in enumerate(exchange)
    ]


@given(conversations, bounds)
def test_the_bounds_hold(exchanges: list[list[int]], within: tuple[int, int]) -> None:
    kept = cut(_messages(exchanges), *within)
    assert len(kept) <= within[0]
    assert sum(message.tokens for message in kept) <= within[1]


@given(conversations, bounds)
def test_what_is_kept_is_the_newest_end_in_order(exchanges: list[list[int]], within: tuple[int, int]) -> None:
    messages = _messages(exchanges)
    kept = list(cut(messages, *within))
    assert kept == messages[len(messages) - len(kept) :]


@given(conversations, bounds)
def test_no_exchange_is_split(exchanges: list[list[int]], within: tuple[int, int]) -> None:
    messages = _messages(exchanges)
    size = {name: len(list(group)) for name, group in groupby(messages, key=lambda m: m.prompt_id)}
    for name, group in groupby(cut(messages, *within), key=lambda m: m.prompt_id):
        assert len(list(group)) == size[name]


@given(conversations, bounds)
def test_one_exchange_more_would_break_a_bound(exchanges: list[list[int]], within: tuple[int, int]) -> None:
    messages = _messages(exchanges)
    kept = cut(messages, *within)
    rest = messages[: len(messages) - len(kept)]
    if rest:
        more = [m for m in rest if m.prompt_id == rest[-1].prompt_id] + list(kept)
        assert len(more) > within[0] or sum(m.tokens for m in more) > within[1]


def test_a_single_exchange_beyond_the_bounds_is_left_out() -> None:
    assert cut(_messages([[10, 10]]), 40, 19) == ()
    assert cut(_messages([[10, 10]]), 1, 100) == ()
    assert len(cut(_messages([[10, 10]]), 2, 20)) == 2
    assert cut([], 40, 8_000) == ()
