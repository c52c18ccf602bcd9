"""Google's store of files: a video is put there for one question and taken away after it.

By three plain calls over our transport: its start, its bytes, and looks at it until it can be asked about.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

import gevent
import orjson

from app.adapters import faults
from app.adapters.wire import json_object
from app.domain.chat import ProviderCall
from app.domain.errors import ProviderFault
from app.transport.http import HttpReply, HttpRequest, Transport
from app.transport.request import split
from app.utils.cancel import Cancel
from app.utils.patience import Patience

log = logging.getLogger(__name__)

SECONDS: Final = 45.0
"""For a video to be there and readable; after that its frames are the quicker way."""
REPLY_SECONDS: Final = 15.0
LOOK_EVERY: Final = 0.5
FORGET_SECONDS: Final = 10.0
MOST_REPLY: Final = 64 * 1024


class GeminiFiles:
    """Those of one call. until: the chat's deadline, on the monotonic clock."""

    def __init__(self, transport: Transport, call: ProviderCall, until: float, cancel: Cancel) -> None:
        self._transport = transport
        self._base = call.base_url.rstrip("/")
        self._secret = call.secret
        self._until = min(until, time.monotonic() + SECONDS)
        self._cancel = cancel
        self._names: list[str] = []

    def keep(self, data: bytes, content_type: str) -> str:
        """Put it there; the address that a question names. Raises ProviderFault, also where it takes too long."""
        start = {
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-length": str(len(data)),
            "x-goog-upload-header-content-type": content_type,
            "content-type": "application/json",
        }
        about = orjson.dumps({"file": {"display_name": "video"}})
        headers, _ = self._asked("POST", f"{self._base}/upload/v1beta/files", start, about)
        url = headers.get("x-goog-upload-url", "")
        # Bytes and key go nowhere but where the call itself goes.
        if not url or split(url)[0] != split(self._base)[0]:
            raise ProviderFault("bad_reply", "the store of files names no address of its own", status=200)
        finish = {"x-goog-upload-offset": "0", "x-goog-upload-command": "upload, finalize"}
        _, body = self._asked("POST", url, finish, data)
        file = _file(json_object(body).get("file"))
        self._names.append(file["name"])
        while file.get("state", "ACTIVE") != "ACTIVE":
            if file["state"] != "PROCESSING":
                raise ProviderFault("bad_reply", "the provider cannot read the video", status=200)
            if time.monotonic() + LOOK_EVERY > self._until:
                raise ProviderFault("first_token_timeout", "the provider takes too long to read the video")
            gevent.sleep(LOOK_EVERY)
            _, body = self._asked("GET", f"{self._base}/v1beta/{file['name']}", {})
            file = _file(json_object(body))
        return str(file["uri"])

    def forget(self) -> None:
        """Have them taken away, while nobody waits for it."""
        if self._names:
            gevent.spawn(self._forget)

    def _forget(self) -> None:
        # The chat may have been cancelled; this is still to be done.
        self._cancel, self._until = Cancel(), time.monotonic() + FORGET_SECONDS
        for name in self._names:
            try:
                self._asked("DELETE", f"{self._base}/v1beta/{name}", {})
            except ProviderFault as fault:
                log.warning("a video stays in the provider's store for two days: %s", fault.message)

    def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[Mapping[str, str], bytes]:
        """Headers and body of a good reply. Raises ProviderFault."""
        more = {"x-goog-api-key": self._secret} if self._secret else {}
        wait = max(0.0, min(REPLY_SECONDS + len(body) / 2**20, self._until - time.monotonic()))
        patience = Patience(deadline=time.monotonic() + wait, first=wait, stall=wait)
        request = HttpRequest(method, url, {**headers, **more}, body)
        reply: HttpReply
        try:
            with closing(self._transport.send(request, patience, self._cancel)) as reply:
                said = reply.read(MOST_REPLY)
        except ProviderFault as fault:
            raise ProviderFault(fault.kind, faults.masked(fault.message, self._secret), status=fault.status) from None
        if not 200 <= reply.status < 300:
            raise faults.refused(reply.status, reply.headers, said, self._secret)
        return reply.headers, said


def _file(told: Any) -> dict[str, Any]:
    """Raises ProviderFault where it is no file with a name and an address."""
    named = isinstance(told, dict) and isinstance(told.get("uri"), str) and isinstance(told.get("name"), str)
    if not named or not told["name"].startswith("files/") or not told["name"][6:].replace("-", "").isalnum():
        raise ProviderFault("bad_reply", "the store of files tells of no file", status=200)
    return told  # type: ignore[no-any-return]
