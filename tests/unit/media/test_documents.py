"""The text of documents, with marks of where in them it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.errors import InvalidRequest
from app.services.media.media import Media
from tests import made_media as made


def test_a_pdf_is_read_page_by_page(media: Media) -> None:
    seen = media.look(made.pdf("The first page", "The second one"), owner=None)
    assert seen.kind == "document"
    assert [(page.label, page.number, page.text) for page in seen.pages] == [
        ("page 1", 1, "The first page"),
        ("page 2", 2, "The second one"),
    ]


def test_a_word_file_is_read_with_its_headings_and_tables(media: Media) -> None:
    seen = media.look(made.word("Grüße aus Köln.", "Second.", cells=("apples", "3")), owner=None)
    assert [page.label for page in seen.pages] == ["section 'Chapter one'"]
    assert seen.text == "# Chapter one\nGrüße aus Köln.\nSecond.\napples | 3"


def test_sheets_are_read_row_by_row(media: Media) -> None:
    book = made.sheets(Prices=[["fruit", "price"], ["apple", 1.5], ["pear", None]], Empty=[], More=[["x"]])
    seen = media.look(book, owner=None)
    assert [(page.label, page.text) for page in seen.pages] == [
        ("sheet 'Prices'", "fruit | price\napple | 1.5\npear"),
        ("sheet 'More'", "x"),
    ]


def test_slides_are_read_with_their_numbers(media: Media) -> None:
    seen = media.look(made.slides("Hello", "World"), owner=None)
    assert [(page.label, page.number, page.text) for page in seen.pages] == [
        ("slide 1", 1, "Hello"),
        ("slide 2", 2, "World"),
    ]


def test_html_is_read_as_a_person_sees_it(media: Media) -> None:
    html = """<!doctype html><html><head><title>The title</title><style>p{}</style></head><body>
    <h1>Top &amp; more</h1><p>Seen <b>bold</b><br>line</p><!-- a comment --><script>alert(1)</script>
    <p hidden>hidden one</p><div style="display: none"><p>hidden two</p></div><span aria-hidden=true>three</span>
    <ul><li>one<li>two</ul><table><tr><td>a<td>b</table><h2>Second</h2><p>End.</p></body></html>"""
    seen = media.look(html.encode(), owner=None)
    assert [page.label for page in seen.pages] == [None, "section 'Top & more'", "section 'Second'"]
    assert seen.pages[0].text == "The title"
    assert seen.pages[1].text == "# Top & more\nSeen bold\nline\n- one\n- two\na | b"
    assert seen.pages[2].text == "## Second\nEnd."


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        ("notes.md", "# Größe\n- eins".encode(), "# Größe\n- eins"),
        ("table.csv", b"a,b\r\n1,2\r\n", "a,b\n1,2"),
        ("code.py", b"def f():\n    return 1\n", "def f():\n    return 1"),
        ("wide.txt", "Wärme".encode("utf-16"), "Wärme"),
        ("mark.txt", b"\xef\xbb\xbfmarked", "marked"),
        ("data.json", b'{"a": 1}', '{"a": 1}'),
    ],
)
def test_plain_text_is_read_as_it_is(media: Media, tmp_path: Path, name: str, raw: bytes, text: str) -> None:
    (tmp_path / "file").write_bytes(raw)
    kind = media.type_of(tmp_path / "file", name)
    assert media.look(tmp_path / "file", owner=None, content_type=kind).text == text


def test_what_no_reader_sees_is_left_out(media: Media) -> None:
    hidden = "vis\u200bible \U000e0041\U000e0042\u202etext\u2066\u00ad"
    assert media.look(hidden.encode(), owner=None).text == "visible text"


def test_a_long_text_is_cut_with_a_notice(media: Media) -> None:
    seen = media.look(b"word " * 1000, owner=None, max_chars=100)
    assert len(seen.text) == 100
    assert seen.cut
    assert seen.notices == ("only its first 100 characters were read",)


def test_a_document_without_text_is_told_so(media: Media) -> None:
    with pytest.raises(InvalidRequest, match="no text"):
        media.look(made.pdf("", ""), owner=None)


def test_a_scanned_page_is_read_as_a_picture(media: Media) -> None:
    seen = media.look(made.scan("Invoice 4711"), owner=None)
    assert [page.scanned for page in seen.pages] == [True]
    assert "4711" in seen.text


def test_the_text_of_a_picture_can_be_read(media: Media, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    made.written_picture("Hello World").save(path)
    assert "hello" in media.read_document(path, "image/png", 100).lower()


@pytest.mark.parametrize(
    "odd", ["<![if IE]>x<![endif]>", "<![CDATA[y]]>", "<![what", "<!", "<![>", "</", "<!x y", "<?php"]
)
def test_html_with_odd_sections_keeps_its_text(media: Media, odd: str) -> None:
    html = f"<!doctype html><html><body><p>Before.</p>{odd}<p>After.</p></body></html>"
    seen = media.look(html.encode(), owner=None)
    assert "Before." in seen.text
