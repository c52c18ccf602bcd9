"""Logging: JSON lines in logs/app.log and logs/error.log, readable lines on standard error."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import orjson

from app.utils.clock import rfc3339
from app.utils.line_files import LineFile, LineWriter, StreamSink

_MAX_LINE = 8192
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_CHATTY = ("alembic.runtime.plugins", "urllib3", "chromadb", "httpx")
_KEYLIKE = re.compile(r"\b(sk-|gsk_|xai-|AIza|eyJ)[A-Za-z0-9_\-.]{8,}")
# What JSON leaves as it is and a terminal or a line reader acts upon: DEL, C1 controls, line and bidi separators.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Logs:
    """The process's log files, from `configure`."""

    def __init__(self, writer: LineWriter, app: LineFile) -> None:
        self._writer = writer
        self._app = app

    def write_access(self, line: bytes) -> None:
        """Put one finished line of the access log into app.log. Never blocks."""
        self._writer.put(self._app, line)

    @property
    def lost(self) -> int:
        """Lines that could not be written, since the start of this process."""
        return self._writer.lost

    def close(self) -> None:
        """Write what waits and go on with standard error alone."""
        to_stderr(logging.getLogger().level)
        self._writer.close()


def to_stderr(level: int | str) -> None:
    """Log to standard error at once, from the caller's own thread: for the master, scripts and the end."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Readable())
    _install([handler], level)


def configure(folder: Path, level: int | str, *, max_bytes: int, keep: int) -> Logs:
    """Log to files in this folder and to standard error, through one native thread of this process.

    max_bytes: size at which a file is rotated. keep: how many rotated ones stay.
    """
    writer = LineWriter()
    app = LineFile(folder / "app.log", max_bytes, keep)
    error = LineFile(folder / "error.log", max_bytes, keep)
    sys.stderr.flush()
    everything = _Lines(writer, app, JsonLines())
    errors = _Lines(writer, error, everything.formatter)
    errors.setLevel(logging.ERROR)
    _install([everything, errors, _Lines(writer, StreamSink(2), Readable())], level)
    return Logs(writer, app)


class _Lines(logging.Handler):
    def __init__(self, writer: LineWriter, sink: LineFile | StreamSink, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self._writer = writer
        self._sink = sink
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a log call with a wrong argument must not fail the request
            line = json.dumps({"level": "ERROR", "logger": record.name, "message": "unreadable log call"})
        self._writer.put(self._sink, line.encode("utf-8", "backslashreplace") + b"\n")


class JsonLines(logging.Formatter):
    """One escaped JSON object a record, at most 8 kB, with what `extra` gave it (request_id)."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update((name, value) for name, value in record.__dict__.items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[0]:
            entry["error"] = "".join(traceback.format_exception(*record.exc_info))
        return _fitting(entry)


class Readable(logging.Formatter):
    """For a person at a terminal: control characters are shown, never acted upon."""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        request = record.__dict__.get("request_id")
        tail = f"  [{request}]" if request else ""
        text = f"{clock} {record.levelname:<7} {record.name}: {record.getMessage()}{tail}"
        lines = [_masked(text)[:_MAX_LINE]]
        if record.exc_info and record.exc_info[0]:
            trace = "".join(traceback.format_exception(*record.exc_info))
            lines += _masked(trace)[-_MAX_LINE:].rstrip().split("\n")
        return "\n".join(map(_shown, lines))


def _fitting(entry: dict[str, object]) -> str:
    room = _MAX_LINE // 2
    while True:
        line = json_line({name: _short(value, room, from_end=name == "error") for name, value in entry.items()})
        if len(line) * 4 < _MAX_LINE or len(line.encode("utf-8", "backslashreplace")) < _MAX_LINE:
            return line
        room //= 2
        if room < 16:
            return json_line({name: _short(entry[name], 64) for name in ("time", "level", "logger", "message")})


def json_line(entry: dict[str, object]) -> str:
    """The entry as JSON on one line, whatever is in it: no character acts on a terminal or ends a line."""
    try:
        line = orjson.dumps(entry, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, or numbers past 64 bits
        return json.dumps(entry, default=repr)
    return line if line.isascii() and "\x7f" not in line else _UNSAFE.sub(_escape, line)


def _short(value: object, room: int, *, from_end: bool = False) -> object:
    if isinstance(value, str):
        text = _masked(value[-4 * room :] if from_end else value[: 4 * room])
        if len(text) <= room:
            return text
        return "…" + text[-room:] if from_end else text[:room] + "…"
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return _short(repr(value), room)


def _masked(text: str) -> str:
    return _KEYLIKE.sub(r"\1***", text)


def _shown(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else _written(c) for c in text)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _install(handlers: list[logging.Handler], level: int | str) -> None:
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)
