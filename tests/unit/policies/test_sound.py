"""How long a recording is before anybody has heard it."""

from __future__ import annotations

import pytest

from app.domain.money import Price
from app.domain.policies.lease import lease_price
from app.domain.policies.sound import believable, seconds_of
from app.domain.policies.tokens import SECOND_TOKENS
from app.domain.usage import Usage
from tests.providers.hearing import wav


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_wav_tells_its_length(rate: int) -> None:
    sound = wav(3.0, rate)
    assert seconds_of(sound[:64], len(sound)) in (3, 4)


@pytest.mark.parametrize("head", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt " + bytes(48), b"ID3" + bytes(61)])
def test_any_other_is_guessed_by_its_size(head: bytes) -> None:
    assert seconds_of(head, 0) == 1
    assert 1 <= seconds_of(head, 40_000) <= 134


def test_nobody_is_believed_who_heard_more_than_there_can_be() -> None:
    assert believable(10.0, 40_000)
    assert not believable(-1, 40_000)
    assert not believable(1e12, 40_000)


def test_a_minute_costs_what_it_is_sold_for_and_is_held_so() -> None:
    sold = Price(0, 0, minute=666_667)
    assert sold.of(Usage(completion=100, seconds=60)) == 666_667
    assert sold.of(Usage(seconds=1)) == 11_112
    held = lease_price(sold, "transcript")
    assert held is not None
    assert 666_667 <= held.charge(60 * SECOND_TOKENS, 0) <= 666_700
    assert lease_price(None, "transcript") is None
