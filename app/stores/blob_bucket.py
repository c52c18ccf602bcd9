"""Blobs as objects of a bucket that speaks S3: AWS, MinIO, Ceph and the like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from app.domain.errors import Unavailable
from app.stores.blob_folder import disk_fault
from app.stores.s3_signing import EMPTY_SHA256, S3Keys, signed
from app.utils.clock import utcnow
from app.utils.spooled import PIECE, SpooledFile, SpoolFolder

log = logging.getLogger(__name__)

T = TypeVar("T")


class BulkReply(Protocol):
    """status: of the reply. pieces: its body as it comes. `error`: the beginning of a body that tells a fault."""

    status: int

    def pieces(self) -> Iterator[bytes]:
        """Raises Unavailable where the body breaks off."""

    def error(self) -> str: ...


#: Method, URL, headers, body in pieces: the reply while the block runs. Raises Unavailable.
Ask = Callable[[str, str, Mapping[str, str], Iterable[bytes]], AbstractContextManager[BulkReply]]


@dataclass(frozen=True, slots=True)
class Bucket:
    """base: the URL that ids are appended to."""

    base: str

    @classmethod
    def parse(cls, url: str, region: str) -> Bucket:
        """From `s3://bucket/prefix?endpoint=https://…`; without an endpoint it is AWS's. Raises ValueError."""
        parts = urlsplit(url)
        bucket, prefix = parts.netloc, parts.path.strip("/")
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        endpoint = query.pop("endpoint", [""])[0].rstrip("/")
        if parts.scheme != "s3" or not bucket or query:
            raise ValueError("must be s3://bucket/prefix?endpoint=https://…")
        if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
            raise ValueError("has an endpoint that is no http or https URL")
        if endpoint:
            base = f"{endpoint}/{bucket}"
        elif "." in bucket:  # the certificate is for one label
            base = f"https://s3.{region}.amazonaws.com/{bucket}"
        else:
            base = f"https://{bucket}.s3.{region}.amazonaws.com"
        return cls(base + "/" + (quote(prefix, safe="/-_.~") + "/" if prefix else ""))


class BlobBucket:
    """Implements `BlobStore`. ask: the HTTP client. spool: where objects pass through that are wanted as files."""

    def __init__(
        self, bucket: Bucket, keys: S3Keys, ask: Ask, spool: SpoolFolder, now: Callable[[], datetime] = utcnow
    ) -> None:
        self._bucket = bucket
        self._keys = keys
        self._ask = ask
        self._spool = spool
        self._now = now

    def put(self, blob_id: str, content: SpooledFile) -> None:
        """See `BlobStore.put`. An object is there whole or not at all; the store checks it by its hash."""
        headers = {"Content-Length": str(content.bytes), "Content-Type": "application/octet-stream"}

        def put() -> None:
            with self._asked("PUT", blob_id, headers, self._file(content), content.sha256) as reply:
                self._expect(reply, 200)

        _twice(put)

    def read(self, blob_id: str, start: int, length: int) -> Iterator[bytes]:
        """See `BlobStore.read`."""

        def begin() -> Iterator[bytes]:
            headers = {"Range": f"bytes={start}-{start + length - 1}"}
            with ExitStack() as held:
                reply = held.enter_context(self._asked("GET", blob_id, headers))
                self._expect(reply, 206)
                return _held(held.pop_all(), reply.pieces())

        return _twice(begin)

    @contextmanager
    def local(self, blob_id: str) -> Iterator[Path]:
        """See `BlobStore.local`. The object is fetched for it and gone afterwards."""
        try:
            with self._spool.new() as file:
                with self._asked("GET", blob_id) as reply:
                    self._expect(reply, 200)
                    for piece in reply.pieces():
                        file.write(piece)
                yield file.finish().path
        except OSError as fault:
            raise disk_fault(fault) from fault

    def delete(self, blob_id: str) -> None:
        """See `BlobStore.delete`."""
        with self._asked("DELETE", blob_id) as reply:
            self._expect(reply, 204, 200, 404)

    def _asked(
        self,
        method: str,
        blob_id: str,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] = (),
        sha256: str = EMPTY_SHA256,
    ) -> AbstractContextManager[BulkReply]:
        url = self._bucket.base + blob_id
        return self._ask(method, url, signed(method, url, headers or {}, sha256, self._keys, self._now()), body)

    def _file(self, content: SpooledFile) -> Iterator[bytes]:
        lane = self._spool.lane
        with content.path.open("rb", buffering=0) as file:
            while data := lane.run(lambda: file.read(PIECE)):
                yield data

    @staticmethod
    def _expect(reply: BulkReply, *statuses: int) -> None:
        if reply.status not in statuses:
            log.error("the file store answered %d: %s", reply.status, reply.error())
            raise Unavailable("The file store does not do its part now.", retry_after=5)


def _twice(work: Callable[[], T]) -> T:
    """Object stores ask their clients to come again: 500 and 503 are ordinary there."""
    try:
        return work()
    except Unavailable:
        return work()


def _held(held: ExitStack, pieces: Iterator[bytes]) -> Iterator[bytes]:
    with held:
        yield from pieces
