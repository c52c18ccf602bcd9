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
        self._measured_end = b""
        self._field = ""
        self._in_value = False

    def is_reusable(self, last: bytes) -> bool:
        """Whether the connection may carry another call. last: what was fed last."""
        if not self.done or self.dirty or self.parser_failed() or not self.should_keep_alive():
            return False
        return not self._has_blank_lines_after(last)

    def flaw(self) -> str | None:
        """What makes this head no reply that can be trusted, where llhttp lets it pass."""
        if self.get_http_version() not in ("HTTP/1.1", "HTTP/1.0"):
            return "its version is not HTTP/1"
        if not 200 <= self.status <= 599:
            return "its status is out of range"
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            return "its transfer coding is unknown"
        return None

    def take(self) -> bytes:
        """The body bytes parsed since the last call."""
        body = self._body
        if not body:
            return b""
        self._body = []
        return body[0] if len(body) == 1 else b"".join(body)

    def _has_blank_lines_after(self, data: bytes) -> bool:
        """llhttp skips line ends between two messages, so `_on_message_begin` does not tell of them.

        A head and a chunked body end in two line ends, a measured body in its own last bytes. Should the two line
        ends have come in two reads, some may pass: they hold no content.
        """
        own = _line_end_bytes(self._measured_end)
        if own == len(self._measured_end) != len(data):
            own += len(b"\r\n\r\n")
        return _line_end_bytes(data) > own

    def _on_status(self, msg: str) -> None:
        """Called by the parser; the reason phrase is of no use."""

    def _on_message_begin(self) -> None:
        if self.done:
            self.dirty = True
        else:
            self.headers = {}

    def _on_header_field(self, text: str) -> None:
        if self._in_value:
            self._field, self._in_value = "", False
        self._field += text

    def _on_header_value(self, text: str) -> None:
        if self.head_done:  # a trailer, or a second reply
            return
        name = self._field.lower()
        self.headers[name] = self.headers[name] + text if self._in_value else text
        self._in_value = True

    def _on_headers_complete(self) -> int:
        if not self.done:
            self._field, self._in_value = "", False
            self.status = self.get_code()
            self.head_done = not 100 <= self.status <= 199
        return 0

    def _on_body(self, data: bytearray) -> None:
        if not self.done:
            self._body.append(bytes(data))

    def _on_message_complete(self) -> None:
        # An interim 1xx has no body and is followed by the reply that was asked for.
        if self.head_done and not self.done:
            self.done = True
            if self._body and "transfer-encoding" not in self.headers:
                self._measured_end = self._body[-1]


def _line_end_bytes(data: bytes) -> int:
    return len(data) - len(data.rstrip(b"\r\n"))
