"""How long an upload may take, and when its connection is not to be used again."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from typing import Any

import pytest
from gevent import sleep

from app.domain.errors import InvalidRequest, RequestTimeout
from app.middleware.upload_body import PIECE, UploadBody, is_upload


class Slow(io.BytesIO):
    """Bytes of which each read takes so many seconds."""

    def __init__(self, data: bytes, seconds: float) -> None:
        super().__init__(data)
        self._seconds = seconds

    def read(self, size: int | None = -1) -> bytes:
        sleep(self._seconds)
        return super().read(size)


def body(data: bytes, seconds: float = 0.0, *, allowed: float = 5.0, every: int = 10**6, **environ: Any) -> UploadBody:
    made = {"wsgi.input": Slow(data, seconds), "CONTENT_LENGTH": str(len(data))} | environ
    return UploadBody(made, seconds=allowed, every=every)


def read(upload: UploadBody) -> bytes:
    return b"".join(iter(upload.read, b""))


def test_it_comes_in_pieces_of_bounded_size_whatever_is_asked_for() -> None:
    upload = body(b"x" * (3 * PIECE + 5))
    assert [len(upload.read(10**9)), len(upload.read(-1)), len(upload.read(7))] == [PIECE, PIECE, 7]
    assert not upload.done
    assert len(read(upload)) == PIECE - 2
    assert upload.done


def test_a_chunked_one_ends_where_it_ends() -> None:
    upload = body(b"x" * 100, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    assert upload.length is None
    assert (read(upload), upload.done) == (b"x" * 100, True)


def test_fault_1_20_one_that_ends_early_is_refused() -> None:
    upload = body(b"x" * 100, CONTENT_LENGTH="101")
    with pytest.raises(InvalidRequest, match="shorter"):
        read(upload)
    assert not upload.done


def test_fault_1_21_a_small_one_has_the_time_of_any_body() -> None:
    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        read(body(b"x" * 100, 5.0, allowed=0.1))
    assert time.monotonic() - began < 1


def test_a_large_one_has_as_much_more_time_as_it_is_larger() -> None:
    data = b"x" * (8 * PIECE)
    assert read(body(data, 0.03, allowed=0.06, every=PIECE)) == data  # 8 × 0.03 s, of 8 × 0.06 s
    with pytest.raises(RequestTimeout):
        read(body(data, 0.03, allowed=0.06, every=len(data)))


def test_what_we_do_between_two_pieces_is_not_counted() -> None:
    upload = body(b"x" * (2 * PIECE), 0.0, allowed=0.1)
    upload.read()
    sleep(0.2)
    assert len(upload.read()) == PIECE


@pytest.mark.parametrize(("reads", "closes"), [(0, True), (1, True), (2, False)])
def test_a_reply_before_the_end_of_the_body_is_the_last_of_its_connection(reads: int, closes: bool) -> None:
    closed: list[bool] = []
    upload = body(b"x" * (2 * PIECE), **{"onedoor.close_connection": lambda: closed.append(True)})
    for _ in range(reads):
        upload.read()

    def start(status: str, headers: Iterable[tuple[str, str]]) -> Any:
        assert (status, list(headers)) == ("200 OK", [])

    upload.closing(start)("200 OK", [])  # type: ignore[arg-type]
    assert bool(closed) is closes


@pytest.mark.parametrize(
    ("path", "method", "content_type", "left"),
    [
        ("/v1/files", "POST", "multipart/form-data; boundary=x", True),
        ("/files/upload", "POST", "Multipart/Form-Data; boundary=x", True),
        ("/files/upload", "POST", "application/json", False),
        ("/files/upload", "PUT", "multipart/form-data; boundary=x", False),
        ("/llm/chat", "POST", "multipart/form-data; boundary=x", False),
        ("/token", "POST", "multipart/form-data; boundary=x", False),
    ],
)
def test_only_forms_at_the_routes_of_uploads_are_left_unread(
    path: str, method: str, content_type: str, left: bool
) -> None:
    assert is_upload({"PATH_INFO": path, "REQUEST_METHOD": method, "CONTENT_TYPE": content_type}) is left
