"""Prompts and answers are put down whole, once, for people and for spreadsheets."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, Message
from app.domain.finished import Finished
from app.domain.ratings import Rated, Rating
from app.services.chat.prompt_log import COLUMNS, PromptLog
from tests.stores.sql_support import row

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)


def ended(question: str = "Why?", answer: str = "Because.", username: str = "ada", **facts: Any) -> Finished:
    asked = ChatRequest("p1", "app", Caller("user-1", username, "user"), "auto", (Message("user", question),))
    return Finished(asked, row("p1", created_at=AT, **facts), question, answer, None, None, 0)


def rated(feedback: str | None) -> Rated:
    return Rated(Rating("user-1", "p1", 4, feedback, "m", "demo", AT), "ada", None)


class AtOnce:
    """In the place of the writer's thread."""

    def put(self, sink: Any, line: bytes) -> None:
        sink.write(line)

    def close(self) -> None: ...


def written_at_once(folder: Path, **options: int) -> PromptLog:
    log = PromptLog(folder, **options)
    log._writer.close()
    log._writer = AtOnce()  # type: ignore[assignment]
    return log


def json_rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "prompts.json").read_text().splitlines()]


def csv_rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_an_answer_is_one_row_and_its_rating_another(tmp_path: Path) -> None:
    log = PromptLog(tmp_path, max_bytes=1 << 20, keep=2)
    log.finished(ended())
    log.rated(rated("good"))
    log.close()
    answer, rating = json_rows(tmp_path)
    assert answer == {
        "timestamp": "2026-11-21T13:00:00.000Z",
        "user": "ada",
        "prompt": "Why?",
        "model": "m",
        "response": "Because.",
        "latency_ms": 12,
        "tokens": 30,
        "prompt_id": "p1",
        "rating": None,
        "feedback": None,
    }
    assert (rating["prompt_id"], rating["rating"], rating["feedback"], rating["prompt"]) == ("p1", 4, "good", None)
    head, first, second = csv_rows(tmp_path / "prompts.csv")
    assert tuple(head) == COLUMNS
    assert first == ["2026-11-21T13:00:00.000Z", "ada", "Why?", "m", "Because.", "12", "30", "p1", "", ""]
    assert second == ["2026-11-21T13:00:00.000Z", "ada", "", "m", "", "", "", "p1", "4", "good"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_chat_without_an_answer_leaves_nothing_and_a_cut_one_what_was_sent(tmp_path: Path) -> None:
    log = PromptLog(tmp_path, max_bytes=1 << 20, keep=2)
    log.finished(ended(answer="", state="upstream_failed"))
    log.finished(ended(answer="Beca", state="client_gone"))
    log.finished(ended(answer=""))  # a picture, or a tool call
    log.close()
    assert [line["response"] for line in json_rows(tmp_path)] == ["Beca", ""]


def test_fault_11_07_a_prompt_is_no_formula_and_no_line_break_of_the_log(tmp_path: Path) -> None:
    log = PromptLog(tmp_path, max_bytes=1 << 20, keep=2)
    for hostile in ("=1+1", "@x", "-1", "\t=1", "a\r\nb\x1b[2J\u2028"):
        log.finished(ended(hostile, hostile, hostile))
    log.close()
    assert [line["prompt"] for line in json_rows(tmp_path)] == ["=1+1", "@x", "-1", "\t=1", "a\r\nb\x1b[2J\u2028"]
    rows = csv_rows(tmp_path / "prompts.csv")[1:]
    assert [row[1] for row in rows] == ["'=1+1", "'@x", "'-1", "'\t=1", "a\nb\\x1b[2J\\u2028"]
    assert all(row[1] == row[2] == row[4] for row in rows)


def test_each_rotated_file_begins_with_the_names_of_its_columns(tmp_path: Path) -> None:
    log = written_at_once(tmp_path, max_bytes=400, keep=3)
    for n in range(6):
        log.finished(ended(f"{n} " + "x" * 200))
    log.close()
    files = sorted(tmp_path.glob("prompts.csv*"))
    assert [path.name for path in files] == ["prompts.csv", "prompts.csv.1", "prompts.csv.2", "prompts.csv.3"]
    assert all(csv_rows(path)[0] == list(COLUMNS) for path in files)
    assert [csv_rows(path)[1][2][0] for path in files] == ["5", "4", "3", "2"]


def test_fault_11_08_four_workers_rotate_both_files_and_every_row_stays_whole(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.unit.chat.test_prompt_log import ended, written_at_once\n"
        f"log = written_at_once(Path({str(tmp_path)!r}), max_bytes=20_000, keep=1000)\n"
        "for n in range(300):\n"
        "    log.finished(ended(f'{sys.argv[1]}-{n} ' + 'two\\nlines ' * 9))\n"
        "log.close()\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(n)], cwd=ROOT) for n in range(4)]
    assert [writer.wait(90) for writer in writers] == [0] * 4
    wanted = sorted(f"{w}-{n}" for w in range(4) for n in range(300))
    lines = [json.loads(x) for path in tmp_path.glob("prompts.json*") for x in path.read_text().splitlines()]
    assert sorted(line["prompt"].split()[0] for line in lines) == wanted
    found = []
    for path in tmp_path.glob("prompts.csv*"):
        head, *rows = csv_rows(path)
        assert tuple(head) == COLUMNS
        found += [row[2].split()[0] for row in rows]
    assert sorted(found) == wanted


def test_fault_11_08_a_disk_that_takes_nothing_harms_nobody_and_is_counted(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    log = PromptLog(tmp_path / "logs", max_bytes=1 << 20, keep=2)
    log.finished(ended())
    log.close()
    assert log.lost == 2


def test_rows_that_no_disk_takes_hold_only_so_much_memory(tmp_path: Path) -> None:
    log = PromptLog(tmp_path, max_bytes=1 << 30, keep=0)
    log._writer._write = lambda sink, lines: None  # type: ignore[method-assign]
    log._writer._taken = 65 * 2**20  # what a stuck disk has not taken yet
    log.finished(ended())
    assert log.lost == 2
    log.close()
