"""Logs: one escaped line a record, written off the loop, losses counted, secrets masked."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.utils import logs
from app.utils.line_files import LineFile, LineWriter
from app.utils.logs import JsonLines, Readable

ROOT = Path(__file__).parents[3]
HOSTILE = ["a\r\nb", "\x1b[2J", "x\u2028y\u2029z", "\u202egpj.exe", "\x00\x7f\x9b", "\ud800", '"}{', "é🙂"]


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("name", logging.INFO, "path", 1, message, args, None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize("text", HOSTILE)
def test_fault_11_07_hostile_text_is_one_escaped_line(text: str) -> None:
    line = JsonLines().format(record("agent %s", text, path=text))
    assert len(line.splitlines()) == 1
    assert not any(ord(c) < 32 or 0x7F <= ord(c) <= 0x9F or c in "\u2028\u2029\u202e" for c in line)
    assert json.loads(line)["path"] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_fault_11_07_a_terminal_is_told_nothing(text: str) -> None:
    shown = Readable().format(record("agent %s", text))
    assert "\n" not in shown
    assert shown.encode("utf-8", "strict").decode().isprintable()


@given(st.text(max_size=300), st.integers(1, 200))
def test_fault_11_07_every_line_is_json_under_8_kb(text: str, times: int) -> None:
    line = JsonLines().format(record("%s", text * times, model=text * times, n=2**70, what={"a": [text]}))
    assert len(line.encode("utf-8", "backslashreplace")) < 8192
    assert json.loads(line)["level"] == "INFO"


def test_an_error_keeps_the_end_of_its_trace_and_the_request_id() -> None:
    try:
        (_ for _ in ()).throw(ValueError("x" * 20_000 + "the end"))
    except ValueError:
        made = record("broke", request_id="r1")
        made.exc_info = sys.exc_info()
    entry = json.loads(JsonLines().format(made))
    assert entry["request_id"] == "r1"
    assert entry["error"].rstrip().endswith("the end")


def test_key_like_words_are_masked() -> None:
    for formatter in (JsonLines(), Readable()):
        line = formatter.format(record("got %s", "sk-0123456789abcdef", key="gsk_0123456789abcdef"))
        assert "0123456789abcdef" not in line


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield tmp_path / "logs"
    root.handlers[:], level = before
    root.setLevel(level)
    logging.captureWarnings(False)


def test_records_and_access_lines_are_in_their_files_once_closed(folder: Path) -> None:
    written = logs.configure(folder, "INFO", max_bytes=1 << 20, keep=2)
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").error("loud", extra={"request_id": "r2"})
    logging.getLogger("x").info("wrong %d", "argument")
    written.write_access(b'{"event":"request"}\n')
    written.close()
    app = [json.loads(line) for line in (folder / "app.log").read_text().splitlines()]
    assert [line.get("message") for line in app] == ["quiet", "loud", "unreadable log call", None]
    (error,) = (folder / "error.log").read_text().splitlines()
    assert json.loads(error)["request_id"] == "r2"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_fault_11_08_a_disk_that_takes_nothing_harms_nobody_and_is_counted(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    written = logs.configure(folder, "INFO", max_bytes=1 << 20, keep=2)
    for _ in range(10):
        written.write_access(b"{}\n")
    written.close()
    assert written.lost == 10


def test_fault_11_08_a_slow_disk_does_not_hold_the_caller() -> None:
    class Slow:
        def write(self, data: bytes) -> None:
            os.read(reader, 1)

        def close(self) -> None: ...

    reader, release = os.pipe()
    writer = LineWriter()
    began = time.monotonic()
    for _ in range(50_000):
        writer.put(Slow(), b"line\n")  # type: ignore[arg-type]
    assert time.monotonic() - began < 2
    assert writer.lost >= 10_000
    os.write(release, b"x" * 60_000)
    writer.close()


def test_fault_11_08_a_renamed_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    file = LineFile(path, 1 << 20, 2)
    file.write(b"1\n")
    path.rename(tmp_path / "moved")
    file.write(b"2\n")
    file.close()
    assert (path.read_bytes(), (tmp_path / "moved").read_bytes()) == (b"2\n", b"1\n")


@pytest.mark.parametrize("keep", [0, 2])
def test_files_are_rotated_by_size_and_only_so_many_stay(tmp_path: Path, keep: int) -> None:
    file = LineFile(tmp_path / "app.log", 10, keep)
    for n in range(8):
        file.write(b"line %d\n" % n)
    file.close()
    kept = {path.name: path.read_text() for path in tmp_path.glob("app.log*")}
    newest = {"app.log": "line 7\n", "app.log.1": "line 6\n", "app.log.2": "line 5\n"}
    assert kept == dict(list(newest.items())[: keep + 1])


def test_fault_11_08_four_processes_rotate_one_file_and_every_line_stays_whole(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.utils.line_files import LineFile\n"
        f"file = LineFile(Path({str(tmp_path / 'app.log')!r}), 20_000, 1000)\n"
        "for n in range(1000): file.write(f'{sys.argv[1]} {n} {\"x\" * 40}\\n'.encode())\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(n)], cwd=ROOT) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = [line for path in tmp_path.glob("app.log*") for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{w} {n} {'x' * 40}" for w in range(4) for n in range(1000))
