"""Pictures made fit for a model: upright, without metadata, no larger than it looks at, as JPEG or PNG.

A child's module (`app.utils.children`). A picture that moves gives some of its frames with their times, a TIFF of many
pages some of its pages.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from app.jobs.child import Answer, Job, Refused, serve

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 50_000_000
PATIENCE = 3.0
"""Seconds for walking through a moving picture; what was seen until then is told."""
MAX_STEPS = 2_000
"""Frames walked through: the last of 10,000 is not worth the time it takes to get there."""
PNG_PIXELS, PNG_BYTES = 1_000_000, 400_000
"""Up to these a picture that had no loss stays without one: drawings and small text suffer from JPEG."""
_LOSSLESS = ("PNG", "GIF", "BMP", "TIFF", "WEBP")


def load() -> Callable[[Job], Answer]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    Image.init()
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    return look


def look(job: Job) -> Answer:
    """job: `path`, `format` (Pillow's word), `edge` (pixels of the longest side), `most` (pictures). The answer's
    `pictures` name files in the folder, each with `mime` and `at` (seconds, null for a still)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with open(job["path"], "rb") as source, Image.open(source, formats=[job["format"]]) as image:
            pictures = [_written(index, *seen) for index, seen in enumerate(_seen(image, job["edge"], job["most"]))]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as broken:
        raise Refused("unreadable", "the picture is broken or cut off") from broken
    if not pictures:
        raise Refused("unreadable", "there is no picture in it")
    return {"pictures": pictures}


def _seen(image: Image, edge: int, most: int) -> Iterator[tuple[bytes, str, float | None]]:
    _check_size(image)
    form = image.format or ""
    if form in ("GIF", "WEBP") and getattr(image, "is_animated", False):
        yield from _frames(image, edge, most)
    elif form == "TIFF":
        yield from _pages(image, edge, most)
    else:
        data, mime = fitted(image, edge)
        yield data, mime, None


def _frames(image: Any, edge: int, most: int) -> Iterator[tuple[bytes, str, float | None]]:
    """Some frames, evenly spread over those that can be reached in time."""
    count = min(image.n_frames, MAX_STEPS)
    wanted = {round(i * (count - 1) / max(1, most - 1)) for i in range(most)} if count > most else set(range(count))
    deadline, at = time.monotonic() + PATIENCE, 0.0
    for index in range(count):
        try:
            image.seek(index)
            if index in wanted:
                _check_size(image)
                data, mime = fitted(image.copy(), edge)
                yield data, mime, round(at, 3)
        except (EOFError, OSError):
            if index == 0:
                raise
            return  # cut off later on: what came before can be seen
        at += max(0.0, float(image.info.get("duration") or 0)) / 1000
        if time.monotonic() > deadline:
            return


def _pages(image: Any, edge: int, most: int) -> Iterator[tuple[bytes, str, float | None]]:
    deadline = time.monotonic() + PATIENCE
    for index in range(most):
        try:
            image.seek(index)
        except EOFError:
            return
        _check_size(image)
        data, mime = fitted(image.copy() if index else image, edge)
        yield data, mime, None
        if time.monotonic() > deadline:
            return


def fitted(image: Image, edge: int) -> tuple[bytes, str]:
    """The picture upright, at most `edge` pixels long, on white, as bytes and their media type."""
    from PIL import ImageOps

    form = image.format or ""
    width, height = image.size
    scale = min(1.0, edge / max(width, height))
    box = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale < 1:
        image.draft("RGB", box)  # a JPEG is decoded at a half or a quarter; a square box would do nothing
    if image.mode not in ("L", "RGB", "RGBA"):
        image = _plain(image)
    if scale < 1 and image.size != box:
        image.thumbnail(box, reducing_gap=2.0)
    image = _on_white(ImageOps.exif_transpose(image))
    image.info = {}
    written = io.BytesIO()
    if form in _LOSSLESS and image.width * image.height <= PNG_PIXELS:
        image.save(written, "PNG", compress_level=4)
        if written.tell() <= PNG_BYTES:
            return written.getvalue(), "image/png"
        written = io.BytesIO()
    image.save(written, "JPEG", quality=85)
    return written.getvalue(), "image/jpeg"


def _plain(image: Image) -> Image:
    """Palettes, 16 bits, CMYK and the like as 8 bits a colour."""
    exif = image.getexif()
    if image.mode.startswith(("I", "F")):
        low, high = image.getextrema()
        span = float(high) - float(low) or 1.0  # type: ignore[arg-type]  # one band: two numbers
        plain = image.convert("F").point(lambda value: (value - float(low)) * (255.0 / span)).convert("L")  # type: ignore[arg-type]
    else:
        plain = image.convert("RGBA" if "transparency" in image.info or image.mode in ("LA", "PA", "La") else "RGB")
    if exif:
        plain.getexif().update(exif)
    return plain


def _on_white(image: Image) -> Image:
    from PIL import Image as Canvas

    if image.mode != "RGBA":
        return image if image.mode in ("L", "RGB") else image.convert("RGB")
    ground = Canvas.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _check_size(image: Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> Refused:
    return Refused("too_large", f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels")


def _written(index: int, data: bytes, mime: str, at: float | None) -> dict[str, Any]:
    name = f"picture-{index}"
    with open(name, "wb") as file:
        file.write(data)
    return {"file": name, "mime": mime, "at": at}


if __name__ == "__main__":
    serve(load)
