"""Files of a chat, looked at and put into its prompt: pictures and frames for models that see, text for all."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.domain.chat import AudioPart, FilePart, ImagePart, Message, Part, TextPart
from app.domain.errors import DomainError, InvalidRequest, NotFound, UnsupportedMedia
from app.domain.events import Notice, Silence
from app.domain.files import StoredFile
from app.domain.media import Seen, TextPage, spread
from app.domain.policies.earlier import GONE, before_words
from app.domain.policies.quoting import clock, plain_name
from app.domain.policies.sound import HEAD, seconds_of
from app.domain.policies.tokens import BYTES_A_TOKEN
from app.services.chat.documents import MOST_PICTURES, Documents, Room, Waiting
from app.services.chat.earlier_files import EarlierFiles, in_turn, is_past, past_ids, unread
from app.services.chat.enrichment import silences
from app.services.chat.native_video import OF_NOW, as_it_is, may_be_sent
from app.services.chat.run import ChatRun
from app.services.chat.scribe import Scribe
from app.services.files.service import FileService
from app.services.media.media import Media
from app.services.media.passages import Passages
from app.utils.cancel import Cancel
from app.utils.pools import ThreadLane

log = logging.getLogger(__name__)

MOST_TOKENS, LEAST_TOKENS = 60_000, 1_000
"""Tokens of text that files may bring into one prompt; and what they may bring however full it is."""
UNKNOWN_WINDOW = 16_000

MOST_SOUND = 8 * 2**20
"""Bytes of a recording that goes to a model that hears; a longer one is written down where it can be."""

#: The words of `input_audio` for its formats, and the types that they are; and back, for models that hear.
SOUNDS = {"mp3": "audio/mpeg", "m4a": "audio/mp4"}
FORMS = {"mpeg": "mp3"}

_disk = ThreadLane(1)


class Attachments:
    """The enrichment that looks at files; pictures that a prompt points to are data by then (`linked_pictures.py`).

    scribe: writes down what is said in recordings. passages: finds what matters in documents that are too long.
    """

    def __init__(
        self,
        media: Media,
        files: FileService | None,
        *,
        scribe: Scribe | None = None,
        passages: Passages | None = None,
    ) -> None:
        self._media = media
        self._files = files
        self.scribe = scribe
        self._documents = Documents(passages)

    def wanted(self, chat: ChatRun) -> bool:
        request = chat.request
        return (
            chat.carries
            or bool(request.wishes.attachments)
            or any(
                type(message.content) is tuple and any(type(part) is not TextPart for part in message.content)
                for message in request.messages
            )
        )

    def enrich(self, chat: ChatRun, cancel: Cancel) -> Iterator[Notice | Silence]:
        """Raises what `Media.look` does, and NotFound for a file that is not the caller's. What cannot be had of an
        earlier turn's files is told to the model, and is no error."""
        window = chat.plan.candidates[0].model.context_window or UNKNOWN_WINDOW
        tokens = max(LEAST_TOKENS, min(MOST_TOKENS, window // 2 - chat.prompt_tokens))
        room = Room(tokens * BYTES_A_TOKEN)
        messages = _with_attached(chat)
        past: EarlierFiles | None = None
        parts: dict[tuple[int, int], tuple[Part, ...]] = {}
        for at, index, part in in_turn(messages):
            if isinstance(part, FilePart) and is_past(part):
                past = past or EarlierFiles(chat, self._named(chat, messages), room)
                parts[at, index] = yield from self._again(part, chat, past, cancel)
            else:
                parts[at, index] = yield from self._shown(part, f"messages[{at}].content[{index}]", chat, room, cancel)
        chat.set_prompt(tuple(_put_together(at, message, parts) for at, message in enumerate(messages)))
        if past is not None and past.left_out:
            room.tell(f"{past.left_out} files of earlier turns were left out: there is no room for them")
        yield from room.notices

    def _named(self, chat: ChatRun, messages: tuple[Message, ...]) -> dict[str, StoredFile]:
        """The caller's files among those that stood in earlier turns."""
        ids = list(dict.fromkeys(past_ids(messages)))
        if self._files is None:
            return {}
        return {file.id: file for file in self._files.some(chat.request.caller.user_id, ids)}

    def _again(self, part: FilePart, chat: ChatRun, past: EarlierFiles, cancel: Cancel) -> Waiting:
        given = past.taken(part)
        if isinstance(given, TextPart):
            return (given,)
        try:
            return past.placed(given, (yield from self._file(given, chat, past.room, cancel)))
        except DomainError as fault:
            if cancel.reason is not None:
                raise
            log.debug("an earlier file is left out: %s", fault.message, extra={"request_id": chat.request.prompt_id})
            return (unread(given.name, "which cannot be read now"),)

    def _shown(self, part: Part, field: str, chat: ChatRun, room: Room, cancel: Cancel) -> Waiting:
        if isinstance(part, ImagePart):
            return (yield from self._picture(part, f"{field}.image_url.url", chat, room, cancel))
        if isinstance(part, AudioPart):
            return (yield from self._sound(part, f"{field}.input_audio", chat, room, cancel))
        if not isinstance(part, FilePart):
            return (part,)
        try:
            return (yield from self._file(part, chat, room, cancel))
        except NotFound:
            if part.of != "again":
                raise
            return (TextPart(GONE),)

    def _file(self, given: FilePart, chat: ChatRun, room: Room, cancel: Cancel) -> Waiting:
        """given: with its content type where that is known; its bytes are then not opened if they were seen before."""
        seen = self._seen_before(given, chat)
        if seen is None:
            with self._opened(given, chat.request.caller.user_id) as given:
                if (given.content_type or "").startswith("audio/"):
                    return (yield from self._recording(given, chat, room, cancel))
                seen = yield from silences(partial(self._look, given, chat, cancel))
                if seen.kind == "video" and given.of in OF_NOW and may_be_sent(chat, given):
                    return (yield from silences(partial(as_it_is, given, _pictures(given, seen, room), seen)))
        if seen.kind != "document":
            return _pictures(given, seen, room)
        for notice in seen.notices:
            room.tell(f"{plain_name(given.name)}: {notice}")
        return (yield from self._documents.quoted(given, seen.pages, chat, room))

    def _picture(self, part: ImagePart, field: str, chat: ChatRun, room: Room, cancel: Cancel) -> Waiting:
        if room.pictures <= 0:
            raise InvalidRequest(f"at most {MOST_PICTURES} pictures go into one chat", field=field)
        given = FilePart(field)

        def work() -> Seen:
            return self._look(replace(given, data=_decoded(part.url, field)), chat, cancel)

        seen = yield from silences(work)
        if seen.kind == "document":
            raise UnsupportedMedia("what is sent as a picture is none", field=field)
        return tuple(
            replace(shown, detail=part.detail) if isinstance(shown, ImagePart) else shown
            for shown in _pictures(given, seen, room)
        )

    def _sound(self, part: AudioPart, field: str, chat: ChatRun, room: Room, cancel: Cancel) -> Waiting:
        if self._hears(chat):
            return (part,)
        raw = _decoded(f",{part.data}", f"{field}.data")
        name, kind = f"recording.{part.format}", SOUNDS.get(part.format, f"audio/{part.format}")
        return (yield from self._words(FilePart(field, data=raw, name=name, content_type=kind), chat, room, cancel))

    def _recording(self, given: FilePart, chat: ChatRun, room: Room, cancel: Cancel) -> Waiting:
        content = yield from silences(lambda: given.data if given.path is None else _read(given.path))
        if content and len(content) <= MOST_SOUND and self._hears(chat):
            form = (given.content_type or "").partition("/")[2]
            lead = (TextPart(f'Recording "{plain_name(given.name)}":'),) if given.name else ()
            return (*lead, AudioPart(base64.b64encode(content).decode(), FORMS.get(form, form)))
        return (yield from self._words(replace(given, data=content, path=None), chat, room, cancel))

    def _hears(self, chat: ChatRun) -> bool:
        """Whether a recording goes as it came: where the model that is asked first hears, or nobody writes it down."""
        candidates = chat.plan.candidates
        hears = tuple(c for c in candidates if "audio" in c.model.inputs or not c.model.abilities_known)
        if not hears or (hears[0] is not candidates[0] and self.scribe is not None and self.scribe.able(chat)):
            return False
        chat.plan = replace(chat.plan, candidates=hears)
        return True

    def _words(self, given: FilePart, chat: ChatRun, room: Room, cancel: Cancel) -> Waiting:
        content = given.data
        if self.scribe is None or not content:
            raise UnsupportedMedia("no model here hears, and recordings are not written down here", field=given.field)
        part = replace(given, seconds=seconds_of(content[:HEAD], len(content)))
        text = yield from self.scribe.written(chat, part, cancel)
        if given.id is not None:
            self._media.keep_words(given.id, text, owner=_owner(chat), content_type=given.content_type or "")
        return (yield from self._documents.quoted(given, (TextPage(text),), chat, room))

    def _look(self, given: FilePart, chat: ChatRun, cancel: Cancel) -> Seen:
        source = given.path or given.data
        if source is None:
            raise InvalidRequest("the file is empty", field=given.field)
        return self._media.look(
            source,
            owner=_owner(chat),
            content_type=given.content_type,
            field=given.field,
            same=given.id,
            cancel=cancel,
        )

    def _seen_before(self, given: FilePart, chat: ChatRun) -> Seen | None:
        if given.id is None or given.content_type is None:
            return None
        return self._media.again(given.id, owner=_owner(chat), content_type=given.content_type)

    @contextmanager
    def _opened(self, part: FilePart, user_id: str) -> Iterator[FilePart]:
        """The part with its bytes or a path to them, and its type by content."""
        if part.id is None:
            source = part.path or part.data or b""
            yield replace(part, content_type=part.content_type or self._media.type_of(source, part.name))
            return
        if self._files is None:
            raise NotFound("there is no such file", field=part.field)
        with ExitStack() as held:
            try:
                file, path = held.enter_context(self._files.local(user_id, part.id))
            except NotFound as fault:
                raise NotFound("there is no such file", field=part.field) from fault
            yield replace(part, path=path, name=file.name, content_type=file.content_type)


def _with_attached(chat: ChatRun) -> tuple[Message, ...]:
    """The prompt with the attached files before the words of its last question."""
    ids = chat.request.wishes.attachments
    prompt = chat.prompt
    if not ids:
        return prompt
    files = tuple(FilePart(f"attachments[{index}]", id=file_id) for index, file_id in enumerate(ids))
    last = max(index for index, message in enumerate(prompt) if message.role == "user")
    return (*prompt[:last], before_words(files, prompt[last]), *prompt[last + 1 :])


def _put_together(at: int, message: Message, parts: dict[tuple[int, int], tuple[Part, ...]]) -> Message:
    if not isinstance(message.content, tuple):
        return message
    return replace(message, content=tuple(part for i in range(len(message.content)) for part in parts[at, i]))


def _owner(chat: ChatRun) -> str | None:
    """For whom what is seen is kept."""
    caller = chat.request.caller
    return None if caller.is_guest else caller.user_id


def _pictures(given: FilePart, seen: Seen, room: Room) -> tuple[Part, ...]:
    shown = spread(seen.pictures, room.pictures) if seen.kind == "video" else seen.pictures[: room.pictures]
    name = f' "{plain_name(given.name)}"' if given.name else ""
    if len(shown) < len(seen.pictures):
        room.tell(f"only {MOST_PICTURES} pictures and frames of all files were given to the model")
    room.pictures -= len(shown)
    if seen.kind == "video":
        lead = f"Video{name}, {clock(seen.duration or 0)} long; {len(shown)} of its frames follow, each with its time:"
    else:
        lead = f"Picture{name}:" if name else ""
    parts: list[Part] = [TextPart(lead)] if lead else []
    for picture in shown:
        if picture.at is not None and seen.kind == "video":
            parts.append(TextPart(f"[{clock(picture.at)}]"))
        parts.append(ImagePart(f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}"))
    return tuple(parts)


def _read(path: Path) -> bytes:
    return _disk.run(path.read_bytes)


def _decoded(url: str, field: str) -> bytes:
    try:
        return base64.b64decode(url.partition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("this is no valid base64", field=field) from None
