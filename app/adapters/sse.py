"""Server-Sent Events out of blocks of bytes, however they were cut (HTML standard, section 9.2).

Lines end at LF, CRLF or CR and nowhere else. One event gives the bytes of its data; names, ids and comments
are passed over, but for `event: error`, which comes as an `ErrorEvent`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.domain.errors import ProviderFault

MAX_EVENT = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class ErrorEvent(bytes):
    """The data of an event that was named `error`."""

    __slots__ = ()


def decode(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each event as it is complete; an empty block (silence) is passed on as b"".

    An event at the end of the stream counts without its blank line, too. Time is linear in the bytes.
    Raises ProviderFault(bad_reply) for a line, or the data of one event, of more than 8 MB.
    """
    lines, event = _Lines(), _Event()
    for block in blocks:
        if not block:
            yield b""
        elif event.empty and lines.fresh and (data := _one_event(block)):
            yield data
        else:
            whole = lines.feed(block)
            whole.reverse()
            while whole:  # taken out one by one: a line of 8 MB is not kept beside its data
                line = whole.pop()
                if line:
                    event.take(line)
                elif data := event.end():
                    yield data
    for line in lines.rest():
        event.take(line)
    if data := event.end():
        yield data


def _one_event(block: bytes) -> bytes:
    """The data of a block that is one event in one line, as nearly every block of a chat is; b"" for any other."""
    size = len(block)
    if block[:6] != b"data: " or size > MAX_EVENT:
        return b""
    end = block.find(b"\n")
    if end == size - 2:
        return block[6:end] if block[-1:] == b"\n" and b"\r" not in block else b""
    if end == size - 3 and block[-4:] == b"\r\n\r\n" and block.find(b"\r") == size - 4:
        return block[6 : size - 4]
    return b""


class _Event:
    """The event whose lines are being read."""

    __slots__ = ("data", "empty", "name", "size")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.data: list[bytes] = []
        self.name = b""
        self.size = 0
        self.empty = True

    def take(self, line: bytes) -> None:
        self.empty = False
        if line[:6] == b"data: ":
            field, value = b"data", line[6:]
        else:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
        if field == b"data":
            self.data.append(value)
            self.size += len(value) + 1
            if self.size > MAX_EVENT:
                raise _too_long()
        elif field == b"event":
            self.name = value

    def end(self) -> bytes:
        """The data of the event that a blank line ended, b"" where it had none."""
        if self.empty:
            return b""
        data = self.data[0] if len(self.data) == 1 else b"\n".join(self.data)
        failed = self.name == b"error"
        self._clear()
        return ErrorEvent(data) if failed and data else data


class _Lines:
    """Whole lines out of blocks. fresh: nothing is held back, so the next block begins a line."""

    __slots__ = ("_after_cr", "_head", "_held", "_started", "_waiting", "fresh")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._waiting = 0
        self._head = b""
        self._started = False
        self._after_cr = False
        self.fresh = True

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that this block completes; a blank line is b""."""
        text = self._with_line_feeds(block if self._started else self._without_bom(block))
        cut = text.rfind(b"\n")
        if cut < 0:
            self._hold(text)
            lines = []
        else:
            lines = self._join(text[:cut]).split(b"\n")
            self._hold(text[cut + 1 :])
        self.fresh = not (self._held or self._after_cr or not self._started)
        return lines

    def rest(self) -> list[bytes]:
        """The last line, where no line end followed it."""
        text = self._join(b"") or self._head
        return [text] if text else []

    def _without_bom(self, block: bytes) -> bytes:
        head = self._head + block
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = b""
        self._started = True
        return head.removeprefix(_BOM)

    def _with_line_feeds(self, text: bytes) -> bytes:
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix(b"\n")
        if b"\r" in text:
            self._after_cr = text[-1:] == b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return text

    def _hold(self, text: bytes) -> None:
        if text:
            self._held.append(text)
            self._waiting += len(text)
            if self._waiting > MAX_EVENT:
                raise _too_long()

    def _join(self, text: bytes) -> bytes:
        if not self._held:
            return text
        if self._waiting + max(text.find(b"\n"), 0) > MAX_EVENT:
            raise _too_long()
        self._held.append(text)
        joined = b"".join(self._held)
        self._held.clear()
        self._waiting = 0
        return joined


def _too_long() -> ProviderFault:
    return ProviderFault("bad_reply", "an event of more than 8 MB", status=200)
