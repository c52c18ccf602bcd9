"""The text of a picture: by tesseract where it is on the path, else by RapidOCR, whose models come in its wheel.

A child's module (`app.utils.children`), with limits of its own: RapidOCR takes most of a gigabyte.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

from app.jobs.child import Answer, Job, Refused, serve

LANGUAGES = ("eng", "deu", "fra", "spa", "ita", "por", "nld")
"""Those of tesseract's that are used where they are installed."""
EDGE = 2200
"""Pixels of the longest side; beyond it nothing more is read and all takes longer."""
MAX_PIXELS = 50_000_000


def load() -> Callable[[Job], Answer]:
    program = shutil.which("tesseract")
    return _tesseract(program) if program else _rapid()


def _tesseract(program: str) -> Callable[[Job], Answer]:
    listed = subprocess.run(  # noqa: S603 - a program of the system's and fixed words
        [program, "--list-langs"], capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
    )
    known = set(listed.stdout.split())
    languages = "+".join(name for name in LANGUAGES if name in known) or "eng"

    def read(job: Job) -> Answer:
        picture = _fitted(job)
        done = subprocess.run(  # noqa: S603 - as above; the file's name is ours
            [program, picture, "stdout", "-l", languages], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise Refused("unreadable", "the picture's text cannot be read")
        return {"text": done.stdout.decode("utf-8", "replace").strip()}

    return read


def _rapid() -> Callable[[Job], Answer]:
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    def read(job: Job) -> Answer:
        seen = engine(_fitted(job))
        return {"text": "\n".join(seen.txts or ()).strip()}

    return read


def _fitted(job: Job) -> str:
    """job: `path`. A copy that is upright, grey and no larger than is worth reading, in the job's folder."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    with open(job["path"], "rb") as source, Image.open(source, formats=["PNG", "JPEG"]) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Refused("too_large", f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels")
        upright = ImageOps.exif_transpose(image).convert("L")
    upright.thumbnail((EDGE, EDGE))
    upright.save("ocr.png", compress_level=1)
    return "ocr.png"


if __name__ == "__main__":
    serve(load)
