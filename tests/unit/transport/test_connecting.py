"""4.1 and 4.2: names that do not resolve, addresses that do not answer, TLS that does not prove the name."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from app.transport.pooled import PooledTransport
from app.transport.resolver import Resolver
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import AT_ONCE, Start, ask, descriptors, local_names, patience, wait_for
from tests.unit.transport.hostile import Peer, answer, says, silent

CONNECT_TIMEOUT = 0.5
LookUp = Callable[..., list[Any]]


@pytest.fixture
def dead_address() -> Iterator[tuple[str, int]]:
    """A listener whose queue is full: it drops every further SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        gevent.sleep(0.02)
        yield listener.getsockname()
        for client in waiting:
            client.close()


@pytest.fixture
def refusing_address() -> tuple[str, int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address: tuple[str, int] = taken.getsockname()
    return address


def asking(look_up: LookUp) -> PooledTransport:
    return PooledTransport(connect_timeout=CONNECT_TIMEOUT, pool_size=2, resolver=Resolver(getaddrinfo=look_up))


def found(*addresses: tuple[str, int]) -> LookUp:
    return lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]


def unknown(*_: Any) -> list[Any]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("look_up", [unknown, found()], ids=["nxdomain", "empty"])
def test_fault_4_01_a_name_without_an_address_fails_at_once(look_up: LookUp) -> None:
    outcome = ask(asking(look_up), "http://provider.test/v1")
    assert outcome.kind == "connect"
    assert outcome.fault is not None
    assert outcome.fault.sent is False
    assert outcome.seconds < AT_ONCE


def test_fault_4_01_a_name_without_an_address_is_looked_up_again_by_the_next_call(start: Start) -> None:
    upstream = start(says(answer(b"ok")))
    answers = [[], local_names(0, upstream.port)]
    transport = asking(lambda *_: answers.pop(0))
    assert ask(transport, upstream.named("provider.test")).kind == "connect"
    assert ask(transport, upstream.named("provider.test")).body == b"ok"


def test_fault_4_01_a_silent_look_up_ends_within_the_connect_timeout() -> None:
    hold = Hold()
    transport = asking(hold.look_up)
    outcome = ask(transport, "http://provider.test/v1")
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("connect", False)
    assert CONNECT_TIMEOUT * 0.9 < outcome.seconds < CONNECT_TIMEOUT + 0.3
    hold.release()


def test_fault_4_01_look_ups_that_hang_do_not_stop_other_hosts(start: Start) -> None:
    upstream = start(says(answer(b"ok")))
    hold = Hold()
    transport = asking(lambda name, *rest: hold.look_up() if "stuck" in name else local_names(name, *rest))
    stuck = [gevent.spawn(ask, transport, f"http://stuck{n}.test/v1") for n in range(20) for _ in range(3)]
    gevent.sleep(0.05)
    outcome = ask(transport, upstream.named("alive.test"))
    assert outcome.body == b"ok"
    assert outcome.seconds < AT_ONCE
    assert hold.begun <= 20, "who asks for the same name shares one look-up"
    gevent.joinall(stuck)
    assert {one.value.kind for one in stuck} == {"connect"}
    hold.release()


def test_fault_4_01_one_live_address_among_fifty_dead_ones_is_found(
    start: Start, dead_address: tuple[str, int]
) -> None:
    upstream = start(says(answer(b"ok")))
    transport = asking(found(*[dead_address] * 49, ("127.0.0.1", upstream.port)))
    outcome = ask(transport, "http://provider.test/v1")
    assert outcome.body == b"ok"
    assert outcome.seconds < CONNECT_TIMEOUT
    assert len(upstream.peers) == 1


def test_fault_4_01_fifty_dead_addresses_end_within_the_connect_timeout(dead_address: tuple[str, int]) -> None:
    outcome = ask(asking(found(*[dead_address] * 50)), "http://provider.test/v1")
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("connect", False)
    assert outcome.seconds < CONNECT_TIMEOUT + 0.3


def test_fault_4_01_addresses_that_refuse_are_passed_over_at_once(
    start: Start, refusing_address: tuple[str, int]
) -> None:
    upstream = start(says(answer(b"ok")))
    transport = asking(found(*[refusing_address] * 20, ("127.0.0.1", upstream.port)))
    outcome = ask(transport, "http://provider.test/v1")
    assert outcome.body == b"ok"
    assert outcome.seconds < AT_ONCE


def test_fault_4_01_losers_of_the_race_between_addresses_are_closed(
    start: Start, dead_address: tuple[str, int]
) -> None:
    upstream = start(says(answer(b"ok")))
    look_up = found(*[dead_address] * 2, ("127.0.0.1", upstream.port))
    transport = PooledTransport(connect_timeout=10.0, pool_size=2, resolver=Resolver(getaddrinfo=look_up))
    before = descriptors()
    assert ask(transport, "http://provider.test/v1", waits=patience(first=10.0)).body == b"ok"
    transport.close()
    assert upstream.saw_the_end()
    upstream.stop()
    assert wait_for(lambda: descriptors() < before), "the listener's one is gone too"


def test_fault_4_02_a_refused_connection_fails_at_once(
    transport: PooledTransport, refusing_address: tuple[str, int]
) -> None:
    outcome = ask(transport, f"http://127.0.0.1:{refusing_address[1]}/v1")
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("connect", False)
    assert outcome.seconds < AT_ONCE


def test_fault_4_02_a_dropped_syn_ends_within_the_connect_timeout(dead_address: tuple[str, int]) -> None:
    outcome = ask(asking(local_names), f"http://127.0.0.1:{dead_address[1]}/v1")
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("connect", False)
    assert CONNECT_TIMEOUT * 0.9 < outcome.seconds < CONNECT_TIMEOUT + 0.3


def test_fault_4_02_patience_shorter_than_the_connect_timeout_ends_the_dial(dead_address: tuple[str, int]) -> None:
    outcome = ask(asking(local_names), f"http://127.0.0.1:{dead_address[1]}/v1", waits=patience(first=0.1))
    assert outcome.kind == "connect"
    assert outcome.seconds < AT_ONCE


def test_fault_4_02_a_reset_on_accept_is_no_answer(transport: PooledTransport, start: Start) -> None:
    upstream = start(lambda peer: peer.reset())
    outcome = ask(transport, upstream.url)
    assert outcome.kind in ("reset", "connect")
    assert outcome.seconds < 0.5
    assert len(upstream.peers) == 1, "a fresh connection is not tried twice"


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [("expired", "expired"), ("wrong_name", "mismatch"), ("self_signed", "self-signed"), ("unknown_root", "issuer")],
)
def test_fault_4_02_a_certificate_that_proves_nothing_gets_no_key(
    start: Start, authority: Authority, certificate: str, reason: str
) -> None:
    upstream = start(says(answer(b"ok")), tls=getattr(authority, certificate)("provider.test"))
    outcome = ask(asking(local_names), upstream.named("provider.test", "https"))
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("tls", False)
    assert outcome.fault is not None
    assert reason in outcome.fault.message.lower()
    assert upstream.requests == []


def test_fault_4_02_a_server_of_tls_1_0_is_refused(start: Start, authority: Authority) -> None:
    def too_old(peer: Peer) -> None:
        peer.sock.recv(4096)
        peer.say(b"\x15\x03\x01\x00\x02\x02\x46")  # alert: protocol_version

    upstream = start(too_old)
    outcome = ask(asking(local_names), upstream.named("provider.test", "https"))
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("tls", False)
    assert upstream.saw_the_end()


def test_fault_4_02_a_silent_tls_server_ends_within_the_connect_timeout(start: Start, authority: Authority) -> None:
    upstream = start(silent)
    outcome = ask(asking(local_names), upstream.named("provider.test", "https"))
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("tls", False)
    assert outcome.seconds < CONNECT_TIMEOUT + 0.3
    assert upstream.saw_the_end()


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
def test_fault_4_02_a_handshake_that_is_hung_up_on_is_a_fault_of_the_connection(
    start: Start, authority: Authority, end: Callable[[Peer], None]
) -> None:
    def hang_up(peer: Peer) -> None:
        peer.sock.recv(4096)
        end(peer)

    outcome = ask(asking(local_names), start(hang_up).named("provider.test", "https"))
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("connect", False)


def test_plain_http_on_a_tls_port_is_a_tls_fault(start: Start, authority: Authority) -> None:
    def plain(peer: Peer) -> None:
        peer.sock.recv(4096)
        peer.say(answer(b"no TLS here", status=b"400 Bad Request"))

    outcome = ask(asking(local_names), start(plain).named("provider.test", "https"))
    assert outcome.kind == "tls"


class Hold:
    """Look-ups that hang, each in a native thread, until they are released."""

    def __init__(self) -> None:
        self.begun = 0
        self._read, self._write = os.pipe()

    def look_up(self, *_: Any) -> list[Any]:
        self.begun += 1
        os.read(self._read, 1)
        return []

    def release(self) -> None:
        os.write(self._write, b"x" * self.begun)
