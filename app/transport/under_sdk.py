"""Our transport under the clients that providers' SDKs bring: one seam out, with its pools, deadlines and cancel.

An SDK encodes and reads; what went over the wire is kept here, so that its end means the same as any other call's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import httpx

from app.domain.errors import ProviderFault
from app.transport import request as wire
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience

MAX_REPLY = 32 * 1024 * 1024
#: What the seam writes itself, and what tells providers more of this machine than they need.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "user-agent", "accept-encoding"})
#: Of a body that is handed on decoded and whole.
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


#: `patience` says how long, to the millisecond; httpx's own limits never reach this transport.
_OURS_ALONE = httpx.Timeout(None)


def _is_ours(name: str) -> bool:
    return name in _OURS or name.startswith("x-stainless-")


class UnderSdk(httpx.BaseTransport):
    """One call's. base_url: the only origin that is spoken to. fault: what went wrong here, whatever the SDK makes of
    it; status, headers, body: of the last reply."""

    def __init__(self, transport: Transport, base_url: str, patience: Patience, cancel: Cancel) -> None:
        self._transport = transport
        self._origin = wire.split(base_url)[0]
        self._patience = patience
        self._cancel = cancel
        self.fault: ProviderFault | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body = b""
        self._replies: list[httpx.Response] = []

    def client(self) -> httpx.Client:
        """For the SDK to use: no proxy and no netrc of this machine's, no redirect followed."""
        return httpx.Client(transport=self, trust_env=False, follow_redirects=False, timeout=_OURS_ALONE)

    def no_client(self) -> httpx.AsyncClient:
        """For an SDK that makes itself one for its other half, at the price of reading all root certificates."""
        return httpx.AsyncClient(transport=httpx.AsyncBaseTransport(), trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises ProviderFault; it is kept in `fault` too, since SDKs wrap what they do not know."""
        try:
            return self._answered(request)
        except ProviderFault as fault:
            self.fault = fault
            raise

    def _answered(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        if wire.split(url)[0] != self._origin:
            raise ProviderFault("bad_reply", "the provider's SDK turned to another host", sent=False)
        headers = {name: value for name, value in request.headers.items() if not _is_ours(name.lower())}
        asked = HttpRequest(request.method, url, headers, request.read())
        with closing(self._transport.send(asked, self._patience, self._cancel)) as reply:
            self.status, self.headers = reply.status, reply.headers
            self.body = reply.read(MAX_REPLY)
        told = [(name, value) for name, value in self.headers.items() if name not in _FRAMING]
        self._replies.append(httpx.Response(self.status, headers=told, content=self.body))
        return self._replies[-1]

    def close(self) -> None:
        """Called with the client's end. A reply and its stream hold each other: that is undone, so that a picture does
        not stay in memory until somebody collects garbage."""
        while self._replies:
            self._replies.pop().stream = httpx.ByteStream(b"")
