"""Redis away in all its ways, over real sockets: a call costs 50 ms at most, and after that next to nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from app.domain.errors import Unavailable
from app.domain.hot import Admission
from app.stores.chat_state import ChatState
from app.stores.group_trip import GroupTrip
from tests.stores.redis_support import StandIn, always, answering, black_hole, real_redis, relay, reset, until

LIMIT = 0.05
SCHEDULING = 0.05  # this process may have to wait for a core


@pytest.fixture
def server() -> Iterator[StandIn]:
    server = StandIn(black_hole)
    yield server
    server.stop()


@pytest.fixture
def trip(server: StandIn) -> Iterator[GroupTrip]:
    trip = GroupTrip(server.url, LIMIT)
    yield trip
    trip.close()


def refused_after(trip: GroupTrip) -> float:
    """Seconds until a call said Unavailable."""
    began = time.monotonic()
    with pytest.raises(Unavailable):
        trip.command("ECHO", "x")
    return time.monotonic() - began


@pytest.mark.parametrize(
    "treatment",
    [
        black_hole,
        answering(b"+PONG\r\n"),
        reset,
        answering(b"+PONG\r\n", then=reset),
        answering(b"+PONG\r\n", b"$3\r\nx", then=reset),
        answering(b"+PONG\r\n", b"$3\r\nx"),
        answering(b"+PONG\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        answering(b"-ERR max number of clients reached\r\n", then=reset),
        answering(b"-NOAUTH Authentication required.\r\n"),
        answering(b"-LOADING Redis is loading the dataset in memory\r\n"),
        always(b"-LOADING Redis is loading the dataset in memory\r\n"),
        always(b"-READONLY You can't write against a read only replica.\r\n"),
        always(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
        always(b"-BUSY Redis is busy running a script.\r\n"),
        always(b"-MISCONF Redis is configured to save RDB snapshots\r\n"),
        always(b"-NOSCRIPT No matching script.\r\n"),
    ],
    ids=lambda _: "",
)
def test_fault_5_07_a_redis_that_is_away_costs_a_call_50_ms_at_most(
    server: StandIn, trip: GroupTrip, treatment: Callable[[Any], None]
) -> None:
    server.treat(treatment)
    assert max(refused_after(trip) for _ in range(5)) < LIMIT + SCHEDULING


def test_fault_5_07_a_refused_connection_costs_50_ms_at_most(server: StandIn, trip: GroupTrip) -> None:
    server.stop()
    assert max(refused_after(trip) for _ in range(5)) < LIMIT + SCHEDULING


def test_fault_5_07_an_address_that_swallows_what_is_sent_costs_50_ms_at_most() -> None:
    trip = GroupTrip("redis://192.0.2.1:6379/0", LIMIT)  # RFC 5737: nobody is there
    assert refused_after(trip) < LIMIT + SCHEDULING
    trip.close()


def test_fault_5_07_a_redis_that_is_200_ms_slow_costs_50_ms_and_never_answers_the_next_call(
    server: StandIn, trip: GroupTrip
) -> None:
    real_redis().close()
    server.treat(relay())
    assert trip.command("ECHO", "quick") == b"quick"
    trip.close()
    server.treat(relay(0.2))
    refused = 0
    for n in range(8):
        began = time.monotonic()
        try:
            assert trip.command("ECHO", f"{n}") == f"{n}".encode()
        except Unavailable:
            refused += 1
        assert time.monotonic() - began < LIMIT + SCHEDULING
        gevent.sleep(LIMIT)
    assert refused


def test_fault_5_07_all_who_wait_are_sent_away_together(server: StandIn, trip: GroupTrip) -> None:
    server.treat(answering(b"+PONG\r\n"))
    began = time.monotonic()
    crowd = [gevent.spawn(refused_after, trip) for _ in range(200)]
    gevent.joinall(crowd, raise_error=True)
    assert time.monotonic() - began < LIMIT + 2 * SCHEDULING
    assert server.connections == 1


def test_fault_5_07_after_a_failure_calls_fail_at_once_and_the_server_is_left_in_peace(
    server: StandIn, trip: GroupTrip
) -> None:
    server.treat(answering(b"+PONG\r\n"))
    refused_after(trip)
    assert sorted(refused_after(trip) for _ in range(50))[25] < 0.002
    assert server.connections == 1


def test_fault_5_07_once_redis_is_back_calls_are_served_within_the_breaker(server: StandIn, trip: GroupTrip) -> None:
    real_redis().close()
    refused_after(trip)
    server.treat(relay())
    began = time.monotonic()
    until(lambda: served(trip), 5)
    assert time.monotonic() - began < 1.5


def served(trip: GroupTrip) -> bool:
    try:
        return bool(trip.command("PING") == b"PONG")
    except Unavailable:
        return False


def test_fault_5_07_a_server_that_turns_read_only_is_left_for_a_new_connection(
    server: StandIn, trip: GroupTrip
) -> None:
    real_redis().close()
    server.treat(always(b"-READONLY You can't write against a read only replica.\r\n"))
    refused_after(trip)
    server.treat(relay())
    until(lambda: served(trip), 5)
    assert server.connections == 2


def test_fault_5_07_one_reset_of_a_connection_that_served_does_not_shut_the_door(
    server: StandIn, trip: GroupTrip
) -> None:
    server.treat(answering(b"+PONG\r\n", b"+one\r\n", then=lambda sock: (sock.recv(99), reset(sock))))
    assert trip.command("ECHO", "x") == b"one"
    refused_after(trip)
    server.treat(always(b"+two\r\n"))
    assert trip.command("ECHO", "x") == b"two"


def test_a_connection_that_takes_longer_than_a_call_may_is_used_once_it_stands(
    server: StandIn, trip: GroupTrip
) -> None:
    """A handshake over TLS, or a name that is looked up slowly: nobody waits for it, but it is not thrown away."""

    def slow_to_greet(sock: Any) -> None:
        sock.recv(99)
        gevent.sleep(0.15)
        sock.sendall(b"+PONG\r\n")
        while sock.recv(65536):
            sock.sendall(b"+PONG\r\n")

    server.treat(slow_to_greet)
    assert refused_after(trip) < LIMIT + SCHEDULING
    assert refused_after(trip) < SCHEDULING
    until(lambda: served(trip), 5)
    assert server.connections == 1


def test_fault_4_04_a_reply_that_nobody_asked_for_ends_the_connection(server: StandIn, trip: GroupTrip) -> None:
    server.treat(answering(b"+PONG\r\n", b"+mine\r\n+somebody else's\r\n"))
    refused_after(trip)
    server.treat(always(b"+mine\r\n"))
    until(lambda: served_with(trip, b"mine"), 5)
    assert server.connections == 2


def served_with(trip: GroupTrip, reply: bytes) -> bool:
    try:
        assert trip.command("ECHO", "x") == reply
    except Unavailable:
        return False
    return True


def test_fault_5_07_a_process_that_slept_past_the_limit_reads_what_came_before_it_gives_up(
    server: StandIn, trip: GroupTrip
) -> None:
    """A long computation in another greenlet is no fault of Redis."""
    server.treat(always(b"+here\r\n"))
    trip.command("ECHO", "x")

    def compute() -> None:
        end = time.monotonic() + 2 * LIMIT
        while time.monotonic() < end:
            pass

    asked = gevent.spawn(trip.command, "ECHO", "x")
    gevent.sleep(0)
    gevent.sleep(0)
    gevent.spawn(compute).join()
    assert asked.get(timeout=1) == b"here"


def test_fault_5_07_a_settle_while_redis_is_away_is_remembered_and_costs_50_ms(
    server: StandIn, trip: GroupTrip
) -> None:
    state = ChatState(trip, ttl=60, max_messages=40, max_tokens=8000)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            state.admit(Admission("p", "u", None, "m", "c", 1000))
        state.flush_dirty()
        assert time.monotonic() - began < LIMIT + SCHEDULING
