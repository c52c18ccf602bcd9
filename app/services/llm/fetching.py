"""A reply that is read whole: of providers that are asked for a thing and not for a stream."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from app.adapters import faults
from app.domain.errors import ProviderFault
from app.domain.events import Silence
from app.services.llm.aside import aside
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience

MAX_REPLY = 32 * 1024 * 1024
MAX_ERROR = 64 * 1024


def fetched(
    transport: Transport, request: HttpRequest, secret: str | None, patience: Patience, cancel: Cancel
) -> Generator[Silence, None, bytes]:
    """The body of a good reply. Closing the generator closes the connection. Raises ProviderFault."""
    return (yield from aside(lambda: _whole(transport, request, secret, patience, cancel), patience))


def _whole(transport: Transport, request: HttpRequest, secret: str | None, patience: Patience, cancel: Cancel) -> bytes:
    with closing(transport.send(request, patience, cancel)) as reply:
        if 200 <= reply.status < 300:
            return reply.read(MAX_REPLY)
        try:
            body = reply.read(MAX_ERROR)
        except ProviderFault as fault:
            if fault.kind == "cancelled":
                raise
            body = b""
        raise faults.refused(reply.status, reply.headers, body, secret)
