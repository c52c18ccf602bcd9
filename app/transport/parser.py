"""One HTTP/1.1 reply, parsed by llhttp (geventhttpclient's C parser), which refuses what could be read in two ways."""

from __future__ import annotations

from geventhttpclient._parser import HTTPResponseParser

MAX_HEAD_BYTES = 65_536


class ReplyParser(HTTPResponseParser):
    """Feed it bytes until `head_done`, then until `done`; take the body with `take()`.

    dirty: bytes came after the reply's end, so the connection must not be used again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.head_done = False
        self.done = False
        self.dirty = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._field = ""
        self._in_value = False

    def take(self) -> bytes:
        """The body bytes parsed since the last call."""
        body = self._body
        if not body:
            return b""
        self._body = []
        return body[0] if len(body) == 1 else b"".join(body)

    def _on_status(self, msg: str) -> None:
        """Called by the parser; the reason phrase is of no use."""

    def _on_message_begin(self) -> None:
        if self.done:
            self.dirty = True
        self.headers = {} if not self.done else self.headers

    def _on_header_field(self, text: str) -> None:
        if self.done:
            return
        if self._in_value:
            self._field, self._in_value = "", False
        self._field += text

    def _on_header_value(self, text: str) -> None:
        if self.done:
            return
        name = self._field.lower()
        self.headers[name] = self.headers[name] + text if self._in_value else text
        self._in_value = True

    def _on_headers_complete(self) -> int:
        if not self.done:
            self._field, self._in_value = "", False
            self.status = self.get_code()
            self.head_done = self.status >= 200
        return 0

    def _on_body(self, data: bytearray) -> None:
        if not self.done:
            self._body.append(bytes(data))

    def _on_message_complete(self) -> None:
        # An interim 1xx has no body and is followed by the reply that was asked for.
        if self.head_done:
            self.done = True
