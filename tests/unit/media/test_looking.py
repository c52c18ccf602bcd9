"""What a model is shown of pictures and videos."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from app.bootstrap.media import readers
from app.domain.errors import InvalidRequest, UnsupportedMedia
from app.services.media.media import Media
from tests import made_media as made


@pytest.mark.parametrize("form", made.PICTURES)
def test_a_picture_of_each_kind_is_shown_as_jpeg_or_png(media: Media, form: str) -> None:
    seen = media.look(made.picture(form), owner=None)
    assert seen.kind == "picture"
    assert [shown.at for shown in seen.pictures] == [None]
    assert seen.pictures[0].mime in ("image/jpeg", "image/png")
    assert made.step_of(seen.pictures[0].data) == 5


@pytest.mark.parametrize("form", made.VIDEOS)
def test_a_video_of_each_kind_gives_frames_in_order_with_their_times(media: Media, form: str, tmp_path: Path) -> None:
    seen = media.look(made.video(tmp_path / f"a.{form}"), owner=None)
    assert seen.kind == "video"
    assert 4 <= len(seen.pictures) <= 16
    times = [shown.at for shown in seen.pictures if shown.at is not None]
    assert times == sorted(set(times))
    assert times[0] == 0
    assert times[-1] > 2
    for shown in seen.pictures:
        assert shown.at is not None
        assert made.step_of(shown.data) == pytest.approx(shown.at / 4 * 16, abs=1.1)


def test_each_scene_of_a_video_is_shown(media: Media, tmp_path: Path) -> None:
    path = made.h264(tmp_path / "a.mp4", 240, 8, keys=240)
    seen = media.look(path, owner=None)
    assert len(seen.pictures) == 16
    assert {made.step_of(shown.data) * 3 // 16 for shown in seen.pictures} == {0, 1, 2}
    assert seen.duration == pytest.approx(30, abs=1)


def test_a_video_with_many_key_frames_is_seen_to_its_end(media: Media, tmp_path: Path) -> None:
    seen = media.look(made.h264(tmp_path / "a.mp4", 400, 10, keys=1), owner=None)
    assert len(seen.pictures) == 16
    assert made.step_of(seen.pictures[-1].data) == 15


def test_no_more_frames_are_taken_than_are_set(media_folder: Path, tmp_path: Path) -> None:
    few = readers(media_folder, frames=3)
    try:
        seen = few.look(made.video(tmp_path / "a.mp4"), owner=None)
        assert made.step_of(seen.pictures[0].data) == 0
        assert len(seen.pictures) == 3
        assert len(few.look(made.moving("gif"), owner=None).pictures) == 3
    finally:
        few.close()


def test_a_large_picture_is_scaled_and_a_small_one_is_not(media: Media) -> None:
    large = media.look(made.picture("jpg", size=(4000, 3000)), owner=None)
    assert _size(large.pictures[0].data) == (1568, 1176)
    small = media.look(made.picture("png", size=(64, 48)), owner=None)
    assert _size(small.pictures[0].data) == (64, 48)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_a_picture_is_turned_upright(media: Media, turn: int) -> None:
    upright = Image.fromarray(made.frame(5)[:, :, ::-1])
    turned = {1: upright, 3: upright.rotate(180), 6: upright.rotate(90, expand=True)}.get(
        turn, upright.rotate(270, expand=True)
    )
    exif = Image.Exif()
    exif[0x0112] = turn
    exif[0x010E] = "where I live"
    seen = media.look(made.saved(turned, "jpg", exif=exif.tobytes()), owner=None)
    assert _size(seen.pictures[0].data) == (320, 240)
    assert made.step_of(seen.pictures[0].data) == 5
    assert b"where I live" not in seen.pictures[0].data


def test_transparency_stands_on_white(media: Media) -> None:
    seen = media.look(made.saved(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "png"), owner=None)
    assert Image.open(io.BytesIO(seen.pictures[0].data)).convert("RGB").getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "F"])
def test_pictures_of_any_depth_and_colours_can_be_seen(media: Media, mode: str) -> None:
    form = {"CMYK": "jpg", "F": "tiff"}.get(mode, "png")
    image = Image.new("L", (60, 40), 200).convert(mode) if mode != "LA" else Image.new("LA", (60, 40), (200, 255))
    seen = media.look(made.saved(image, form), owner=None)
    assert _size(seen.pictures[0].data) == (60, 40)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_a_moving_picture_is_shown_as_a_video(media: Media, form: str) -> None:
    seen = media.look(made.moving(form), owner=None)
    assert seen.kind == "video"
    assert [shown.at for shown in seen.pictures] == [0, 0.5, 1, 1.5, 2, 2.5]


def test_a_tiff_of_pages_shows_its_pages(media: Media) -> None:
    seen = media.look(made.moving("tiff", 3), owner=None)
    assert [(shown.at, made.step_of(shown.data)) for shown in seen.pictures] == [(None, 0), (None, 5), (None, 10)]


def test_a_recording_without_pictures_is_no_video(media: Media, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="sound only"):
        media.look(made.sound(tmp_path / "a.mp4"), owner=None, content_type="video/mp4", field="video_file")


def test_what_was_seen_is_kept_for_its_owner_alone(media: Media, media_folder: Path) -> None:
    picture = made.picture("png", 7)
    before = _kept(media_folder)
    first = media.look(picture, owner="ann")
    kept = _kept(media_folder) - before
    assert len(kept) == 1
    assert media.look(picture, owner="ann") == first
    media.look(picture, owner="bob")
    assert len(_kept(media_folder) - before) == 2, "each has their own: time tells nobody what others sent"


def test_what_was_seen_under_a_name_is_known_without_its_bytes(media: Media, media_folder: Path) -> None:
    picture, kind = made.picture("png", 9), "image/png"
    first = media.look(picture, owner="ann", content_type=kind, same="file-1")
    assert media.again("file-1", owner="ann", content_type=kind) == first
    for owner, name in (("bob", "file-1"), (None, "file-1"), ("ann", "file-2")):
        assert media.again(name, owner=owner, content_type=kind) is None
    for path in (media_folder / "seen").glob("*"):
        path.unlink()
    assert media.again("file-1", owner="ann", content_type=kind) is None


def test_words_of_a_recording_are_known_again(media: Media) -> None:
    media.keep_words("file-3", "Hello there.", owner="ann", content_type="audio/wav")
    media.keep_words("file-4", "Nobody's.", owner=None, content_type="audio/wav")
    seen = media.again("file-3", owner="ann", content_type="audio/wav")
    assert seen is not None
    assert (seen.kind, seen.text) == ("document", "Hello there.")
    assert media.again("file-4", owner="ann", content_type="audio/wav") is None


def test_a_record_that_was_damaged_is_made_anew(media: Media, media_folder: Path) -> None:
    picture = made.picture("png", 8)
    before = _kept(media_folder)
    first = media.look(picture, owner="ann")
    (name,) = _kept(media_folder) - before
    (media_folder / "seen" / name).write_bytes(b"\0\0\0\x05{}")
    assert media.look(picture, owner="ann") == first


def test_an_error_names_the_field(media: Media) -> None:
    with pytest.raises(InvalidRequest) as fault:
        media.look(made.picture("png")[:200], owner=None, field="video_file")
    assert fault.value.field == "video_file"


def _size(picture: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture)).size


def _kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / "seen").glob("*")}
