"""What reading files costs a child process: python bench/media.py [FOLDER]

Makes its files (kept in the folder where one is named), has each read by a warm child of its own kind, and prints the
best wall time, the CPU time of that run in the child and the most memory the child ever held.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av
import cv2
import numpy as np

from app.utils.children import Children, Limits
from tests import made_media as made

SECONDS, RATE, WIDTH, HEIGHT = 60, 30, 1920, 1080
ASKED = 5
_TICKS = os.sysconf("SC_CLK_TCK")


def clip(path: Path, keys: int, *, cuts: bool) -> Path:
    """60 s of 1080p H.264 with a scene each 10 s. keys: frames from a key frame to the next at most; cuts: whether the
    encoder may set one where the scene changes, as it does when left alone."""
    if path.exists():
        return path
    chance = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(keys), **({} if cuts else {"sc_threshold": "0"})}
        for index in range(SECONDS * RATE):
            if index % (10 * RATE) == 0:
                ground = chance.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
            pixels = cv2.resize(np.roll(ground, index, 1), (WIDTH, HEIGHT))
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def picture(path: Path) -> Path:
    """12 megapixels of soft noise, as large a file as a camera's."""
    if not path.exists():
        ground = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(ground, (4000, 3000)), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return path


def written(path: Path, make: Callable[[], bytes]) -> Path:
    if not path.exists():
        path.write_bytes(make())
    return path


def measured(children: Children, job: dict[str, Any]) -> str:
    """One line of the report."""
    best: tuple[float, float] | None = None
    answer: dict[str, Any] = {}
    for _ in range(ASKED + 1):
        before = _cpu(children)
        began = time.perf_counter()
        answer = children.run(job, lambda answer, folder: answer)
        took = time.perf_counter() - began
        if before is not None:  # the first one starts the child
            run = took, (_cpu(children) or 0.0) - before
            best = run if best is None else min(best, run)
    assert best is not None
    shown = f"{len(answer['pictures'])} pictures" if "pictures" in answer else f"{len(answer['pages'])} pages"
    return f"{best[0] * 1000:7.0f} ms {best[1] * 1000:7.0f} ms CPU {_peak(children):5.0f} MB   {shown}"


def main() -> None:
    with tempfile.TemporaryDirectory() as passing:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(passing)
        jobs = Path(passing) / "jobs"
        video = {"format": "mov", "edge": 1024, "most": 16}
        still = {"edge": 1568, "most": 16}
        text = {"max_chars": 2_000_000}
        kind = "application/vnd.openxmlformats-officedocument."
        lines = [f"word {n}" for n in range(200)]
        rows = [[n, f"row {n}", n / 7] for n in range(5_000)]
        asked: list[tuple[str, str, Path, dict[str, Any]]] = [
            ("60 s 1080p, a key frame each 2 s", "media", clip(folder / "two.mp4", 60, cuts=True), video),
            ("60 s 1080p, x264 left alone", "media", clip(folder / "alone.mp4", 250, cuts=True), video),
            ("60 s 1080p, a key frame each 0.4 s", "media", clip(folder / "many.mp4", 12, cuts=True), video),
            ("60 s 1080p, a single key frame", "media", clip(folder / "one.mp4", 100_000, cuts=False), video),
            ("12 MP JPEG", "pictures", picture(folder / "a.jpg"), still | {"format": "JPEG"}),
            ("12 MP PNG", "pictures", picture(folder / "a.png"), still | {"format": "PNG"}),
            ("PDF, 200 pages", "documents", written(folder / "a.pdf", lambda: made.pdf(*lines)),
             text | {"content_type": "application/pdf"}),
            ("DOCX, 200 paragraphs", "documents", written(folder / "a.docx", lambda: made.word(*lines)),
             text | {"content_type": f"{kind}wordprocessingml.document"}),
            ("XLSX, 5,000 rows", "documents", written(folder / "a.xlsx", lambda: made.sheets(A=rows)),
             text | {"content_type": f"{kind}spreadsheetml.sheet"}),
        ]  # fmt: skip
        for name, module, path, job in asked:
            children = Children(f"app.jobs.{module}", Limits(seconds=30, memory_mb=768), jobs)
            print(f"{name:36}{measured(children, job | {'path': str(path)})}", flush=True)
            children.close()


def _cpu(children: Children) -> float | None:
    """Seconds of CPU that the one child has used."""
    if not children.pids:
        return None
    facts = Path(f"/proc/{children.pids[0]}/stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / _TICKS


def _peak(children: Children) -> float:
    status = Path(f"/proc/{children.pids[0]}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
