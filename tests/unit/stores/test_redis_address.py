"""What a REDIS_URL says."""

from __future__ import annotations

import ssl

import pytest

from app.stores.redis_address import RedisAddress


def test_a_bare_address_is_greeted_with_a_ping_alone() -> None:
    address = RedisAddress.parse("redis://cache")
    assert (address.host, address.port, address.tls) == ("cache", 6379, None)
    assert (address.greeting, address.greeting_replies) == (b"*1\r\n$4\r\nPING\r\n", 1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:secret@h", [b"AUTH", b"secret"]),
        ("redis://ann:p%40ss%2F%C3%B6@h", [b"AUTH", b"ann", "p@ss/ö".encode()]),
        ("redis://h/7", [b"SELECT", b"7"]),
        ("redis://h?db=7", [b"SELECT", b"7"]),
        ("redis://:secret@h:7000/7", [b"AUTH", b"secret", b"SELECT", b"7"]),
    ],
)
def test_password_and_database_number_are_said_first(url: str, words: list[bytes]) -> None:
    greeting = RedisAddress.parse(url).greeting.split(b"\r\n")
    assert [w for w in greeting if w and w[:1] not in b"*$"] == [*words, b"PING"]


def test_tls_is_checked_unless_the_url_says_otherwise() -> None:
    checked = RedisAddress.parse("rediss://h").tls
    assert checked is not None
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    unchecked = RedisAddress.parse("rediss://h?ssl_cert_reqs=none").tls
    assert unchecked is not None
    assert unchecked.verify_mode == ssl.CERT_NONE


def test_a_socket_file_needs_no_host() -> None:
    assert RedisAddress.parse("unix:///run/redis.sock?db=3").path == "/run/redis.sock"


def test_another_scheme_is_no_address() -> None:
    with pytest.raises(ValueError):
        RedisAddress.parse("http://h")
