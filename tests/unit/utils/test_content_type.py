"""What a file is, whatever it is called."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import pytest

from app.domain.files import kind_of
from app.utils.content_type import HEAD, type_of, type_of_head

OFFICE = "application/vnd.openxmlformats-officedocument."
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 30


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name in names:
            file.writestr(name, "<x/>")
    return made.getvalue()


@pytest.mark.parametrize(
    ("head", "name", "content_type"),
    [
        (PNG, "clip.mp4", "image/png"),
        (b"<!DOCTYPE html><p>", "cat.png", "text/html"),
        (b"<html><script>alert(1)</script>", "data.csv", "text/html"),
        (b"%PDF-1.7\n<html>", "a.html", "application/pdf"),
        (b"<html>%PDF-1.7", "a.pdf", "text/html"),
        (b"GIF89a/*<script>*/=1", "a.gif", "text/plain"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "a.txt", "image/gif"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + archive("x"), "a.zip", "video/mp4"),
        (b"<svg onload=alert(1)>", "a.png", "image/svg+xml"),
        (b"<?xml version='1.0'?><!-- x --><svg>", "a.xml", "image/svg+xml"),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD"><svg>', "a", "image/svg+xml"),
        (archive("[Content_Types].xml", "_rels/.rels", "word/document.xml"), "x", f"{OFFICE}wordprocessingml.document"),
        (archive("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), "x", f"{OFFICE}spreadsheetml.sheet"),
        (b"BMW makes cars", "a.bmp", "text/plain"),
        (b"ID3 tags explained", "a.mp3", "text/plain"),
        (b"MZ is two letters", "a.exe", "text/plain"),
        (b"# Title", "README.md", "text/markdown"),
        (b"<div align=center>\n# Title", "README.md", "text/markdown"),
        (b"a,b\n1,2", "T.CSV", "text/csv"),
        (b'{"a":1}', "a.json", "application/json"),
        (b'{"a":1}\n{"a":2}', "a.jsonl", "application/jsonl"),
        (b"#EXTM3U\nhttp://127.0.0.1/", "a.mp4", "text/plain"),
        (b"ffconcat version 1.0\nfile /etc/passwd", "a.mp4", "text/plain"),
        ("Grüße".encode(), "a", "text/plain"),
        ("Grüße".encode("utf-16"), "a", "text/plain"),
        (b"\xef\xbb\xbfhello", "a", "text/plain"),
    ],
)
def test_fault_7_01_a_file_is_what_it_holds(head: bytes, name: str, content_type: str) -> None:
    assert type_of_head(head, name, whole=True) == content_type


@pytest.mark.parametrize(
    "head",
    [
        archive("a.txt"),
        b"\0" * 1000,
        b"MZ\x90\x00\x03\x00",
        b"\x7fELF\x02\x01\x01\x00",
        b"Rar!\x1a\x07\x00",
        "Grüße".encode("latin-1"),
        b"text with a \x00 in it",
        b"text with \x1b[2J and \x07",
        b"\xed\xa0\x80",
    ],
)
def test_what_is_of_no_known_kind_has_no_type(head: bytes) -> None:
    assert type_of_head(head, "a.txt", whole=True) is None


def test_a_character_cut_at_the_end_of_the_head_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"x" * (HEAD - 1) + "é".encode() * 5)
    assert type_of(path) == "text/plain"
    path.write_bytes(b"x" + "é".encode()[:1])
    assert type_of(path) is None


@pytest.mark.parametrize(
    "head", [b"<!---->" * 9000, b"<!--" * 16000, b"<?xml " * 10000, b"<!doctype " * 6000, b" " * HEAD]
)
def test_no_markup_takes_long_to_look_at(head: bytes) -> None:
    began = time.process_time()
    assert type_of_head(head[:HEAD]) == "text/plain"
    assert time.process_time() - began < 0.05


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("image/png", "image"),
        ("image/svg+xml", "text"),
        ("video/webm", "video"),
        ("audio/wav", "audio"),
        ("application/pdf", "document"),
        (f"{OFFICE}presentationml.presentation", "document"),
        ("text/html", "document"),
        ("application/json", "text"),
    ],
)
def test_the_kind_says_what_can_be_done_with_it(content_type: str, kind: str) -> None:
    assert kind_of(content_type) == kind
