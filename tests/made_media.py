"""Small real media, made by the tests themselves: pictures by Pillow, videos by OpenCV and PyAV, documents by hand.

Every frame bears its number: a bright square that stands further right (and down) the later it is, on a scene's
ground colour, so that a test can tell which frame a model was shown.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import docx
import numpy as np
import openpyxl
import pptx
from PIL import Image

WIDTH, HEIGHT, STEPS = 320, 240, 16
SCENES = ((40, 40, 160), (40, 150, 40), (160, 60, 40))
#: What OpenCV's wheel can write: ending, codec.
OPENCV = {"avi": "XVID", "mov": "mp4v", "mkv": "mp4v", "webm": "VP80", "flv": "FLV1", "wmv": "WMV2"}
PICTURES = ("jpg", "png", "gif", "bmp", "tiff", "webp")
VIDEOS = ("mp4", "avi", "mov", "wmv", "flv", "mkv", "webm")


def frame(step: int, steps: int = STEPS) -> Any:
    """Frame `step` of `steps`, BGR."""
    pixels = np.full((HEIGHT, WIDTH, 3), SCENES[step * len(SCENES) // steps], np.uint8)
    left = round(step * (WIDTH - 40) / max(1, steps - 1))
    pixels[100:140, left : left + 40] = 255
    return pixels


def step_of(picture: bytes, steps: int = STEPS) -> int:
    """Which frame this picture shows."""
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    row = pixels[pixels.shape[0] // 2].astype(float)
    bright = np.flatnonzero(row > 225)
    left = float(bright.min()) * WIDTH / pixels.shape[1]
    return round(left * (steps - 1) / (WIDTH - 40))


def video(path: Path, seconds: float = 4.0, rate: int = 8) -> Path:
    """A video in the kind of the path's ending, `seconds` long. MP4 is H.264 as phones send it."""
    count = round(seconds * rate)
    if path.suffix == ".mp4":
        return h264(path, count, rate)
    codec = OPENCV[path.suffix[1:]]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (WIDTH, HEIGHT))
    assert writer.isOpened(), codec
    for index in range(count):
        writer.write(frame(index * STEPS // count))
    writer.release()
    return path


def h264(path: Path, count: int, rate: int, *, keys: int = 8, rotation: int = 0) -> Path:
    """keys: frames from one key frame to the next."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(keys)}
        for index in range(count):
            pixels = frame(index * STEPS // count)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def sound(path: Path) -> Path:
    """A second of silence, in the container of the path's ending."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac" if path.suffix == ".mp4" else "pcm_s16le", rate=16000)
        stream.layout = "mono"
        samples = np.zeros((1, 1024), np.float32 if path.suffix == ".mp4" else np.int16)
        for index in range(16):
            piece = av.AudioFrame.from_ndarray(
                samples, format="fltp" if path.suffix == ".mp4" else "s16", layout="mono"
            )
            piece.sample_rate, piece.pts = 16000, index * 1024
            for packet in stream.encode(piece):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def picture(form: str, step: int = 5, size: tuple[int, int] | None = None) -> bytes:
    """A frame as a picture: `jpg`, `png`, `gif`, `bmp`, `tiff`, `webp`."""
    image = Image.fromarray(frame(step)[:, :, ::-1])
    if size is not None:
        image = image.resize(size)
    return saved(image, form)


def saved(image: Any, form: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, {"jpg": "JPEG", "tif": "TIFF"}.get(form, form.upper()), **options)
    return written.getvalue()


def moving(form: str, count: int = 6, milliseconds: int = 500) -> bytes:
    """A GIF, WEBP or TIFF of `count` frames."""
    images = [Image.fromarray(frame(index * STEPS // count)[:, :, ::-1]) for index in range(count)]
    options: dict[str, Any] = {} if form == "tiff" else {"duration": milliseconds, "loop": 0}
    return saved(images[0], form, save_all=True, append_images=images[1:], **options)


def pdf(*pages: str) -> bytes:
    """A PDF with these lines of text, one a page; an empty one is a page without anything."""
    bodies = [f"BT /F1 18 Tf 40 700 Td ({text}) Tj ET".encode() if text else b"" for text in pages]
    return pdf_of(bodies)


def scan(text: str) -> bytes:
    """A PDF of one page that is a picture of this text."""
    return saved(written_picture(text), "pdf", resolution=100)


def written_picture(text: str) -> Any:
    pixels = np.full((500, 1400, 3), 255, np.uint8)
    for row, line in enumerate(text.split("\n")):
        cv2.putText(pixels, line, (40, 120 + 120 * row), cv2.FONT_HERSHEY_SIMPLEX, 2.4, (0, 0, 0), 5, cv2.LINE_AA)
    return Image.fromarray(pixels)


def pdf_of(bodies: list[bytes], extra: bytes = b"") -> bytes:
    """A PDF of these content streams."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R %b >>" % extra, b""]
    kids = []
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for body in bodies:
        number = len(objects) + 1
        kids.append(b"%d 0 R" % number)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (number + 1)
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(body), body))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(kids), b" ".join(kids))
    return pdf_file(objects)


def pdf_file(objects: list[bytes]) -> bytes:
    """The file of these objects, numbered from 1."""
    written = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % place for place in places)
    written += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(written)


def word(*paragraphs: str, heading: str = "Chapter one", cells: tuple[str, ...] = ()) -> bytes:
    document = docx.Document()
    document.add_heading(heading, 1)
    for text in paragraphs:
        document.add_paragraph(text)
    if cells:
        table = document.add_table(1, len(cells))
        for cell, text in zip(table.rows[0].cells, cells, strict=True):
            cell.text = text
    return _saved_by(document.save)


def sheets(**named: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in named.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return _saved_by(book.save)


def slides(*texts: str) -> bytes:
    deck = pptx.Presentation()
    for text in texts:
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = text
    return _saved_by(deck.save)


def rezipped(raw: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The archive with its parts changed."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    return zipped(parts.items())


def zipped(parts: Any) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts:
            archive.writestr(name, data)
    return written.getvalue()


def cuts(raw: bytes, pieces: int = 10) -> Iterator[bytes]:
    """The beginning of it, cut at each tenth."""
    for index in range(1, pieces):
        yield raw[: len(raw) * index // pieces]


def _saved_by(save: Callable[[Any], object]) -> bytes:
    written = io.BytesIO()
    save(written)
    return written.getvalue()
