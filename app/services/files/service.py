"""Files: kept within a quota, given back to who owns them, forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from app.domain.caller import Caller
from app.domain.errors import DomainError, Forbidden, InvalidRequest, Unavailable, UnsupportedMedia
from app.domain.files import FileOrigin, StoredFile
from app.domain.policies.file_names import shown_name
from app.repositories.files import Files, Located
from app.stores.blob_folder import disk_fault
from app.stores.blobs import BlobStore
from app.utils.clock import utcnow
from app.utils.content_type import decoder_of, type_of
from app.utils.ids import new_public_id
from app.utils.spooled import SpooledFile, SpoolFolder

log = logging.getLogger(__name__)

PREVIEW_CHARS: Final = 4_000
"""Characters of a preview."""

Extract = Callable[[Path, str, int], str]
"""The text of a document or picture: path, content type, characters at most. Raises DomainError."""


class FileService:
    """files: their rows. blobs: their bytes. spool: where they pass through on their way.

    extract: reads the text of what is no text; None where nobody can. forget: told of a user a file of whom was
    deleted, to drop what was made of it.
    """

    def __init__(
        self,
        files: Files,
        blobs: BlobStore,
        spool: SpoolFolder,
        *,
        extract: Extract | None = None,
        forget: Callable[[str], None] | None = None,
        now: Callable[[], datetime] = utcnow,
    ) -> None:
        self._files = files
        self._blobs = blobs
        self._spool = spool
        self._now = now
        self.extract = extract
        self.forget = forget

    def keep(
        self,
        caller: Caller,
        name: str | None,
        content: SpooledFile | bytes,
        *,
        purpose: str = "user_data",
        origin: FileOrigin = "upload",
    ) -> StoredFile:
        """Store a file of the caller's for good. content: bytes, or what was spooled and is finished.

        What was spooled may have been moved; who spooled it closes it all the same. Raises InvalidRequest for an
        empty one, UnsupportedMedia for one of no known kind, TooLarge over the quota, Forbidden for a guest's upload,
        Unavailable where a store is away or full. Nothing is kept then.
        """
        if caller.is_guest and origin == "upload":
            raise Forbidden("Guests keep no files; sign in.")
        if not isinstance(content, bytes):
            return self._keep(caller.user_id, name, content, purpose, origin)
        with self.spooled(content) as spooled:
            return self._keep(caller.user_id, name, spooled, purpose, origin)

    def get(self, user_id: str, file_id: str) -> StoredFile:
        """Raises NotFound, also where it is another user's."""
        return self._files.get(user_id, file_id).file

    def some(self, user_id: str, file_ids: Sequence[str]) -> tuple[StoredFile, ...]:
        """Those of these files that are the user's, in the order of the ids."""
        return tuple(found.file for found in self._files.some(user_id, file_ids))

    def open(
        self, user_id: str, file_id: str, start: int = 0, length: int | None = None
    ) -> tuple[StoredFile, Iterator[bytes]]:
        """The file and its bytes in pieces, from `start` on. Close the iterator where it is not read to its end.

        Raises NotFound, Unavailable.
        """
        found = self._files.get(user_id, file_id)
        rest = max(0, found.file.bytes - start)
        return found.file, self._blobs.read(found.blob_id, start, rest if length is None else min(length, rest))

    @contextmanager
    def local(self, user_id: str, file_id: str) -> Iterator[tuple[StoredFile, Path]]:
        """The file at a path of this machine while the block runs, to be read and nothing else.

        Raises NotFound, Unavailable.
        """
        found = self._files.get(user_id, file_id)
        with self._blobs.local(found.blob_id) as path:
            yield found.file, path

    def page(
        self,
        caller: Caller,
        *,
        limit: int,
        after: str | None = None,
        purpose: str | None = None,
        oldest_first: bool = False,
    ) -> tuple[tuple[StoredFile, ...], bool]:
        """The caller's files, newest first, and whether there are more. A guest has none to show."""
        if caller.is_guest:
            return (), False
        return self._files.page(caller.user_id, limit=limit, after=after, purpose=purpose, oldest_first=oldest_first)

    def delete(self, caller: Caller, name_or_id: str, *, by_name: bool = True) -> StoredFile:
        """Delete the file with this id, or the only one with this name. Raises NotFound, Conflict where two bear it."""
        user_id = caller.user_id
        found = self._named(caller, name_or_id) if by_name else self._files.get(user_id, name_or_id)
        self._files.delete(user_id, found.file.id, self._now())
        self.remove_unowned()
        if self.forget is not None:
            self.forget(user_id)
        return found.file

    def drawn(self, user_id: str, file_ids: Sequence[str], conversation_row: str) -> None:
        """These were made for a conversation; they go where it was deleted meanwhile. Raises Unavailable."""
        if self._files.release_of_deleted(user_id, file_ids, conversation_row, self._now()):
            self.remove_unowned()

    def preview(self, caller: Caller, name_or_id: str) -> tuple[StoredFile, str]:
        """The file and the beginning of its text, empty for what has none.

        Raises NotFound, Conflict, UnsupportedMedia for a document that nobody here can read.
        """
        found = self._named(caller, name_or_id)
        return found.file, self._text(found)

    def expect(self, caller: Caller, size: int) -> None:
        """Refuse so many bytes before they are read. Raises Forbidden for a guest, TooLarge over the quota."""
        if caller.is_guest:
            raise Forbidden("Guests keep no files; sign in.")
        self._files.expect(caller.user_id, size, self._now())

    def spooled(self, content: bytes) -> SpooledFile:
        """Bytes in a file of their own, to be closed. Raises Unavailable."""
        try:
            spooled = self._spool.new()
            try:
                spooled.write(content)
                return spooled.finish()
            except BaseException:
                spooled.close()
                raise
        except OSError as fault:
            raise disk_fault(fault) from fault

    def remove_unowned(self) -> int:
        """Take the bytes away that no file is any more; how many blobs. What cannot be done now is done later."""
        gone = 0
        try:
            for blob_id in self._files.free(self._now()):
                self._blobs.delete(blob_id)
                self._files.gone(blob_id)
                gone += 1
        except Unavailable:
            log.warning("bytes of deleted files wait to be taken away")
        return gone

    def _keep(
        self, user_id: str, name: str | None, content: SpooledFile, purpose: str, origin: FileOrigin
    ) -> StoredFile:
        if content.bytes == 0:
            raise InvalidRequest("The file is empty.", field="file")
        shown = shown_name(name)
        content_type = self._spool.lane.run(lambda: type_of(content.path, shown))
        if content_type is None:
            raise UnsupportedMedia(
                "This is no kind of file that is known here: pictures, videos, sound, PDF, DOCX, XLSX, PPTX and "
                "text in UTF-8 are.",
                field="file",
            )
        file = StoredFile(new_public_id(), user_id, shown, content.bytes, content_type, self._now(), purpose, origin)
        blob_id = new_public_id()
        self._files.reserve(file, blob_id, content.sha256)
        try:
            self._blobs.put(blob_id, content)
            owned = self._files.keep(file, blob_id, content.sha256, self._now())
        except BaseException:
            self._give_up(file)
            raise
        if owned != blob_id:
            self.remove_unowned()
        return file

    def _give_up(self, file: StoredFile) -> None:
        try:
            self._files.give_up(file, self._now())
            self.remove_unowned()
        except DomainError:
            log.warning("the place of an upload that failed is given back when its time is over")

    def _named(self, caller: Caller, name_or_id: str) -> Located:
        return (
            self._files.get(caller.user_id, name_or_id)
            if caller.is_guest
            else self._files.find(caller.user_id, name_or_id)
        )

    def _text(self, found: Located) -> str:
        file = found.file
        if file.kind == "text":
            # Four bytes a character and a mark at its beginning.
            head = b"".join(self._blobs.read(found.blob_id, 0, min(file.bytes, PREVIEW_CHARS * 4 + 4)))
            return head.decode(decoder_of(head), "replace").rstrip("\ufffd")[:PREVIEW_CHARS]
        if self.extract is not None and file.kind in ("document", "image"):
            with self._blobs.local(found.blob_id) as path:
                return self.extract(path, file.content_type, PREVIEW_CHARS)
        if file.kind == "document" and file.content_type != "text/html":
            raise UnsupportedMedia(f"There is no preview of {file.content_type}.", field="filename")
        return ""
