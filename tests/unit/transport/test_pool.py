"""4.5 and 4.25: places of a host's pool, how many connections there are, and that none is lost."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest
from gevent.pool import Pool

from app.transport.http import HttpRequest
from app.transport.pooled import PooledTransport
from app.utils.cancel import Cancel
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import Outcome, Start, ask, descriptors, patience, wait_for
from tests.unit.transport.hostile import (
    CHUNKED,
    LAST,
    Script,
    answer,
    chunk,
    says,
    says_and_closes,
    says_and_resets,
    silent,
)

OK = answer(b"ok")


def hold_both_places(transport: PooledTransport, url: str) -> list[Callable[[], None]]:
    request = HttpRequest("POST", url, {})
    return [transport.send(request, patience(), Cancel()).close for _ in range(2)]


def test_fault_4_05_a_full_pool_says_so_within_a_second(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED))
    held = hold_both_places(transport, upstream.url)
    outcome = ask(transport, upstream.url)
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("pool_full", False)
    assert 0.9 < outcome.seconds < 1.4
    assert len(upstream.peers) == 2
    for close in held:
        close()


def test_fault_4_05_a_place_that_comes_free_is_taken_at_once(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED), says(CHUNKED), says(OK))
    held = hold_both_places(transport, upstream.url)
    waiting = gevent.spawn(ask, transport, upstream.url)
    gevent.sleep(0.1)
    held[0]()
    waiting.join()
    assert waiting.value.body == b"ok"
    assert waiting.value.seconds < 0.5
    held[1]()


def test_fault_4_05_a_full_pool_of_one_host_is_no_matter_to_another(transport: PooledTransport, start: Start) -> None:
    held = hold_both_places(transport, start(says(CHUNKED)).url)
    assert ask(transport, start(says(OK)).url).body == b"ok"
    for close in held:
        close()


def test_fault_4_05_a_deadline_shorter_than_the_wait_ends_it(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED))
    held = hold_both_places(transport, upstream.url)
    outcome = ask(transport, upstream.url, waits=patience(total=0.1))
    assert outcome.kind == "pool_full"
    assert outcome.seconds < 0.5
    for close in held:
        close()


@pytest.mark.parametrize(
    "script",
    [
        lambda peer: peer.reset(),
        says_and_closes(),
        says_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        says_and_resets(CHUNKED + chunk(b"half")),
        says(b"<html>"),
        says(answer(b"\x1f\x8b\x08 no gzip", b"Content-Encoding: gzip")),
        says(OK + OK),
        silent,
        says(CHUNKED),
    ],
    ids=["reset", "closed", "short", "cut", "no http", "damaged", "two", "silent", "stalled"],
)
def test_places_and_descriptors_come_back_after_every_fault(
    transport: PooledTransport, start: Start, script: Script
) -> None:
    upstream = start(script)
    ask(transport, upstream.url, waits=patience(first=0.05, total=0.5))
    assert upstream.saw_the_end()
    before = descriptors()
    for _ in range(4):
        outcome = ask(transport, upstream.url, waits=patience(first=0.05, total=0.5))
        assert outcome.kind != "pool_full"
        assert upstream.saw_the_end()
    assert wait_for(lambda: descriptors() <= before)


def test_places_and_descriptors_come_back_after_refused_connections_and_failed_handshakes(
    transport: PooledTransport, start: Start, authority: Authority
) -> None:
    gone = start(silent)
    gone.stop_listening()
    unproven = start(silent, tls=authority.expired("provider.test"))
    ask(transport, unproven.named("provider.test", "https"))
    before = descriptors()
    for _ in range(4):
        assert ask(transport, gone.url).kind == "connect"
        assert ask(transport, unproven.named("provider.test", "https")).kind == "tls"
    assert wait_for(lambda: descriptors() <= before)


@pytest.mark.parametrize("reply", [(OK,), (CHUNKED + chunk(b"o"), chunk(b"k") + LAST)], ids=["json", "stream"])
def test_fault_4_25_1000_chats_at_50_at_once_open_no_more_than_64_connections(
    start: Start, reply: tuple[bytes, ...]
) -> None:
    transport = PooledTransport(connect_timeout=2.0, pool_size=1000)
    upstream = start(says(*reply, pause=0.001))
    outcomes: list[Outcome] = []
    pool = Pool(50)
    for _ in range(1000):
        pool.spawn(lambda: outcomes.append(ask(transport, upstream.url)))
    pool.join(raise_error=True)
    assert {outcome.body for outcome in outcomes} == {b"ok"}
    assert len(upstream.requests) == 1000
    assert len(upstream.peers) <= 64
    transport.close()
