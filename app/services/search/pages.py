"""Pages that a search engine points to, fetched under guard and read in child processes."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Final

from app.domain.errors import InvalidRequest, Overloaded
from app.domain.search import Passage
from app.transport.fetcher import Fetched, GuardedFetcher
from app.utils.charsets import decoded
from app.utils.children import Children, ChildrenBusyError, JobDiedError, JobRefusedError

MAX_BYTES: Final = 3 * 2**20
MAX_CHARS: Final = 400_000
MOST_PASSAGES: Final = 10
"""Of one page, that are compared with the question by meaning."""
ACCEPT: Final = "text/html, application/xhtml+xml, text/plain;q=0.9, application/pdf;q=0.8, */*;q=0.1"
_META: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_TEXTS: Final = ("text/plain", "text/markdown", "text/x-markdown", "application/json")


class PageReader:
    """children: of `app.jobs.web_pages`."""

    def __init__(self, fetcher: GuardedFetcher, children: Children) -> None:
        self._fetcher = fetcher
        self._children = children

    def read(self, url: str, words: frozenset[str], seconds: float) -> tuple[str, list[Passage]]:
        """Where the page was found in the end, and what of it may be about these words, within so many seconds.

        Raises as `GuardedFetcher.fetch` does; InvalidRequest where there is nothing to read, Overloaded.
        """
        until = time.monotonic() + seconds
        fetched = self._fetcher.fetch(url, max_bytes=MAX_BYTES, seconds=seconds, accept=ACCEPT)
        if fetched.status != 200:
            raise InvalidRequest(f"the page's host answered {fetched.status}")
        content_type, body = _readable(fetched)
        if time.monotonic() >= until:
            raise InvalidRequest("the page came too late")
        return fetched.url, self._passages(body, content_type, words)

    def close(self) -> None:
        self._children.close()

    def _passages(self, body: bytes, content_type: str, words: frozenset[str]) -> list[Passage]:
        job = {
            "path": "input",
            "content_type": content_type,
            "max_chars": MAX_CHARS,
            "words": sorted(words),
            "most": MOST_PASSAGES,
        }

        def prepare(folder: Path) -> None:
            (folder / "input").write_bytes(body)

        try:
            return self._children.run(job, _collected, prepare=prepare)
        except ChildrenBusyError:
            raise Overloaded("too many pages are being read at once", retry_after=2) from None
        except (JobRefusedError, JobDiedError, OSError) as fault:
            raise InvalidRequest("the page cannot be read") from fault


def _collected(answer: dict[str, Any], folder: Path) -> list[Passage]:
    return [Passage(**told) for told in answer["passages"]]


def _readable(fetched: Fetched) -> tuple[str, bytes]:
    """Its content type and its bytes, text as UTF-8. Raises InvalidRequest for what is neither a text nor a PDF."""
    kind = fetched.content_type.partition(";")[0].strip()
    if fetched.body.startswith(b"%PDF-"):
        return "application/pdf", fetched.body
    if kind in _TEXTS:
        kind = "text/plain"
    elif kind in ("text/html", "application/xhtml+xml") or (not kind and b"<html" in fetched.body[:1024].lower()):
        kind = "text/html"
    else:
        raise InvalidRequest("the page is no text")
    told = fetched.content_type or "text/html"
    if "charset" not in told and kind == "text/html" and (meta := _META.search(fetched.body[:2048])):
        told += f"; charset={meta[1].decode('ascii')}"
    text = decoded(fetched.body, told)
    if text is None:
        raise InvalidRequest("the page is no text")
    return kind, text.encode("utf-8", "replace")
