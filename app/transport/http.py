"""What the one outbound HTTP seam takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.utils.cancel import Cancel
from app.utils.patience import Patience


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """url: absolute, http or https. headers: without Host, Content-Length and Connection, which the seam writes."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class HttpReply(Protocol):
    """A provider's reply whose head has come and whose body is still on the wire. Close it, always.

    status: the HTTP status; headers: lower-cased names, the last one of a name wins.
    """

    status: int
    headers: Mapping[str, str]

    def read(self, limit: int) -> bytes:
        """The whole body, decoded. Raises ProviderFault(bad_reply) past `limit` bytes."""

    def blocks(self) -> Iterator[bytes]:
        """The body as it comes, decoded. An empty block says that nothing came for `patience.tick` seconds.

        Raises ProviderFault: `stalled` or `first_token_timeout` past the patience, `cut` where the body ended
        before its framing said so, `reset`, `cancelled`, `bad_reply`.
        """

    def close(self) -> None:
        """Let go of the connection: back to its pool where the reply was read to its end, else closed."""


class Transport(Protocol):
    def send(self, request: HttpRequest, patience: Patience, cancel: Cancel) -> HttpReply:
        """Send it and wait for the reply's head (interim 1xx passed over). Never follows a redirect.

        Raises ProviderFault: connect, tls, reset, pool_full, bad_reply, first_token_timeout, cancelled; `sent` is
        False where no byte can have reached the provider.
        """
