"""The children that read media, and who asks them."""

from __future__ import annotations

from pathlib import Path

from app.bootstrap.house import MB, House
from app.services.chat.attachments import Attachments
from app.services.media.media import Media
from app.services.media.passages import Passages
from app.stores.seen_folder import SeenFolder
from app.utils.children import Children, Limits

KEPT_MB = 256


def media_room(house: House) -> None:
    """Files of chats are looked at before a provider is asked; the files room reads text with the same children."""
    media = readers(house.settings.instance / "media", frames=house.settings.video_max_frames)
    house.files.extract, house.files.forget = media.read_document, media.forget
    house.forgetters.append(lambda user_id, public_id, row_id: media.forget(user_id))
    passages = Passages(house.embedder)
    house.attachments = Attachments(media, house.files, passages=passages)
    house.enrichments.append(house.attachments)
    house.lifecycle.on_close("passages", passages.close)
    house.lifecycle.on_close("media", media.close)


def readers(folder: Path, *, frames: int) -> Media:
    """folder: where jobs pass through and what was seen is kept for a while. A child is started with its first job.

    Memory is address space: the libraries alone map 440 MB for videos and 65 for pictures.
    """
    jobs = folder / "jobs"
    return Media(
        Children("app.jobs.pictures", Limits(seconds=6, memory_mb=700), jobs),
        Children("app.jobs.media", Limits(seconds=8, memory_mb=768), jobs),
        Children("app.jobs.documents", Limits(seconds=10, memory_mb=768), jobs),
        Children("app.jobs.ocr", Limits(seconds=60, memory_mb=3072, forks=True), jobs, patience=120),
        SeenFolder(folder / "seen", KEPT_MB * MB),
        frames=frames,
    )
