"""Who the caller is: a forwarding header is believed from a trusted proxy and from nobody else."""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

import pytest

from app.domain.errors import InvalidRequest
from app.middleware.forwarding import Forwarding
from app.middleware.hosts import Hosts

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


def applied(peer: str, **headers: str) -> dict[str, Any]:
    environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "inner"}
    environ |= {f"HTTP_{name}": value for name, value in headers.items()}
    Forwarding(PROXIES).apply(environ)
    return environ


@pytest.mark.parametrize(
    ("peer", "chain", "caller"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7:5123", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("fd00::1", "2001:db8::2", "2001:db8::2"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", ",".join(["6.6.6.6"] * 1000 + ["203.0.113.7"]), "203.0.113.7"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
    ],
)
def test_fault_1_18_the_caller_is_the_rightmost_untrusted_address(peer: str, chain: str, caller: str) -> None:
    assert applied(peer, X_FORWARDED_FOR=chain)["REMOTE_ADDR"] == caller


def test_fault_1_18_scheme_and_host_come_from_a_trusted_proxy_alone() -> None:
    sent = {"X_FORWARDED_PROTO": "http, HTTPS", "X_FORWARDED_HOST": "evil, outer.example"}
    environ = applied("10.0.0.1", **sent)
    assert (environ["wsgi.url_scheme"], environ["HTTP_HOST"]) == ("https", "outer.example")
    environ = applied("203.0.113.9", **sent)
    assert (environ["wsgi.url_scheme"], environ["HTTP_HOST"]) == ("http", "inner")


@pytest.mark.parametrize("scheme", ["ftp", "javascript", ""])
def test_an_odd_scheme_is_ignored(scheme: str) -> None:
    assert applied("10.0.0.1", X_FORWARDED_PROTO=scheme)["wsgi.url_scheme"] == "http"


@pytest.mark.parametrize("header", ["X_FORWARDED_FOR", "X_FORWARDED_PROTO", "FORWARDED", "X_REAL_IP"])
def test_fault_1_18_an_untrusted_peer_is_warned_of_once(header: str, caplog: pytest.LogCaptureFixture) -> None:
    forwarding = Forwarding(PROXIES)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            forwarding.apply({"REMOTE_ADDR": "203.0.113.9", f"HTTP_{header}": "1.2.3.4"})
    assert len(caplog.records) == 1
    assert "TRUSTED_PROXIES" in caplog.text


@pytest.mark.parametrize(
    "host", ["a.example", "A.EXAMPLE", "a.example:8080", "a.example.", "x.b.example", "c.example:81"]
)
def test_allowed_hosts_are_answered(host: str) -> None:
    Hosts(["a.example", "*.b.example", "c.example:81"]).check({"HTTP_HOST": host})


@pytest.mark.parametrize(
    "host", ["b.example", "evil-b.example", "c.example", "c.example:82", "a.example.evil", "[::1]"]
)
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(InvalidRequest):
        Hosts(["a.example", "*.b.example", "c.example:81"]).check({"HTTP_HOST": host})
