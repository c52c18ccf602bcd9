"""`requests` under guard: a connection to the addresses that were checked and no others, each read of it bounded.

Loaded at the first guarded call: nobody else needs `requests`.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from typing import Any, NoReturn

import gevent
from gevent import socket
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util.response import assert_header_parsing

from app.domain.errors import ProviderFault
from app.domain.policies.urls import Target
from app.transport.resolver import Address

MAX_HEAD_BYTES = 262_144
"""Of all heads together: interim replies (100, for ever) count as well."""
FAIR_SECONDS = 0.01
"""A peer that always has more to say lets the others run as often."""
_FAULTS = (RequestException, HTTPError, HTTPException, OSError)


class Line:
    """One connection and its bounds.

    addresses: checked, tried in turn. until: monotonic seconds. left: bytes that may still come, of the head at
    first; excess: what it is where more come. made: connected and, under TLS, proven; before that nothing was sent.
    ended: they have nothing more to say.
    """

    def __init__(self, addresses: Sequence[Address], until: float, tls: ssl.SSLContext | None) -> None:
        self.until = until
        self.left = MAX_HEAD_BYTES
        self.excess = ProviderFault("bad_reply", "the reply's head has no end")
        self.made = False
        self.ended = False
        self.tls = tls
        self._addresses = addresses
        self._sock: Any = None
        self._yielded = time.monotonic()

    def connect(self) -> None:
        """To the first of the addresses that answers. Raises OSError."""
        fault: OSError = TimeoutError("timed out")
        for index, (family, sockaddr) in enumerate(self._addresses):
            sock = self._sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(self._remaining() / (len(self._addresses) - index))
                sock.connect(sockaddr)
            except OSError as raised:
                sock.close()
                fault = raised
            else:
                return
        raise fault

    def secure(self, host: str) -> None:
        """Have the other side prove that name. Raises OSError."""
        assert self.tls is not None
        # Kept before the handshake, so that it is closed whatever ends that.
        self._sock = self.tls.wrap_socket(self._sock, server_hostname=host, do_handshake_on_connect=False)
        self._sock.settimeout(self._remaining())
        self._sock.do_handshake()

    def guarded(self) -> GuardedSocket:
        """The connection is made: from now on it is read and written through this."""
        self.made = True
        return GuardedSocket(self._sock, self)

    def before_io(self) -> float:
        """Seconds that the next read or write may wait. Raises TimeoutError."""
        if time.monotonic() - self._yielded > FAIR_SECONDS:
            gevent.sleep(0.001)  # not 0: then the loop runs what is ready again and again, and no timer
            self._yielded = time.monotonic()
        return self._remaining()

    def came(self, size: int) -> None:
        """Count them. Raises OSError where there are too many."""
        self.ended = size == 0
        self.left -= size
        if self.left < 0:
            raise OSError(self.excess.message)

    def raise_for(self, error: Exception) -> NoReturn:
        """What the libraries raised, as what it was."""
        if self.left < 0:
            fault = self.excess
        elif time.monotonic() >= self.until:
            fault = ProviderFault("stalled", "the reply took too long", sent=self.made)
        elif self.made:
            fault = ProviderFault("cut", "the reply broke off or is no HTTP")
        elif _tls_failed(error):
            fault = ProviderFault("tls", "the host could not prove its name", sent=False)
        else:
            fault = ProviderFault("connect", "no connection could be made", sent=False)
        raise fault from error

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()

    def _remaining(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class GuardedSocket:
    """What http.client asks of a socket, and no more; each read and write under the line's bounds."""

    def __init__(self, sock: Any, line: Line) -> None:
        self._sock = sock
        self.line = line

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self.line.before_io())
        self._sock.sendall(data)

    def makefile(self, mode: str, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self.line), 16_384)

    def settimeout(self, seconds: float | None) -> None:
        """The line's bounds are what counts."""

    def fileno(self) -> int:
        number: int = self._sock.fileno()
        return number

    def close(self) -> None:
        """http.client closes it while it still reads; the line does it at the end."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: Any, line: Line) -> None:
        self._sock = sock
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._line.before_io())
        size: int = self._sock.recv_into(buffer)
        self._line.came(size)
        return size


class _Reply(HTTPResponse):
    """http.client takes a head that broke off, or that has a line which is no header, for one that ended there."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._line: Line = sock.line

    def begin(self) -> None:
        super().begin()
        if self._line.ended:
            raise HTTPException("the head broke off")
        assert_header_parsing(self.msg)


class _Plain(HTTPConnection):
    response_class = _Reply

    def __init__(self, *args: Any, line: Line, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line = line

    def connect(self) -> None:
        self._line.connect()
        self.sock: Any = self._line.guarded()


class _Secured(HTTPSConnection):
    response_class = _Reply

    def __init__(self, *args: Any, line: Line, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line = line

    def connect(self) -> None:
        self._line.connect()
        self._line.secure(self.host)
        self.is_verified = True
        self.sock: Any = self._line.guarded()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecuredPool(HTTPSConnectionPool):
    ConnectionCls = _Secured


class GuardedAdapter(HTTPAdapter):
    """Sends one request over one line: no proxy, no cookies, no repeats, no second reading of the URL."""

    def __init__(self, target: Target, line: Line) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self._target = target
        self._pool: HTTPConnectionPool = (
            _PlainPool(target.host, target.port, line=line)
            if target.scheme == "http"
            else _SecuredPool(target.host, target.port, ssl_context=line.tls, cert_reqs="CERT_REQUIRED", line=line)
        )

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """The pool's context does."""

    def proxy_manager_for(self, *_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a guarded call knows no proxies")

    def request_url(self, *_: Any, **__: Any) -> str:
        return self._target.path

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        # The library's own reads cookies.
        response = Response()
        response.status_code, response.raw, response.request = resp.status, resp, req
        response.headers = CaseInsensitiveDict(resp.headers)
        return response


def send(method: str, target: Target, headers: Mapping[str, str], body: bytes | None, line: Line) -> Response:
    """The reply with its body unread. Raises ProviderFault."""
    # Not by the library's own steps: they read the URL once more, and netrc and cookies with it.
    prepared = PreparedRequest()
    prepared.method, prepared.url, prepared.headers = method, target.url, CaseInsensitiveDict(headers)
    prepared.body = body
    prepared.prepare_content_length(body)
    try:
        response = GuardedAdapter(target, line).send(prepared, stream=True, timeout=None)
    except _FAULTS as error:
        line.raise_for(error)
    if not 200 <= response.status_code <= 599:
        raise ProviderFault("bad_reply", f"the host answered {response.status_code}", status=response.status_code)
    return response


def blocks(response: Response, line: Line) -> Iterator[bytes]:
    """The body as it comes, packed as it is. Raises ProviderFault."""
    try:
        yield from response.raw.stream(65_536, decode_content=False)
    except _FAULTS as error:
        line.raise_for(error)


def _tls_failed(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError | SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
