"""Search engines by their wires, against servers that say anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from app.domain.errors import ProviderFault
from app.domain.search import Hit
from app.services.search.engines import SearXNG, Tavily
from app.transport.pooled import PooledTransport
from app.utils.cancel import Cancel
from tests.unit.transport.fixtures import Start, start, within_time  # noqa: F401
from tests.unit.transport.hostile import Upstream, answer, says, says_and_closes, silent

ROWS = [{"url": "http://a.example/", "title": "A", "content": "of a", "score": 0.9}]
FOUND = (Hit("http://a.example/", "A", "of a"),)


@pytest.fixture
def transport() -> Iterator[PooledTransport]:
    made = PooledTransport(connect_timeout=2, pool_size=4)
    yield made
    made.close()


def root(upstream: Upstream) -> str:
    return f"http://127.0.0.1:{upstream.port}"


def told(results: Any) -> bytes:
    return answer(json.dumps({"results": results}).encode())


def test_searxng_is_asked_for_json_with_the_words_as_they_are(start: Start, transport: PooledTransport) -> None:  # noqa: F811
    upstream = start(says(told(ROWS)), says(told(ROWS)))
    for base in (f"{root(upstream)}/searx", f"{root(upstream)}/searx/search"):
        assert SearXNG(transport, base).search("Zürich & co=1 +x", 5, Cancel()) == FOUND
    for request in upstream.requests:
        assert request.startswith(b"GET /searx/search?q=Z%C3%BCrich+%26+co%3D1+%2Bx&format=json HTTP/1.1\r\n")


def test_tavily_is_asked_with_the_key_in_a_header(start: Start, transport: PooledTransport) -> None:  # noqa: F811
    upstream = start(says(told(ROWS)))
    assert Tavily(transport, "tvly-key", root(upstream)).search("words", 5, Cancel()) == FOUND
    head, _, body = upstream.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /search HTTP/1.1\r\n")
    assert b"authorization: Bearer tvly-key" in head
    assert json.loads(body) == {"query": "words", "max_results": 10, "search_depth": "basic"}


ODD = [
    ([], ()),
    ([None, 1, "x", {}, {"url": 5}, {"url": ""}, {"url": "http://" + "a" * 3000}, *ROWS], FOUND),
    ([{"url": "http://b.example/", "title": None, "content": ["x"]}], (Hit("http://b.example/", ""),)),
]


@pytest.mark.parametrize(("results", "hits"), ODD)
def test_rows_that_are_none_are_passed_over(
    results: list[Any],
    hits: tuple[Hit, ...],
    start: Start,  # noqa: F811
    transport: PooledTransport,
) -> None:
    assert SearXNG(transport, root(start(says(told(results))))).search("x", 5, Cancel()) == hits


def test_of_many_rows_the_first_ten_are_taken(start: Start, transport: PooledTransport) -> None:  # noqa: F811
    rows = [{"url": f"http://{n}.example/", "title": "t" * 9_000} for n in range(100)]
    hits = SearXNG(transport, root(start(says(told(rows))))).search("x", 5, Cancel())
    assert [hit.url for hit in hits] == [f"http://{n}.example/" for n in range(10)]
    assert len(hits[0].title) == 1_000


FAULTS = [
    (says(answer(b"<html>")), "its reply is no JSON"),
    (says(answer(b"[]")), "its reply is no list of results"),
    (says(answer(b"{}", status=b"401 No")), "it refuses us (401)"),
    (says(answer(b"{}", status=b"429 Slow")), "too many searches"),
    (says(answer(b"", b"Location: http://127.0.0.1/", status=b"302 Found")), "it answered 302"),
    (says_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "it broke its reply off"),
    (silent, "it took too long"),
]


@pytest.mark.parametrize(("script", "words"), FAULTS)
def test_fault_9_08_what_goes_wrong_is_told_in_plain_words(
    script: Any,
    words: str,
    start: Start,  # noqa: F811
    transport: PooledTransport,
) -> None:
    upstream = start(script, script)
    with pytest.raises(ProviderFault) as raised:
        Tavily(transport, "tvly-canary", root(upstream)).search("x", 0.5, Cancel())
    assert words in raised.value.message
    assert "canary" not in str(raised.value)
    assert len(upstream.requests) <= 1


def test_nobody_there_is_told(transport: PooledTransport) -> None:
    with pytest.raises(ProviderFault) as raised:
        SearXNG(transport, "http://127.0.0.1:9").search("x", 2, Cancel())
    assert raised.value.message == "it cannot be reached"


def test_a_cancel_ends_a_search_at_once(start: Start, transport: PooledTransport, within_time: Any) -> None:  # noqa: F811
    upstream = start(silent)
    cancel = Cancel()
    gevent.spawn_later(0.1, cancel.cancel, "client gone")
    with pytest.raises(ProviderFault) as raised:
        SearXNG(transport, root(upstream)).search("x", 30, cancel)
    assert raised.value.kind == "cancelled"
    assert upstream.saw_the_end()
