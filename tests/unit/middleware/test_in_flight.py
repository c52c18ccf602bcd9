"""Whose client left is stopped, and nobody else."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import gevent
import pytest

from app.middleware.in_flight import POLL_SECONDS, InFlight
from app.utils.cancel import CLIENT_GONE, Cancel
from app.utils.lifecycle import Lifecycle

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    """Connections as (ours, the client's)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = []
        for _ in range(4):
            client = socket.create_connection(listener.getsockname())
            found.append((listener.accept()[0], client))
    yield found
    for ours, client in found:
        ours.close()
        client.close()


@pytest.fixture
def lifecycle() -> Lifecycle:
    return Lifecycle()


@pytest.fixture
def in_flight(lifecycle: Lifecycle) -> InFlight:
    return InFlight(lifecycle)


def _stopped(cancel: Cancel, seconds: float = 3 * POLL_SECONDS) -> str | None:
    """Why it was stopped, as soon as it was."""
    with gevent.Timeout(seconds, False):
        while cancel.reason is None:
            gevent.sleep(0.01)
    return cancel.reason


@pytest.mark.parametrize("how", ["fin", "rst", "half", "byte and fin"])
def test_fault_3_01_to_3_03_a_client_that_leaves_stops_its_chat(
    in_flight: InFlight, pairs: list[Pair], how: str
) -> None:
    (ours, client), (other, _), *_ = pairs
    chat, stays = in_flight.begin(ours, drain=False), in_flight.begin(other, drain=False)
    if how == "rst":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how.startswith("byte"):
        client.send(b"GET / HTTP/1.1\r\n\r\n")
    if how == "half":
        client.shutdown(socket.SHUT_WR)
    else:
        client.close()
    assert _stopped(chat.cancel) == CLIENT_GONE
    assert stays.cancel.reason is None
    chat.end()
    stays.end()


def test_a_client_that_only_says_more_stays(in_flight: InFlight, pairs: list[Pair]) -> None:
    (ours, client), (other, leaver), *_ = pairs
    chat, gone = in_flight.begin(ours, drain=False), in_flight.begin(other, drain=False)
    client.send(b"x")
    leaver.close()
    assert _stopped(gone.cancel) == CLIENT_GONE
    assert chat.cancel.reason is None


def test_fault_3_03_a_drained_chat_and_one_without_a_socket_are_not_watched(
    in_flight: InFlight, pairs: list[Pair]
) -> None:
    (ours, client), (other, leaver), *_ = pairs
    drained, bare, watched = (
        in_flight.begin(ours, drain=True),
        in_flight.begin(None, drain=False),
        in_flight.begin(other, drain=False),
    )
    client.close()
    leaver.close()
    assert _stopped(watched.cancel) == CLIENT_GONE
    assert (drained.cancel.reason, bare.cancel.reason) == (None, None)


def test_one_that_cannot_be_stopped_leaves_the_others_watched(in_flight: InFlight, pairs: list[Pair]) -> None:
    chats = [in_flight.begin(ours, drain=False) for ours, _ in pairs]

    def broken() -> None:
        raise ValueError("it was closed twice")

    chats[0].cancel.add(broken)
    pairs[0][1].close()
    assert _stopped(chats[0].cancel) == CLIENT_GONE
    pairs[1][1].close()
    assert _stopped(chats[1].cancel) == CLIENT_GONE


def test_a_chat_that_ended_is_forgotten_and_its_connection_serves_the_next(
    in_flight: InFlight, lifecycle: Lifecycle, pairs: list[Pair]
) -> None:
    ours, client = pairs[0]
    first = in_flight.begin(ours, drain=False)
    first.end()
    first.end()
    assert lifecycle.in_flight == 0
    second = in_flight.begin(ours, drain=False)
    first.end()
    client.close()
    assert _stopped(second.cancel) == CLIENT_GONE
    assert first.cancel.reason is None


def test_the_shutdown_reaches_all_of_them(in_flight: InFlight, lifecycle: Lifecycle, pairs: list[Pair]) -> None:
    chats = [in_flight.begin(pairs[0][0], drain=False), in_flight.begin(None, drain=True)]
    assert lifecycle.in_flight == 2
    lifecycle.cancel_all()
    assert {chat.cancel.reason for chat in chats} == {"shutdown"}
