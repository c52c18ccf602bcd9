"""Room 7 of the fault list, as far as reading files goes: each hostile file ends in a clear error or a picture, in
bounded time and memory, with nothing left behind (the fixture `media` looks)."""

from __future__ import annotations

import io
import socket
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from app.domain.errors import DomainError, InvalidRequest, TooLarge, UnsupportedMedia
from app.domain.media import Seen
from app.services.media.media import Media
from app.utils.children import Children
from tests import made_media as made

MB = 2**20
READABLE = "application/vnd.openxmlformats-officedocument."


def outcome(
    media: Media, raw: bytes | Path, seconds: float = 5.0, megabytes: int = 400, **more: str
) -> Seen | DomainError:
    """What comes of it; a bug is none of it, and it may take no longer and no more memory than this."""
    with bounded(media, seconds, megabytes):
        try:
            return media.look(raw, owner=None, **more)  # type: ignore[arg-type]
        except (InvalidRequest, UnsupportedMedia, TooLarge) as error:
            return error


@contextmanager
def bounded(media: Media, seconds: float, megabytes: int) -> Iterator[None]:
    before = {pid: _peak(pid) for pid in _pids(media)}
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds * 3, "the machine is shared: three times the bound is a hang"
    for pid in _pids(media):
        assert _peak(pid) <= max(megabytes * MB, before.get(pid, 0))


def refused(media: Media, raw: bytes | Path, *kinds: type[DomainError], **more: float) -> DomainError:
    found = outcome(media, raw, **more)  # type: ignore[arg-type]
    assert isinstance(found, kinds), found
    return found  # type: ignore[return-value]


def still_reads(media: Media) -> None:
    assert made.step_of(media.look(made.picture("png", 4), owner=None).pictures[0].data) == 4


# --- 7.1 kinds ------------------------------------------------------------------------------------------------------


def test_fault_7_01_a_file_is_what_it_holds(media: Media, tmp_path: Path) -> None:
    video = made.video(tmp_path / "a.mp4").read_bytes()
    with_zip = video + made.zipped([("a.txt", b"x" * 1000)])
    assert media.type_of(with_zip, "a.zip") == "video/mp4"
    assert len(media.look(with_zip, owner=None).pictures) == len(media.look(video, owner=None).pictures)
    assert media.type_of(made.picture("png"), "a.mp4") == "image/png"
    assert media.type_of(b"GIF89a/*<script>alert(1)</script>*/=1", "a.gif") == "text/plain"
    refused(media, b"GIF89a/*<script>alert(1)</script>*/=1;\x00\x00", InvalidRequest)
    assert (
        media.look(b"<html><p>text</p>", owner=None, content_type=media.type_of(b"<html>", "a.png")).kind == "document"
    )
    refused(media, made.zipped([("a.txt", b"x")]), UnsupportedMedia, InvalidRequest)
    assert media.type_of(b"MZ\x90\0" + bytes(200), "a.png") is None


# --- 7.2 bombs ------------------------------------------------------------------------------------------------------


def test_fault_7_02_a_picture_of_too_many_pixels_is_refused_by_its_header(media: Media) -> None:
    for size, raw in ((50_000, png_of(50_000, 50_000)), (20_000, one_bit(20_000)), (7_100, one_bit(7_100))):
        assert len(raw) < 60_000, size
        error = refused(media, raw, TooLarge, megabytes=120)
        assert error.details["reason"] == "size"
    assert isinstance(outcome(media, one_bit(7_000)), Seen)
    for raw in (gif_of(60_000, 60_000), bmp_of(30_000, 30_000), webp_of(16_383, 16_383)):
        refused(media, raw, TooLarge, InvalidRequest, megabytes=400)


def test_fault_7_02_text_that_inflates_is_no_way_in(media: Media) -> None:
    bomb = zlib.compress(bytes(300 * MB), 9)
    chunk = b"k\0\0" + bomb
    raw = made.picture("png")
    raw = raw[:33] + png_chunk(b"zTXt", chunk) + raw[33:]
    outcome(media, raw)
    still_reads(media)


# --- 7.3 many frames, metadata --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["gif", "webp", "tiff"])
def test_fault_7_03_of_many_frames_few_are_shown(media: Media, form: str) -> None:
    if form == "tiff":
        raw = many_pages(10_000)
    else:
        small = [Image.new("L", (24, 16), index % 256) for index in range(10_000 if form == "gif" else 3_000)]
        raw = made.saved(small[0], form, save_all=True, append_images=small[1:])
    found = outcome(media, raw)
    assert isinstance(found, Seen)
    assert 1 <= len(found.pictures) <= 16


def test_fault_7_03_a_directory_that_leads_back_to_itself_ends(media: Media) -> None:
    raw = bytearray(made.moving("tiff", 3))
    first = struct.unpack_from("<I", raw, 4)[0]
    count = struct.unpack_from("<H", raw, first)[0]
    struct.pack_into("<I", raw, first + 2 + 12 * count, first)
    found = outcome(media, bytes(raw))
    assert not isinstance(found, Seen) or len(found.pictures) <= 16


def test_fault_7_03_metadata_never_goes_on(media: Media) -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 29: "2026:01:02"})
    exif[0x010F] = "the maker"
    image = Image.fromarray(made.frame(5)[:, :, ::-1])
    for form in ("jpg", "png", "webp", "tiff"):
        large = made.saved(image, form, exif=exif.tobytes(), icc_profile=b"profile!" * 1_200_000)
        assert isinstance(outcome(media, large), Seen | InvalidRequest)
        found = outcome(media, made.saved(image, form, exif=exif.tobytes(), icc_profile=b"profile!" * 10_000))
        assert isinstance(found, Seen), form
        (shown,) = found.pictures
        assert made.step_of(shown.data) == 5
        seen = Image.open(io.BytesIO(shown.data))
        assert not seen.getexif(), form
        assert "icc_profile" not in seen.info, form
        assert b"maker" not in shown.data


def test_fault_7_03_a_bmp_that_stands_on_its_head_is_read(media: Media) -> None:
    raw = bytearray(made.picture("bmp", 5))
    height = struct.unpack_from("<i", raw, 22)[0]
    struct.pack_into("<i", raw, 22, -height)
    found = outcome(media, bytes(raw))
    assert not isinstance(found, Seen) or Image.open(io.BytesIO(found.pictures[0].data)).size == (320, 240)
    struct.pack_into("<i", raw, 22, -(2**31))
    refused(media, bytes(raw), InvalidRequest, TooLarge)


# --- 7.4 broken -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [*made.PICTURES, *made.VIDEOS])
def test_fault_7_04_a_file_that_is_cut_off_is_seen_in_part_or_refused(media: Media, form: str, tmp_path: Path) -> None:
    whole = made.video(tmp_path / f"a.{form}", 2).read_bytes() if form in made.VIDEOS else made.picture(form)
    for part in made.cuts(whole):
        found = outcome(media, part)
        assert isinstance(found, Seen | InvalidRequest | UnsupportedMedia)
    still_reads(media)


@pytest.mark.parametrize("raw", [b"", bytes(64 * MB)], ids=["nothing", "zeros"])
def test_fault_7_04_nothing_and_zeros_are_refused(media: Media, raw: bytes) -> None:
    refused(media, raw, InvalidRequest, UnsupportedMedia)


def _patched(path: Path, old: bytes, new: bytes, at: int = 0) -> bytes:
    raw = path.read_bytes()
    place = raw.index(old) + at
    return raw[:place] + new + raw[place + len(new) :]


@pytest.mark.parametrize(
    ("what", "form", "old", "new", "at"),
    [
        ("10^9 s", "mp4", b"mvhd", struct.pack(">II", 1, 10**9), 16),
        ("a scale of 0", "mp4", b"mdhd", struct.pack(">I", 0), 16),
        ("a rate of 10^6", "mp4", b"stts", struct.pack(">I", 1), 16),
        ("a rate of 0", "mp4", b"stts", struct.pack(">I", 0), 16),
        ("steps of 2^31", "mp4", b"stts", struct.pack(">I", 2**31 - 1), 16),
        ("an unknown codec", "mp4", b"avc1", b"zzzz", 0),
        ("rate 0 of 0", "avi", b"vids", struct.pack("<II", 0, 0), 20),
        ("16k x 16k", "avi", b"strf", struct.pack("<ii", 16_384, 16_384), 12),
        ("a negative size", "avi", b"strf", struct.pack("<ii", -5, -5), 12),
        ("no samples", "mp4", b"stsz", struct.pack(">I", 0), 12),
        ("2^32 samples", "mp4", b"stsz", struct.pack(">I", 2**32 - 1), 12),
        ("a NaN duration", "mkv", b"\x44\x89\x88", struct.pack(">d", float("nan")), 3),
    ],
)
def test_fault_7_04_headers_that_lie_end_in_frames_or_an_error(
    media: Media, what: str, form: str, old: bytes, new: bytes, at: int, tmp_path: Path
) -> None:
    found = outcome(media, _patched(made.video(tmp_path / f"a.{form}", 2), old, new, at))
    if isinstance(found, Seen):
        times = [shown.at for shown in found.pictures]
        assert all(at is not None and 0 <= at < float("inf") for at in times)
    else:
        assert isinstance(found, InvalidRequest | UnsupportedMedia), what
    still_reads(media)


def test_fault_7_04_a_video_without_frames_or_pictures_is_refused(media: Media, tmp_path: Path) -> None:
    whole = made.video(tmp_path / "a.avi", 2).read_bytes()
    place = whole.index(b"movi")
    empty = whole[:place] + b"movi" + bytes(len(whole) - place - 4)
    refused(media, empty, InvalidRequest, UnsupportedMedia)
    (tmp_path / "sound.mp4").write_bytes(made.sound(tmp_path / "s.mp4").read_bytes())
    with pytest.raises(UnsupportedMedia):
        media.look(tmp_path / "sound.mp4", owner=None, content_type="video/mp4")


# --- 7.5, 7.6 names and playlists -----------------------------------------------------------------------------------

PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{other}'\n",
    "m3u": "#EXTM3U\n#EXTINF:1,\n{url}\n",
    "m3u of a file": "#EXTM3U\n#EXTINF:1,\nfile://{other}\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    "<BaseURL>{url}</BaseURL></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
}


@pytest.mark.parametrize("playlist", PLAYLISTS)
@pytest.mark.parametrize("said", [None, "video/mp4", "video/x-matroska", "video/x-msvideo", "video/x-flv"])
def test_fault_7_05_a_playlist_opens_no_file_and_no_socket(
    media: Media, playlist: str, said: str | None, tmp_path: Path
) -> None:
    other = made.video(tmp_path / "other.mp4")
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.05)
        port = trap.getsockname()[1]
        path = tmp_path / "x.mp4"
        path.write_text(PLAYLISTS[playlist].format(other=other, url=f"http://127.0.0.1:{port}/a.ts", port=port))
        if said is None:
            assert not (media.type_of(path, "x.mp4") or "").startswith(("video/", "image/"))
        else:
            with pytest.raises((InvalidRequest, UnsupportedMedia)):
                media.look(path, owner=None, content_type=said)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_fault_7_05_references_inside_a_container_are_not_followed(media: Media, tmp_path: Path) -> None:
    other = made.video(tmp_path / "other.mp4")
    raw = made.video(tmp_path / "a.mp4").read_bytes()
    # The one data reference of a track is told to lie in another file.
    place = raw.index(b"dref")
    url = b"url " + bytes(4) + f"file://{other}".encode()[:4]
    raw = raw[: place + 16] + url + raw[place + 16 + len(url) :]
    assert isinstance(outcome(media, raw), Seen | InvalidRequest)


@pytest.mark.parametrize("name", ["img_01.png", "img_%02d.png", "%05d.mp4", "concat:a|b", "subfile,,start,0,,:x", "-i"])
def test_fault_7_06_a_name_is_never_read(media: Media, name: str, tmp_path: Path) -> None:
    for index in (1, 2):
        (tmp_path / f"img_0{index}.png").write_bytes(made.picture("png", 10))
    path = tmp_path / name
    path.write_bytes(made.picture("png", 3))
    seen = media.look(path, owner=None)
    assert [made.step_of(shown.data) for shown in seen.pictures] == [3]
    path.write_bytes(made.video(tmp_path / "v.mp4").read_bytes())
    assert len(media.look(path, owner=None).pictures) > 1


# --- 7.7 SVG --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "svg",
    [
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "{a}">]><svg>&a;</svg>',
        '<svg><image href="http://169.254.169.254/latest/meta-data"/></svg>',
    ],
)
def test_fault_7_07_an_svg_is_no_picture(media: Media, svg: str) -> None:
    assert media.type_of(svg.encode(), "a.png") == "image/svg+xml"
    refused(media, svg.encode(), UnsupportedMedia)


# --- 7.8 office -----------------------------------------------------------------------------------------------------


def docx_with(change: Callable[[dict[str, bytes]], None]) -> bytes:
    return made.rezipped(made.word("text"), change)


def bomb(name: str, size: int) -> bytes:
    written = io.BytesIO(made.word("text"))
    with (
        zipfile.ZipFile(written, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as part,
    ):
        for _ in range(size // MB):
            part.write(bytes(MB))
    return written.getvalue()


def lying(raw: bytes) -> bytes:
    """Its central directory says that each part is of one byte."""
    changed, at = bytearray(raw), 0
    while (at := changed.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<I", changed, at + 24, 1)
        at += 4
    return bytes(changed)


def overlapping(raw: bytes) -> bytes:
    """All parts begin where the first does."""
    changed, at = bytearray(raw), 0
    while (at := changed.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<I", changed, at + 42, 0)
        at += 4
    return bytes(changed)


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><w:document>&c;</w:document>'
)
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:document>&x;</w:document>'


def test_fault_7_08_office_bombs_are_counted_while_they_inflate(media: Media) -> None:
    refused(media, bomb("word/media/image1.bin", 210 * MB), TooLarge)
    refused(media, bomb("word/document2.xml", 60 * MB), TooLarge)
    refused(media, docx_with(lambda parts: parts.update({f"x/{n}": b"" for n in range(20_000)})), TooLarge)
    deep = b"<w:p>" * 200_000
    refused(media, docx_with(lambda parts: parts.update({"word/document.xml": deep})), InvalidRequest, TooLarge)
    still_reads(media)


def test_fault_7_08_archives_that_lie_are_refused(media: Media) -> None:
    whole = made.word("text")
    for raw in (lying(whole), overlapping(whole), docx_with(lambda parts: parts.update({"../evil.xml": b"<a/>"}))):
        refused(media, raw, InvalidRequest)
    for part in made.cuts(whole):
        assert not isinstance(outcome(media, part), Seen)


@pytest.mark.parametrize("xml", [LAUGHS, EXTERNAL, LAUGHS.decode().encode("utf-16")], ids=["laughs", "file", "utf-16"])
def test_fault_7_08_entities_are_not_read(media: Media, xml: bytes) -> None:
    for name in ("word/document.xml", "word/styles.xml", "[Content_Types].xml"):
        error = refused(media, docx_with(lambda parts, name=name: parts.update({name: xml})), InvalidRequest)  # type: ignore[misc]
        assert "root:" not in str(error)
    sheet = made.rezipped(made.sheets(A=[["x"]]), lambda parts: parts.update({"xl/worksheets/sheet1.xml": xml}))
    refused(media, sheet, InvalidRequest)


def test_fault_7_08_a_template_elsewhere_is_not_fetched(media: Media) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.05)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/t.dotm"
        kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"
        rels = (
            '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="r1" Type="{kind}" Target="{url}" TargetMode="External"/></Relationships>'
        )
        raw = docx_with(lambda parts: parts.update({"word/_rels/settings.xml.rels": rels.encode()}))
        found = outcome(media, raw)
        assert isinstance(found, Seen)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_fault_7_08_a_sheet_that_claims_to_be_endless_is_read_as_far_as_it_goes(media: Media) -> None:
    def huge(parts: dict[str, bytes]) -> None:
        xml = parts["xl/worksheets/sheet1.xml"].replace(b'ref="A1"', b'ref="A1:XFD1048576"')
        parts["xl/worksheets/sheet1.xml"] = xml.replace(b'r="A1"', b'r="XFD1"')

    found = outcome(media, made.rezipped(made.sheets(A=[["x"]]), huge))
    assert isinstance(found, Seen | InvalidRequest)


# --- 7.9 PDF --------------------------------------------------------------------------------------------------------


def looping_pages() -> bytes:
    return made.pdf_file([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 2 /Kids [2 0 R 2 0 R] >>"])


def looping_xref() -> bytes:
    raw = made.pdf("text")
    start = int(raw.rsplit(b"startxref\n", 1)[1].split()[0])
    return raw.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)


def flate_bomb() -> bytes:
    body = zlib.compress(b"BT /F1 9 Tf (x) Tj ET\n" * 10_000_000, 9)
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(body), body)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
    return made.pdf_file(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page, stream]
    )


def locked() -> bytes:
    raw = made.pdf("secret")
    crypt = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O <%b> /U <%b> /P -4 >> /ID [<%b> <%b>]" % (
        b"41" * 32,
        b"42" * 32,
        b"43" * 16,
        b"43" * 16,
    )
    return raw.replace(b"/Root 1 0 R", b"/Root 1 0 R " + crypt)


def test_fault_7_09_pdfs_that_loop_or_are_locked_are_refused(media: Media) -> None:
    assert "password" in refused(media, locked(), InvalidRequest, seconds=10).message
    for raw in (looping_pages(), looping_xref(), b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(1000)):
        found = outcome(media, raw, seconds=10)
        assert isinstance(found, Seen | InvalidRequest)
    for part in made.cuts(made.pdf("one", "two")):
        assert isinstance(outcome(media, part, seconds=10), Seen | InvalidRequest)


def test_fault_7_09_of_10_000_pages_the_first_are_read_with_a_notice(media: Media) -> None:
    found = outcome(media, made.pdf(*(f"number {n}" for n in range(10_000))), seconds=10)
    assert isinstance(found, Seen)
    assert 1 <= len(found.pages) <= 500
    assert "of 10000 pages" in found.notices[0]


def test_fault_7_09_a_flate_bomb_ends_in_time(media: Media) -> None:
    refused(media, flate_bomb(), InvalidRequest, TooLarge, seconds=11, megabytes=768)
    still_reads(media)


def test_fault_7_09_scripts_and_files_inside_are_left_alone(media: Media) -> None:
    script = b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\); this.submitForm\\('http://127.0.0.1:9'\\)) >>"
    found = outcome(media, made.pdf_of([b"BT /F1 18 Tf 40 700 Td (plain) Tj ET"], script))
    assert isinstance(found, Seen)
    assert found.text == "plain"


# --- making ---------------------------------------------------------------------------------------------------------


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, data: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def many_pages(count: int) -> bytes:
    """A TIFF of so many grey pages of 8 x 8 pixels, which share them."""
    written = bytearray(b"II*\0" + struct.pack("<I", 72) + bytes(64))
    entries = ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 64))
    for index in range(count):
        written += struct.pack("<H", len(entries))
        written += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
        written += struct.pack("<I", len(written) + 4 if index < count - 1 else 0)
    return bytes(written)


def one_bit(size: int) -> bytes:
    """A whole black picture of one bit a pixel."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (size + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(size)) + packer.flush()
    return png_of(size, size, data, 1, 0)


def gif_of(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"," + struct.pack(
        "<HHHHB", 0, 0, width, height, 0
    ) + b"\x02\x02\x4c\x01\x00;"  # fmt: skip


def bmp_of(width: int, height: int) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 100, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    )


def webp_of(width: int, height: int) -> bytes:
    """A lossless one, of which there is only the head."""
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", bits) + bytes(5)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _pids(media: Media) -> list[int]:
    pools: list[Children] = [media._pictures, media._videos, media._documents]
    return [pid for pool in pools for pid in pool.pids]


def _peak(pid: int) -> int:
    """Bytes of memory it has held at most."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
