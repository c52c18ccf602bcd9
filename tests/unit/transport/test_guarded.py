"""The guarded way out, against servers that say anything and names that lead anywhere."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import gevent
import pytest

from app.domain.errors import DomainError, Forbidden, Overloaded, ProviderFault, TooLarge
from app.domain.policies.urls import parse
from app.transport.guarded import Guard, GuardedReply
from app.transport.resolver import Resolver
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import AT_ONCE, Start, descriptors, wait_for
from tests.unit.transport.hostile import (
    CHUNKED,
    LAST,
    Peer,
    answer,
    chunk,
    says,
    says_and_closes,
    says_and_resets,
    silent,
)
from tests.unit.transport.names import Names, loopback_is_public

LIMIT = 100_000


def guard(names: Names, allowed: Callable[..., bool] = loopback_is_public, **options: Any) -> Guard:
    return Guard(resolver=Resolver(threads=4, ttl=0, getaddrinfo=names), allowed=allowed, **options)


def ask(
    guarded: Guard, url: str, method: str = "GET", body: bytes | None = None, *, seconds: float = 5.0, **headers: str
) -> GuardedReply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return guarded.send(method, parse(url), named, body, until=time.monotonic() + seconds, limit=LIMIT)


def refused(guarded: Guard, url: str, **options: Any) -> DomainError | ProviderFault:
    with pytest.raises((DomainError, ProviderFault)) as raised:
        ask(guarded, url, **options)
    return raised.value


def test_it_asks_the_checked_address_by_the_hosts_name(start: Start) -> None:
    upstream = start(says(answer(b"hello", b"X-A: 1")))
    names = Names(site_example=[("127.0.0.1", upstream.port)])
    reply = ask(guard(names), "http://site.example/p?q=1", "POST", b"body", X_B="2")
    assert (reply.status, reply.body, reply.headers["x-a"]) == (200, b"hello", "1")
    head, _, body = upstream.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /p?q=1 HTTP/1.1\r\nHost: site.example\r\n")
    assert b"X-B: 2" in head
    assert body == b"body"
    assert names.asked == ["site.example"]
    assert upstream.saw_the_end()


@pytest.mark.parametrize("path", ["/%zz", "/%", "/a//b/../c;d", "//other.example/x", "/a?b=%0d%0aX-Evil:1&c=//e", "/*"])
def test_a_path_is_sent_as_it_was_read(path: str, start: Start) -> None:
    upstream = start(says(answer(b"ok")))
    assert ask(guard(Names(site_example=[("127.0.0.1", upstream.port)])), f"http://site.example{path}").status == 200
    line, host, *_ = upstream.requests[0].split(b"\r\n")
    assert line.split(b" ")[1].lower().replace(b"%25", b"%") == path.encode().lower()
    assert host == b"Host: site.example"


SPELLINGS = (
    "127.0.0.1 127.1 0x7f.1 0177.0.0.1 2130706433 0 0.0.0.0 017700000001 ①②⑦.⓪.⓪.① １２７.0.0.1 127。0。0。1 127.0.0.1."
)


@pytest.mark.parametrize("spelling", SPELLINGS.split())
def test_fault_8_3_no_spelling_of_the_loopback_gets_a_packet_out(spelling: str, start: Start) -> None:
    upstream = start(says(answer(b"secret")))
    fault = refused(Guard(), f"http://{spelling}:{upstream.port}/")
    assert isinstance(fault, Forbidden)
    assert upstream.peers == []


@pytest.mark.parametrize(
    "answers",
    [
        [("10.0.0.1", 80)],
        [("93.184.215.14", 80), ("127.0.0.1", 80)],
        [("127.0.0.1", 80), ("93.184.215.14", 80)],
        [("93.184.215.14", 80), ("fd00::1", 80)],
        [("93.184.215.14", 80), ("::ffff:10.0.0.1", 80)],
        [("64:ff9b::a00:1", 80)],
    ],
)
def test_fault_8_7_one_address_that_is_not_public_is_enough_to_refuse_a_name(
    answers: list[tuple[str, int]], start: Start
) -> None:
    upstream = start(says(answer(b"secret")))
    mapped = [(address, upstream.port) for address, _ in answers]
    fault = refused(Guard(resolver=Resolver(getaddrinfo=Names(site_example=mapped))), "http://site.example/")
    assert isinstance(fault, Forbidden)
    assert "10.0" not in fault.message
    assert upstream.peers == []


def test_fault_8_7_a_name_that_changes_its_address_is_asked_once_and_reached_where_it_was_checked(start: Start) -> None:
    public, private = start(says(answer(b"public"))), start(says(answer(b"secret")))
    names = Names(site_example=[[("127.0.0.1", public.port)], [("127.0.0.2", private.port)]])
    guarded = guard(names)
    assert ask(guarded, "http://site.example/").body == b"public"
    assert names.asked == ["site.example"]
    # The next call looks again, and refuses what the name has become.
    assert isinstance(refused(guarded, "http://site.example/"), Forbidden)
    assert private.peers == []


def test_fault_8_7_a_name_without_an_answer_is_a_fault_and_a_slow_look_up_ends_in_time() -> None:
    fault = refused(guard(Names()), "http://nowhere.example/")
    assert isinstance(fault, ProviderFault)
    assert (fault.kind, fault.sent) == ("connect", False)

    def slow() -> list[tuple[str, int]]:
        time.sleep(1.0)
        return [("127.0.0.1", 80)]

    began = time.monotonic()
    fault = refused(guard(Names(slow_example=slow)), "http://slow.example/", seconds=0.2)
    assert isinstance(fault, ProviderFault)
    assert fault.kind == "stalled"
    assert time.monotonic() - began < 0.2 + AT_ONCE


@pytest.mark.parametrize("host", ["localhost", "x.localhost", "metadata.google.internal", "x.internal", "intranet"])
def test_fault_8_6_names_of_home_are_refused_without_a_look_up(host: str) -> None:
    names = Names()
    assert isinstance(refused(guard(names), f"http://{host}/"), Forbidden)
    assert names.asked == []


@pytest.mark.parametrize(
    "literal", ["[fd00:ec2::254]", "100.100.100.200", "169.254.169.254", "[fe80::1%lo]", "[::ffff:169.254.169.254]"]
)
def test_fault_8_6_metadata_by_its_number_is_refused(literal: str) -> None:
    assert isinstance(refused(Guard(), f"http://{literal}/"), Forbidden)


def test_fault_8_6_this_machines_own_address_is_refused_though_it_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.transport.guarded.is_public", lambda address: True)
    assert isinstance(refused(Guard(), "http://127.0.0.1:9/"), Forbidden)


def test_the_next_address_is_tried_where_one_does_not_answer(start: Start) -> None:
    gone, upstream = start(silent), start(says(answer(b"ok")))
    gone.stop_listening()
    names = Names(site_example=[("127.0.0.1", gone.port), ("127.0.0.1", upstream.port)])
    assert ask(guard(names), "http://site.example/").body == b"ok"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_fault_8_10_the_environments_proxies_are_not_used(
    variable: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, upstream = start(says(answer(b"proxied"))), start(says(answer(b"direct")))
    monkeypatch.setenv(variable, proxy.url)
    assert ask(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "http://site.example/").body == b"direct"
    assert proxy.peers == []


def test_fault_8_10_netrc_adds_and_replaces_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine site.example login canary password canary\ndefault login canary password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    upstream = start(says(answer(b"ok")))
    guarded = guard(Names(site_example=[("127.0.0.1", upstream.port)]))
    ask(guarded, "http://site.example/", Authorization="Bearer theirs")
    ask(guarded, "http://site.example/")
    assert b"Authorization: Bearer theirs" in upstream.requests[0]
    assert b"uthorization" not in upstream.requests[1]


def test_fault_8_10_a_ca_bundle_of_the_environment_is_not_trusted(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.roots))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(authority.roots))
    monkeypatch.delenv("SSL_CERT_FILE")
    upstream = start(says(answer(b"ok")), tls=authority.good("site.example"))
    fault = refused(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "https://site.example/")
    assert isinstance(fault, ProviderFault)
    assert fault.kind == "tls"


def test_under_tls_the_certificate_is_checked_by_name(start: Start, authority: Authority) -> None:
    upstream = start(says(answer(b"ok")), tls=authority.good("site.example"))
    reply = ask(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "https://site.example/")
    assert reply.body == b"ok"
    assert b"Host: site.example\r\n" in upstream.requests[0]


@pytest.mark.parametrize("kind", ["expired", "wrong_name", "self_signed", "unknown_root"])
def test_fault_8_13_a_certificate_that_proves_nothing_is_a_fault_and_nothing_is_sent(
    kind: str, start: Start, authority: Authority
) -> None:
    upstream = start(says(answer(b"ok")), tls=getattr(authority, kind)("site.example"))
    fault = refused(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "https://site.example/")
    assert isinstance(fault, ProviderFault)
    assert (fault.kind, fault.sent) == ("tls", False)
    assert upstream.requests == []


def test_fault_8_11_cookies_are_not_kept(start: Start) -> None:
    upstream = start(says(answer(b"ok", b"Set-Cookie: canary=1; Path=/")))
    guarded = guard(Names(site_example=[("127.0.0.1", upstream.port)]))
    assert ask(guarded, "http://site.example/").headers["set-cookie"].startswith("canary")
    ask(guarded, "http://site.example/")
    assert b"canary" not in upstream.requests[1]


def endless(*head: bytes, piece: bytes, pause: float = 0.0) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.request()
        peer.say(*head)
        while True:
            peer.say(piece, pause=pause)

    return script


def packed(coding: bytes, body: bytes) -> Callable[[Peer], None]:
    return says(answer(body, b"Content-Encoding: " + coding))


BOMB = bytes(50_000_000)
PLAIN = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        endless(PLAIN, piece=b"x" * 10_000),
        endless(CHUNKED, piece=chunk(b"x" * 10_000)),
        endless(CHUNKED, piece=b"1;" + b"x" * 1_000 + b"\r\nx\r\n"),
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", piece=b"x" * 10_000),
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n", piece=b"x" * 10_000),
        packed(b"gzip", gzip.compress(BOMB)),
        packed(b"deflate", zlib.compress(BOMB)),
        packed(b"br", brotli.compress(BOMB, quality=5)),
        endless(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", piece=gzip.compress(b"")),
    ],
    ids=["endless", "chunks", "extensions", "10-gb", "10e40", "gzip", "deflate", "br", "gzip-of-nothing"],
)
def test_fault_8_12_more_than_the_limit_is_not_read(script: Callable[[Peer], None], start: Start) -> None:
    upstream = start(script)
    began = time.monotonic()
    fault = refused(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "http://site.example/")
    assert isinstance(fault, TooLarge), fault
    assert time.monotonic() - began < 2.0
    assert upstream.saw_the_end()


@pytest.mark.parametrize(
    "script",
    [
        endless(piece=b"HTTP/1.1 200 OK\r\n"[:1], pause=0.01),
        endless(PLAIN, piece=b"x", pause=0.01),
        endless(b"HTTP/1.1 200 OK\r\nX-A: ", piece=b"x", pause=0.01),
        endless(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", piece=gzip.compress(b""), pause=0.01),
        silent,
    ],
    ids=["status", "body", "header", "nothing", "silent"],
)
def test_fault_8_12_a_byte_now_and_then_ends_with_the_time_for_it_all(
    script: Callable[[Peer], None], start: Start
) -> None:
    upstream = start(script)
    began = time.monotonic()
    fault = refused(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "http://site.example/", seconds=0.4)
    assert isinstance(fault, ProviderFault)
    assert fault.kind == "stalled"
    assert time.monotonic() - began < 0.4 + AT_ONCE
    assert upstream.saw_the_end()


def test_fault_8_12_a_handshake_that_drips_ends_in_time_too(start: Start, authority: Authority) -> None:
    def drip(peer: Peer) -> None:
        peer.say(b"\x16\x03\x03\x40\x00")
        while True:
            peer.say(b"\0", pause=0.01)

    upstream = start(drip)
    began = time.monotonic()
    fault = refused(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "https://site.example/", seconds=0.4)
    assert isinstance(fault, ProviderFault)
    assert time.monotonic() - began < 0.4 + AT_ONCE
    assert upstream.saw_the_end()


@pytest.mark.parametrize(
    "script",
    [
        says_and_closes(b"hello, I am no HTTP\r\n\r\n"),
        says_and_closes(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(1_000)) + b"\r\n"),
        says_and_closes(b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 100_000 + b"\r\n\r\n"),
        endless(piece=b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        endless(b"HTTP/1.1 100 Continue\r\n", piece=b"X-A: 1\r\n" * 1_000),
        says_and_closes(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        says_and_closes(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        says_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        says_and_closes(b"HTTP/1.1 200 OK\r\nX-A: 1"),
        says_and_closes(b"HTTP/1.1 200 OK\r\n"),
        says_and_closes(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 2\r\n\r\nok"),
        says_and_closes(CHUNKED, chunk(b"half")),
        says_and_closes(CHUNKED, b"zz\r\nhalf\r\n", LAST),
        says_and_resets(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        says_and_closes(answer(gzip.compress(b"x" * 1_000)[:-9], b"Content-Encoding: gzip")),
        packed(b"gzip", b"no gzip"),
        packed(b"zstd", b"\x28\xb5\x2f\xfd" + b"x" * 100),
        packed(b"gzip, gzip", gzip.compress(gzip.compress(b"x"))),
        says_and_closes(),
    ],
    ids=[
        "http-0.9",
        "1000-headers",
        "long-header",
        "1xx-for-ever",
        "100-endless",
        "103",
        "101",
        "cut-length",
        "cut-header",
        "cut-head",
        "no-header",
        "cut-chunk",
        "bad-chunk",
        "reset",
        "cut-gzip",
        "no-gzip",
        "zstd",
        "twice",
        "closed",
    ],
)
def test_fault_8_12_a_reply_that_is_none_or_breaks_off_is_a_fault(script: Callable[[Peer], None], start: Start) -> None:
    upstream = start(script)
    began = time.monotonic()
    fault = refused(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "http://site.example/")
    assert isinstance(fault, ProviderFault), fault
    assert fault.kind in ("bad_reply", "cut")
    assert fault.sent
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br"])
def test_packed_bodies_come_unpacked(coding: bytes, start: Start) -> None:
    body = b"hello " * 100
    made = {b"gzip": gzip.compress, b"deflate": zlib.compress, b"br": brotli.compress}[coding](body)
    upstream = start(packed(coding, made))
    assert ask(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "http://site.example/").body == body


def test_fault_8_9_a_redirect_is_handed_back_with_its_body_unread(start: Start) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 10000000000\r\n\r\n"
    upstream = start(endless(head, piece=b"x" * 10_000))
    reply = ask(guard(Names(site_example=[("127.0.0.1", upstream.port)])), "http://site.example/")
    assert (reply.status, reply.location, reply.body) == (302, "/next", b"")
    assert upstream.saw_the_end()


def test_a_peer_that_never_pauses_does_not_keep_the_others_waiting(start: Start) -> None:
    upstream = start(endless(CHUNKED, piece=b"1\r\nx\r\n" * 10_000))
    guarded = guard(Names(site_example=[("127.0.0.1", upstream.port)]))
    late, over = [0.0], [False]

    def beat() -> None:
        while not over[0]:
            due = time.monotonic() + 0.02
            gevent.sleep(0.02)
            late.append(time.monotonic() - due)

    beating = gevent.spawn(beat)
    refused(guarded, "http://site.example/", seconds=2.0)
    over[0] = True
    beating.join()
    assert max(late) < 0.25


def test_calls_at_once_are_bounded_and_nothing_stays_open(start: Start) -> None:
    upstream = start(silent, says(answer(b"ok")))
    guarded = guard(Names(site_example=[("127.0.0.1", upstream.port)]), at_once=1)
    before = descriptors()
    waiting = gevent.spawn(refused, guarded, "http://site.example/", seconds=5.0)
    assert wait_for(lambda: len(upstream.peers) == 1)
    assert isinstance(refused(guarded, "http://site.example/", seconds=0.1), Overloaded)
    waiting.kill()
    assert ask(guarded, "http://site.example/").body == b"ok"
    assert upstream.saw_the_end()
    assert wait_for(lambda: descriptors() <= before)


def test_who_makes_no_such_call_does_not_pay_for_the_library() -> None:
    look = "import sys, app.bootstrap; print({'requests', 'urllib3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
