"""Room 7 of the fault list at the doors: what a caller gets for a hostile file, and what is true afterwards."""

from __future__ import annotations

import base64
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import made_media as made
from tests.journeys.gateway import GEMINI, Gateway, soon
from tests.journeys.invariants import Invariants
from tests.journeys.seen import infer, left_behind, shown
from tests.unit.media import test_faults as files

ZIP = made.zipped([("a.txt", b"x" * 100)])

#: What is sent, its name, the status owed.
SENT: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "7.01 a PNG named .mp4": (lambda: made.picture("png"), "a.mp4", 200),
    "7.01 HTML named .png": (lambda: b"<html><script>alert(1)</script></html>", "a.png", 415),
    "7.01 a ZIP named .mp4": (lambda: ZIP, "a.mp4", 415),
    "7.01 a script that says GIF": (lambda: b"GIF89a/*<script>alert(1)</script>*/=1", "a.gif", 415),
    "7.01 a broken GIF": (lambda: b"GIF89a/*<script>*/=1;\0\0\xff", "a.gif", 400),
    "7.01 a PDF": (lambda: made.pdf("text"), "a.png", 415),
    "7.02 50,000 x 50,000": (lambda: files.png_of(50_000, 50_000), "a.png", 413),
    "7.02 20,000 x 20,000 in one bit": (lambda: files.one_bit(20_000), "a.png", 413),
    "7.03 a TIFF of 10,000 pages": (lambda: files.many_pages(10_000), "a.tiff", 200),
    "7.04 nothing": (lambda: b"", "a.mp4", 400),
    "7.04 zeros": (lambda: bytes(2**20), "a.mp4", 415),
    "7.04 half a JPEG": (lambda: made.picture("jpg")[:700], "a.jpg", 400),
    "7.05 ffconcat": (lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n", "x.mp4", 415),
    "7.05 a playlist": (lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "x.mp4", 415),
    "7.05 a name that is a protocol": (lambda: made.picture("png"), "concat:/etc/passwd|b", 200),
    "7.06 a name of a series": (lambda: made.picture("png"), "img_%02d.png", 200),
    "7.07 SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>", "a.png", 415),
}


@pytest.mark.parametrize("what", SENT)
def test_fault_7_at_infer(gateway: Gateway, invariants: Invariants, what: str) -> None:
    make, name, status = SENT[what]
    raw = make()
    calls = len(gateway.upstream.log())
    began = time.monotonic()
    reply = infer(gateway, raw, name=name, model=GEMINI)
    assert time.monotonic() - began < 15
    assert reply.status_code == status, reply.text
    if status != 200:
        error = reply.json()["error"]
        assert error["code"] == {400: "invalid_request", 413: "too_large", 415: "unsupported_media"}[status]
        assert error["details"]["field"] == "video_file"
        assert len(gateway.upstream.log()) == calls
    assert left_behind(gateway) == []


def _document(xml: bytes) -> bytes:
    return files.docx_with(lambda parts: parts.update({"word/document.xml": xml}))


#: Documents that are attached: what is sent, its name, the statuses owed.
ATTACHED: dict[str, tuple[Callable[[], bytes], str, set[int]]] = {
    "7.08 a DOCX of 210 MB": (lambda: files.bomb("word/media/a.bin", 210 * 2**20), "a.docx", {413}),
    "7.08 laughs": (lambda: _document(files.LAUGHS), "a.docx", {400}),
    "7.08 a file of ours": (lambda: _document(files.EXTERNAL), "a.docx", {400}),
    "7.08 parts that overlap": (lambda: files.overlapping(made.word("x")), "a.docx", {400}),
    "7.09 locked": (files.locked, "a.pdf", {400}),
    "7.09 pages that loop": (files.looping_pages, "a.pdf", {400}),
    "7.09 10,000 pages": (lambda: made.pdf(*(f"n {n}" for n in range(10_000))), "a.pdf", {200}),
    "7.03 an empty PDF": (lambda: made.pdf(""), "a.pdf", {400}),
}  # fmt: skip


@pytest.mark.parametrize("what", ATTACHED)
def test_fault_7_attached(gateway: Gateway, invariants: Invariants, what: str) -> None:
    make, name, statuses = ATTACHED[what]
    kept = gateway.http.post(f"{gateway.url}/files/upload", files={"file": (name, make())}, timeout=60)
    if kept.status_code in (400, 413, 415):
        return  # refused before it could be asked about
    assert kept.status_code == 201, kept.text
    body = {"message": "What does it say?", "model": GEMINI, "attachments": [kept.json()["id"]]}
    reply = gateway.http.post(f"{gateway.url}/llm/chat", json=body, timeout=60)
    assert reply.status_code in statuses, reply.text
    if reply.status_code != 200:
        assert reply.json()["error"]["details"]["field"] == "attachments[0]"
        assert "root:" not in reply.text
    assert left_behind(gateway) == []


def test_fault_7_02_at_the_openai_door_the_part_is_named(gateway: Gateway, invariants: Invariants) -> None:
    url = "data:image/png;base64," + base64.b64encode(files.png_of(50_000, 50_000)).decode()
    content: list[Any] = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]
    reply = gateway.post("/v1/chat/completions", {"model": GEMINI, "messages": [{"role": "user", "content": content}]})
    assert reply.status_code == 413
    assert reply.json()["error"]["param"] == "messages[0].content[1].image_url.url"


def test_fault_7_06_only_the_callers_own_bytes_are_shown(gateway: Gateway, tmp_path: Path) -> None:
    headers = gateway.user()
    gateway.http.post(
        f"{gateway.url}/files/upload",
        files={"file": ("img_02.png", made.picture("png", 14))},
        headers=headers,
        timeout=20,
    )
    infer(gateway, made.picture("png", 2), name="img_01.png", model=GEMINI)
    assert [made.step_of(picture) for picture in shown(gateway).pictures] == [2]


def test_fault_7_10_children_hold_no_secret_and_none_is_left_when_the_server_ends(gateway: Gateway) -> None:
    infer(gateway, made.picture("png"), model=GEMINI)
    children = [pid for worker in gateway.workers() for pid in _children(worker)]
    assert children, "a warm child waits for the next picture"
    for pid in children:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"canary" not in environment
        assert b"SECRET" not in environment
        assert b"_API_KEY" not in environment
    _kill(children[0])
    reply = infer(gateway, made.picture("png", 11), model=GEMINI)
    assert reply.status_code == 200, "a child that was killed is replaced"
    soon(lambda: all(_state(pid) not in ("Z",) for pid in children), 5, "a zombie was left")


def test_others_are_served_while_a_video_is_looked_at(gateway: Gateway, tmp_path: Path) -> None:
    video = made.h264(tmp_path / "a.mp4", 600, 10, keys=600).read_bytes()
    looking = threading.Thread(target=infer, args=(gateway, video), kwargs={"model": GEMINI})
    late = []
    with requests.Session() as other:
        other.headers["Authorization"] = gateway.http.headers["Authorization"]
        other.get(f"{gateway.url}/api/health", timeout=5)
        looking.start()
        while looking.is_alive():
            began = time.monotonic()
            assert other.get(f"{gateway.url}/api/health", timeout=5).status_code == 200
            late.append(time.monotonic() - began)
    looking.join()
    assert sorted(late)[len(late) // 2] < 0.1
    assert len(late) > 3


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
