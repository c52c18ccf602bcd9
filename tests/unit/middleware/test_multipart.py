"""Forms, cut anywhere, and what is no form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest
from app.middleware.multipart import MultipartReader, Part

TYPE = "multipart/form-data; boundary=bound"
HEAD = b'Content-Disposition: form-data; name="a"; filename="x"\r\n\r\n'


def form(content: bytes, padding: bytes = b"", before: bytes = b"", after: bytes = b"\r\n") -> bytes:
    line = b"--bound" + padding + b"\r\n"
    second = b'Content-Disposition: form-data; name="b"\r\n\r\nq\r\n'
    return before + line + HEAD + content + b"\r\n" + line + second + b"--bound--" + after


def read(*pieces: bytes, content_type: str = TYPE) -> dict[str, bytes]:
    reader = MultipartReader(content_type)
    found: dict[str, bytes] = {}
    ended: dict[str, bool] = {}
    name = ""
    for piece in pieces:
        for event in reader.feed(piece):
            if isinstance(event, Part):
                name = event.name
                assert name not in found
                found[name] = b""
            else:
                found[name] += event.data
                ended[name] = event.last
    reader.end()
    assert all(ended.values())
    return found


CONTENTS = [
    b"", b"hello", b"\r\n", b"\r\n\r\n", b"a\r", b"a\n", b"\r" * 5, b"--bound", b"--bound\r\n", b"\n--bound\r\n",
    b"x\r\n--bou", b"\r\n--boundX", b"\r\n--bound   x", b"\r\n--bound-", b"\r\n--bound-\r\n",
    b"\r\n--bound" + b" " * 80,
]  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(
    ("before", "padding", "after"), [(b"", b"", b"\r\n"), (b"pre\r\n", b"  ", b""), (b"\r\n", b"\t", b"\r\nepilogue")]
)
def test_a_form_is_the_same_wherever_it_is_cut(content: bytes, before: bytes, padding: bytes, after: bytes) -> None:
    body = form(content, padding, before, after)
    for at in range(1, len(body)):
        for width in (0, 1, 3):
            assert read(body[:at], body[at : at + width], body[at + width :]) == {"a": content, "b": b"q"}, at


@given(st.binary(max_size=300).filter(lambda data: b"--bound" not in data), st.lists(st.integers(1, 40), max_size=20))
def test_any_bytes_come_through_in_pieces_of_any_size(content: bytes, sizes: list[int]) -> None:
    body = form(content)
    pieces = []
    for size in sizes:
        pieces.append(body[:size])
        body = body[size:]
    assert read(*pieces, body) == {"a": content, "b": b"q"}


def test_fault_7_12_a_form_cut_off_anywhere_is_refused() -> None:
    whole = form(b"hello", after=b"")
    for at in range(len(whole)):
        with pytest.raises(InvalidRequest):
            read(whole[:at])


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "b" * 71,
        "multipart/form-data; boundary=" + "b" * 10_000,
        'multipart/form-data; boundary="a\tb"',
        'multipart/form-data; boundary="ends in a blank "',
        'multipart/form-data; boundary="bö"',
    ],
)
def test_fault_7_12_no_boundary_or_one_that_cannot_be_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest, match="boundary"):
        MultipartReader(content_type)


@pytest.mark.parametrize(
    ("head", "field"),
    [
        (b'Content-Disposition: form-data; name="a"; filename="x"; filename*=UTF-8\'\'y', "a"),
        (b'Content-Disposition: form-data; filename*=UTF-8\'\'y; name="a"; filename="x"', "a"),
        (b'Content-Disposition: form-data; name="a"\r\nContent-Type: multipart/mixed; boundary=in', "a"),
        (b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64', "a"),
        (b'Content-Disposition: form-data; filename="x"', "body"),
        (b'Content-Disposition: attachment; name="a"', "body"),
        (b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"', "body"),
        (b"Content-Type: text/plain", "body"),
        (b"no header at all", "body"),
        (b"X: " + b"y" * 9000, "body"),
    ],
)
def test_fault_7_12_a_part_that_cannot_be_told_is_refused_by_its_name(head: bytes, field: str) -> None:
    with pytest.raises(InvalidRequest) as fault:
        read(b"--bound\r\n" + head + b"\r\n\r\ncontent\r\n--bound--\r\n")
    assert fault.value.field == field


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b'form-data; name="a"; filename="a; filename*=b.txt"', "a; filename*=b.txt"),
        (b"form-data; name=a; filename*=UTF-8''%C3%A4.txt", "ä.txt"),
        ('form-data; name="a"; filename="файл.txt"'.encode(), "файл.txt"),
        (b'form-data; name="a"; filename="\xff.txt"', "\ufffd.txt"),
        (b'form-data; name="a"; filename=""', ""),
        (b'form-data; name="a"', None),
    ],
)
def test_a_filename_is_read_as_its_sender_wrote_it(disposition: bytes, filename: str | None) -> None:
    reader = MultipartReader(TYPE)
    [part] = reader.feed(b"--bound\r\nContent-Disposition: " + disposition + b"\r\n\r\n")
    assert part == Part("a", filename)


@pytest.mark.parametrize("where", ["before", "after"])
def test_fault_7_12_what_stands_around_the_parts_has_an_end(where: str) -> None:
    reader = MultipartReader(TYPE)
    if where == "after":
        list(reader.feed(form(b"x")))
    list(reader.feed(b"x" * 60_000))
    with pytest.raises(InvalidRequest, match="before or after"):
        list(reader.feed(b"x" * 65_536))


@pytest.mark.parametrize("junk", [b"\r", b"\n", b"\r\n--boun", b"--bound", b"\r\n--bound-", b"\r\n--boundX"])
def test_fault_7_12_three_megabytes_of_near_boundaries_are_only_bytes(junk: bytes) -> None:
    reader = MultipartReader(TYPE)
    list(reader.feed(b"--bound\r\n" + HEAD))
    piece = (junk * 65536)[:65536]
    seen = sum(len(event.data) for _ in range(48) for event in reader.feed(piece) if not isinstance(event, Part))
    assert 48 * 65536 - seen < 100  # all but what may yet become a boundary has gone out
