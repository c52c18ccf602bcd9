"""Server-Sent Events are read the same however they are written and cut."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters import sse
from app.domain.errors import ProviderFault

WORDS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1, max_size=20)
ROOT = Path(__file__).resolve().parents[3]
ENDS = ("\n", "\r\n", "\r")


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({p % (len(whole) + 1) for p in places}), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges) if a < b]


def read(blocks: list[bytes]) -> list[bytes]:
    return [bytes(data) for data in sse.decode(blocks)]


@pytest.mark.parametrize("end", ENDS)
def test_fault_4_15_a_stream_cut_at_every_byte_says_the_same(end: str) -> None:
    lines = ['data: {"a":"é🎉\u2028"}', "", ": note", "event: x", "data:no space", "id: 1", "", "data: a", "data: b"]
    whole = (end.join([*lines, "", "data: [DONE]", "", ""])).encode()
    expected = ['{"a":"é🎉\u2028"}'.encode(), b"no space", b"a\nb", b"[DONE]"]
    assert read([whole]) == expected
    for at in range(1, len(whole)):
        assert read([whole[:at], whole[at:]]) == expected, at
    assert read([whole[i : i + 1] for i in range(len(whole))]) == expected


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), max_size=6), st.data())
@settings(max_examples=200, deadline=None)
def test_fault_4_15_events_survive_any_line_ends_and_any_cuts(events: list[list[str]], data: st.DataObject) -> None:
    text = ""
    for event in events:
        for line in event:
            text += data.draw(st.sampled_from(("data: ", "data:" if not line.startswith(" ") else "data: "))) + line
            text += data.draw(st.sampled_from(ENDS))
        # A LF behind a CR would be part of that line's end and no blank line.
        text += data.draw(st.sampled_from(ENDS if text[-1] == "\n" else ENDS[1:]))
    whole = text.encode()
    expected = ["\n".join(event).encode() for event in events]
    places = data.draw(st.lists(st.integers(0, max(len(whole), 1)), max_size=8))
    assert read(cut(whole, places)) == expected
    assert read(cut(b"\xef\xbb\xbf" + whole, places)) == expected


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_are_read_without_a_crash_and_alike_in_any_cut(blocks: list[bytes]) -> None:
    blocks = [block for block in blocks if block]
    assert read(blocks) == read([b"".join(blocks)] if blocks else [])


def test_an_empty_block_is_passed_on_as_silence() -> None:
    assert read([b"data: a\n", b"", b"\n", b"", b"data: b\n\n"]) == [b"", b"a", b"", b"b"]


def test_a_last_event_needs_no_line_end() -> None:
    assert read([b"data: a\n\nda", b"ta: b"]) == [b"a", b"b"]
    assert read([b"data: a"]) == [b"a"]
    assert read([b"\xef\xbb"]) == []


def test_an_event_without_data_says_nothing() -> None:
    assert read([b"event: ping\n\n: hello\n\ndata\n\ndata: \n\nretry: 5\n\n"]) == []


def test_an_event_named_error_is_told_apart() -> None:
    plain, error = sse.decode([b"event: note\ndata: a\n\nevent: error\ndata: b\n\n"])
    assert not isinstance(plain, sse.ErrorEvent)
    assert isinstance(error, sse.ErrorEvent)
    assert error == b"b"


@pytest.mark.parametrize("block", [16_384, 20_000_000])
def test_fault_4_16_a_line_over_8_mb_fails(block: int) -> None:
    whole = b"data: " + b"x" * (10 * 1024 * 1024) + b"\n\n"
    with pytest.raises(ProviderFault, match="8 MB"):
        read([whole[i : i + block] for i in range(0, len(whole), block)])


def test_fault_4_16_many_data_lines_of_one_event_fail_over_8_mb_together() -> None:
    line = b"data: " + b"x" * 1_000 + b"\n"
    with pytest.raises(ProviderFault, match="8 MB"):
        read([line] * 10_000)
    assert len(read([line] * 1_000)[0]) == 1_000_999


PEAK = """
from app.adapters import openai_chat, sse
from app.adapters.wire import Answers
from app.utils.patience import Patience

SIZE = 8_000_000

def blocks():
    yield b'data: {"choices":[{"index":0,"finish_reason":"stop","delta":{"content":"'
    for _ in range(SIZE // 65_536):
        yield bytes(bytearray(b"x" * 65_536))
    yield b'"}}]}\\n\\n'

def peak():  # not ru_maxrss: a child begins with its parent's
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

before = peak()
for event in openai_chat.decode_stream(sse.decode(blocks()), Answers(), Patience(deadline=9e9, first=9, stall=9)):
    pass
print((peak() - before) / SIZE)
"""


def test_fault_4_16_memory_is_at_most_four_times_the_line() -> None:
    told = subprocess.run([sys.executable, "-c", PEAK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 1 < float(told.stdout) < 4


def test_fault_4_16_time_is_linear_in_the_length_of_a_line() -> None:
    def seconds(size: int) -> float:
        blocks = [b"x" * 1_000] * (size // 1_000)
        began = time.perf_counter()
        assert len(read([b"data: ", *blocks, b"\n\n"])[0]) == size
        return time.perf_counter() - began

    seconds(1_000_000)
    assert seconds(8_000_000) < 40 * max(min(seconds(1_000_000) for _ in range(3)), 0.0005)
