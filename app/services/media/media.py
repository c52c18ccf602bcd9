"""Looking at files: pictures and frames of videos for models that see, text of documents and scans for all."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from app.domain.errors import DomainError, InvalidRequest, UnsupportedMedia
from app.domain.media import Picture, Seen, TextPage
from app.services.media.asking import Source, ask
from app.services.media.kinds import PICTURES, VIDEOS, is_document
from app.stores.seen_folder import OWNER_DIGITS, SeenFolder
from app.utils.cancel import Cancel
from app.utils.children import Children
from app.utils.content_type import HEAD, type_of, type_of_head
from app.utils.pools import ThreadLane

log = logging.getLogger(__name__)

EDGE, FRAME_EDGE = 1568, 1024
"""Pixels of the longest side of a picture and of a video's frame: what models look at; more only costs."""
MAX_CHARS = 2_000_000
SCANS = 6
"""Pages of a document that are read as pictures; one takes seconds."""
_VERSION = "1"
"""To be raised when what is made of a file changes: what was kept before is then not found."""


class Media:
    """pictures, videos, documents, scans: the children that read each kind. frames: of a video, at most."""

    def __init__(
        self,
        pictures: Children,
        videos: Children,
        documents: Children,
        scans: Children,
        kept: SeenFolder,
        *,
        frames: int,
    ) -> None:
        self._pictures = pictures
        self._videos = videos
        self._documents = documents
        self._scans = scans
        self._kept = kept
        self._frames = frames
        self._lane = ThreadLane(1)

    def type_of(self, source: Source, name: str = "") -> str | None:
        """By content; the name only tells kinds of text apart."""
        if isinstance(source, bytes):
            return type_of_head(source[:HEAD], name, whole=len(source) <= HEAD)
        return self._lane.run(lambda: type_of(source, name))

    def look(
        self,
        source: Source,
        *,
        owner: str | None,
        content_type: str | None = None,
        max_chars: int = MAX_CHARS,
        field: str = "file",
        same: str | None = None,
        cancel: Cancel | None = None,
    ) -> Seen:
        """What a model can be shown of a file: a picture's or a video's pictures, a document's text.

        owner: for whom what was made is kept, so that nobody learns by the time it takes what others have sent; None
        keeps nothing. content_type: as `type_of` told it. field: what an error names. same: a name that this content
        alone ever has, for `again`. Raises InvalidRequest for what is broken, UnsupportedMedia, TooLarge, Overloaded
        where too many wait, Unavailable where it was stopped.
        """
        try:
            kind = content_type or self.type_of(source)
            if kind is None or not (kind in PICTURES or kind in VIDEOS or is_document(kind)):
                raise UnsupportedMedia(f"this kind of file cannot be looked at: {kind or 'unknown'}")
            key = None if owner is None else self._key(source, owner, kind, max_chars)
            seen = self._known(key)
            if seen is None:
                seen = self._seen(source, kind, max_chars, cancel)
                self._keep(key, seen)
            if key is not None and same is not None:
                self._put(self._name(same, str(owner), kind), {"as": key}, [])
        except DomainError as fault:
            fault.field = fault.field or field
            raise
        return seen

    def again(self, same: str, *, owner: str | None, content_type: str) -> Seen | None:
        """What was seen before in the content of this name, without a look at it; None where that is not known."""
        if owner is None:
            return None
        name = self._name(same, owner, content_type)
        found = self._lane.run(lambda: self._kept.get(name))
        if found is not None and "as" in found[0]:
            return self._known(str(found[0]["as"]))
        return _seen_of(found)

    def keep_words(self, same: str, text: str, *, owner: str | None, content_type: str) -> None:
        """What is said in a recording, for `again`."""
        if owner is not None:
            self._keep(self._name(same, owner, content_type), Seen("document", pages=(TextPage(text),)))

    def forget(self, owner: str) -> None:
        """Keep nothing more of what was seen for this user: a file of theirs is gone. It is made anew where it is
        asked for."""
        try:
            self._lane.run(lambda: self._kept.forget(_of(owner)))
        except OSError as fault:
            log.warning("what was seen in files stays for a while: %s", fault.strerror)

    def read_document(self, path: Path, content_type: str, max_chars: int) -> str:
        """The text of a document or of what stands in a picture. Raises as `look` does."""
        if content_type in PICTURES:
            return self.read_picture(path, content_type)[:max_chars]
        return self.look(path, owner=None, content_type=content_type, max_chars=max_chars).text[:max_chars]

    def read_picture(self, source: Source, content_type: str) -> str:
        """The text that stands in a picture, read by OCR. Raises as `look` does."""
        shown = self.look(source, owner=None, content_type=content_type)
        return self._ocr(shown.pictures[0].data, None)

    def close(self) -> None:
        for children in (self._pictures, self._videos, self._documents, self._scans):
            children.close()
        self._lane.close()

    def _seen(self, source: Source, kind: str, max_chars: int, cancel: Cancel | None) -> Seen:
        if kind in PICTURES:
            job: dict[str, object] = {"format": PICTURES[kind], "edge": EDGE, "most": self._frames}
            seen = ask(self._pictures, source, job, _pictures, cancel)
            moves = len(seen.pictures) > 1 and seen.pictures[-1].at is not None
            return replace(seen, kind="video", duration=seen.pictures[-1].at) if moves else seen
        if kind in VIDEOS:
            job = {"format": VIDEOS[kind], "edge": FRAME_EDGE, "most": self._frames}
            return replace(ask(self._videos, source, job, _pictures, cancel), kind="video")
        job = {"content_type": kind, "max_chars": max_chars, "scans": SCANS}
        seen, scans = ask(self._documents, source, job, _pages, cancel)
        return self._with_scans(seen, scans, cancel) if scans else seen

    def _with_scans(self, seen: Seen, scans: dict[int, bytes], cancel: Cancel | None) -> Seen:
        """Pages without text get what is read from their pictures; one that cannot be read is told of."""
        pages, unread = list(seen.pages), 0
        for index, scan in scans.items():
            try:
                text = self._ocr(scan, cancel)
                pages[index] = replace(pages[index], text=text or pages[index].text, scanned=bool(text))
            except InvalidRequest:
                unread += 1
        notices = (*seen.notices, f"{unread} of its pages could not be read as pictures") if unread else seen.notices
        kept = tuple(page for page in pages if page.text)
        if not kept:
            raise InvalidRequest("there is no text in the document")
        return replace(seen, pages=kept, notices=notices)

    def _ocr(self, picture: bytes, cancel: Cancel | None) -> str:
        return ask(self._scans, picture, {}, lambda answer, folder: str(answer["text"]), cancel)

    def _key(self, source: Source, owner: str, kind: str, max_chars: int) -> str:
        def digest() -> str:
            if isinstance(source, bytes):
                content = hashlib.sha256(source)
            else:
                with source.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256")
            said = f"{_VERSION} {owner} {kind} {self._frames} {max_chars} "
            return _of(owner) + hashlib.sha256(said.encode() + content.digest()).hexdigest()

        return self._lane.run(digest)

    def _name(self, same: str, owner: str, kind: str) -> str:
        return _of(owner) + hashlib.sha256(f"{_VERSION} {owner} {kind} {self._frames} as {same}".encode()).hexdigest()

    def _known(self, key: str | None) -> Seen | None:
        return None if key is None else _seen_of(self._lane.run(lambda: self._kept.get(key)))

    def _keep(self, key: str | None, seen: Seen) -> None:
        if key is None:
            return
        record = asdict(replace(seen, pictures=()))
        del record["pictures"]
        record["shown"] = [(picture.mime, picture.at) for picture in seen.pictures]
        self._put(key, record, [picture.data for picture in seen.pictures])

    def _put(self, key: str, record: dict[str, Any], blobs: list[bytes]) -> None:
        try:
            self._lane.run(lambda: self._kept.put(key, record, blobs))
        except OSError as full:
            log.warning("what was seen in a file could not be kept: %s", full.strerror)


def _seen_of(found: tuple[dict[str, Any], list[bytes]] | None) -> Seen | None:
    if found is None:
        return None
    record, blobs = found
    try:
        shown = zip(blobs, record.pop("shown"), strict=True)
        pictures = tuple(Picture(blob, mime, at) for blob, (mime, at) in shown)
        pages = tuple(TextPage(**page) for page in record.pop("pages"))
        return Seen(pictures=pictures, pages=pages, notices=tuple(record.pop("notices")), **record)
    except (KeyError, TypeError, ValueError):
        return None  # written by another version


def _of(owner: str) -> str:
    """What the names of all that is kept for a user begin with."""
    return hashlib.sha256(f"owner {owner}".encode()).hexdigest()[:OWNER_DIGITS]


def _pictures(answer: dict[str, Any], folder: Path) -> Seen:
    pictures = tuple(Picture((folder / one["file"]).read_bytes(), one["mime"], one["at"]) for one in answer["pictures"])
    return Seen("picture", pictures, duration=answer.get("duration"))


def _pages(answer: dict[str, Any], folder: Path) -> tuple[Seen, dict[int, bytes]]:
    """The pages, and of those that have no text their pictures."""
    told = answer["pages"]
    pages = tuple(TextPage(page["text"], page["label"], page["number"]) for page in told)
    scans = {index: (folder / page["scan"]).read_bytes() for index, page in enumerate(told) if page["scan"]}
    return Seen("document", (), pages, tuple(answer["notices"]), None, answer["cut"]), scans
