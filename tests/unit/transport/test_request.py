"""A request as bytes on the wire: what the seam writes itself, and what it refuses to write."""

from __future__ import annotations

import pytest

from app.domain.errors import ProviderFault
from app.transport import request as wire
from app.transport.http import HttpRequest
from app.transport.pooled import PooledTransport
from app.utils.cancel import Cancel
from tests.unit.transport.fixtures import Start, patience
from tests.unit.transport.hostile import answer, says


@pytest.mark.parametrize(
    ("url", "origin", "host", "target"),
    [
        ("http://a.test", ("http", "a.test", 80), "a.test", "/"),
        ("https://A.test/v1?x=1&y=%20", ("https", "a.test", 443), "a.test", "/v1?x=1&y=%20"),
        ("https://a.test:443/v1", ("https", "a.test", 443), "a.test", "/v1"),
        ("http://a.test:443/v1", ("http", "a.test", 443), "a.test:443", "/v1"),
        ("http://[::1]:8000/v1", ("http", "::1", 8000), "[::1]:8000", "/v1"),
        ("https://a.test/models/a:b@c", ("https", "a.test", 443), "a.test", "/models/a:b@c"),
        ("https://a.test/models/модель x", ("https", "a.test", 443), "a.test", None),
        ("https://bücher.test/", ("https", "xn--bcher-kva.test", 443), "xn--bcher-kva.test", "/"),
        ("http://a.test/#part", ("http", "a.test", 80), "a.test", "/"),
    ],
)
def test_a_url_is_split_as_http_wants_it(url: str, origin: tuple[str, str, int], host: str, target: str | None) -> None:
    got = wire.split(url)
    assert got[:2] == (origin, host)
    assert got[2] == (target or "/models/%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB%D1%8C%20x")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.test/v1",
        "ftp://a.test",
        "http://",
        "http://a.test:99999/",
        "http://[::1/",
        "http://a b.test/",
        "file:///x",
    ],
)
def test_a_url_that_is_none_is_a_fault_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ProviderFault) as raised:
        wire.split(url)
    assert (raised.value.kind, raised.value.sent) == ("connect", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer key\r\nX-Other: 1"},
        {"authorization": "Bearer key\n"},
        {"authorization": "Bearer key\r"},
        {"x\r\ny": "1"},
        {"x": "a\0b"},
        {"x": "модель"},
    ],
)
def test_a_header_that_would_break_out_of_its_line_is_not_sent(
    transport: PooledTransport, start: Start, headers: dict[str, str]
) -> None:
    upstream = start(says(answer(b"ok")))
    for _ in range(3):
        with pytest.raises(ProviderFault) as raised:
            transport.send(HttpRequest("POST", upstream.url, headers, b"{}"), patience(), Cancel())
        assert (raised.value.kind, raised.value.sent) == ("connect", False)
        assert "key" not in raised.value.message
    assert upstream.peers == []


def test_a_request_is_written_whole(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(answer(b"ok", b"X-Twice: 1", b"X-Twice: 2")))
    reply = transport.send(HttpRequest("POST", upstream.url, {"X-One": "ü"}, b"body"), patience(), Cancel())
    assert (reply.status, reply.headers["x-twice"], reply.read(10)) == (200, "2", b"ok")
    head, body = upstream.requests[0].split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/chat HTTP/1.1"
    assert lines[1] == b"Host: 127.0.0.1:%d" % upstream.port
    assert b"X-One: \xfc" in lines
    assert b"Content-Length: 4" in lines
    assert body == b"body"
