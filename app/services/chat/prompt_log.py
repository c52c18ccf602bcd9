"""The log of prompts and answers in plain text, as JSON lines and for spreadsheets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from app.domain.finished import Finished
from app.domain.ratings import Rated
from app.utils.clock import rfc3339
from app.utils.line_files import LineFile, LineWriter
from app.utils.logs import json_line
from app.utils.spreadsheets import csv_row

COLUMNS: Final = (
    "timestamp",
    "user",
    "prompt",
    "model",
    "response",
    "latency_ms",
    "tokens",
    "prompt_id",
    "rating",
    "feedback",
)


class PromptLog:
    """`prompts.json` and `prompts.csv` in this folder: a row an answer, and a further one each time it is rated.

    max_bytes: size at which a file is rotated. keep: how many rotated ones stay. Writing is a native thread's, several
    workers may have the same folder, and what cannot be written is counted and harms nobody.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep: int) -> None:
        self._writer = LineWriter()
        self._json = LineFile(folder / "prompts.json", max_bytes, keep)
        self._csv = LineFile(folder / "prompts.csv", max_bytes, keep, head=csv_row(COLUMNS))

    @property
    def lost(self) -> int:
        """Rows that could not be written, since the start of this process."""
        return self._writer.lost

    def finished(self, ended: Finished) -> None:
        """Put down what was answered; a chat that got no answer, or that nobody asked, leaves nothing."""
        row = ended.row
        if ended.request.wishes.errand:
            return
        if not ended.answer and row.state != "complete":
            return
        self._put(
            row.created_at,
            ended.request.caller.username,
            row.model,
            row.prompt_id,
            prompt=ended.question,
            response=ended.answer,
            latency_ms=row.latency_ms,
            tokens=row.usage.total,
        )

    def rated(self, rated: Rated) -> None:
        """Put down that an answer was rated."""
        said = rated.rating
        self._put(said.at, rated.username, said.model, said.prompt_id, rating=said.rating, feedback=said.feedback)

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()

    def _put(self, at: datetime, user: str, model: str, prompt_id: str, **facts: str | int | None) -> None:
        said = {"timestamp": rfc3339(at), "user": user, "model": model, "prompt_id": prompt_id, **facts}
        row = {column: said.get(column) for column in COLUMNS}
        line = json_line(dict(row)).encode("utf-8", "backslashreplace") + b"\n"
        self._writer.put(self._json, line)
        self._writer.put(self._csv, csv_row(row.values()))
