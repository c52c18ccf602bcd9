"""Passages of a web page that may be about a question.

A child's module (`app.utils.children`). Reading, cutting and counting words of what strangers sent is CPU, and is
done here so that only what may be used comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from app.domain.policies.passages import cut, likely
from app.jobs import documents
from app.jobs.child import Answer, Job, serve


def load() -> Callable[[Job], Answer]:
    return read


def read(job: Job) -> Answer:
    """job: as `documents.read` has it, and `words`, `most` passages. Raises Refused as that does."""
    text = "\n".join(page["text"] for page in documents.read({**job, "scans": 0})["pages"])
    return {"passages": [asdict(passage) for passage in likely(cut(text), frozenset(job["words"]), job["most"])]}


if __name__ == "__main__":
    serve(load)
