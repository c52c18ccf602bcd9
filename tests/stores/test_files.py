"""Files in SQL and in a folder together: quotas, equal bytes kept once, what is left of what failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.accounts import GUEST_ID
from app.domain.caller import Caller
from app.domain.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from app.domain.files import StoredFile
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.files import WRITING, Files
from app.repositories.group_commit import GroupCommit
from app.services.files.service import PREVIEW_CHARS, FileService
from app.stores.blob_folder import SPOOL, BlobFolder
from app.utils.pools import ThreadLane
from app.utils.spooled import SpooledFile, SpoolFolder
from tests.stores.sql_support import chat

QUOTA = 1000
ANN = Caller("ann", "ann", "user")
BOB = Caller("bob", "bob", "user")
GUEST = Caller(GUEST_ID, "guest", "guest")


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class Folder(BlobFolder):
    """A blob folder that can be told to fail, before or after it did what it was asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ThreadLane(1))
        self.folder = folder
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def put(self, blob_id: str, content: SpooledFile) -> None:
        self.before()
        super().put(blob_id, content)
        self.after()

    def there(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "uploads")


@pytest.fixture
def service(database: Database, folder: Folder, clock: Clock) -> Iterator[FileService]:
    spool = SpoolFolder(folder.folder / SPOOL, ThreadLane(1))
    yield FileService(Files(database, QUOTA), folder, spool, now=clock)
    spool.close()


def rows(database: Database) -> tuple[int, int]:
    """Files and blobs."""
    query = text("SELECT (SELECT count(*) FROM files), (SELECT count(*) FROM blobs)")
    files, blobs = database.read(lambda session: session.execute(query).one())
    return files, blobs


def content(service: FileService, caller: Caller, file: StoredFile) -> bytes:
    return b"".join(service.open(caller.user_id, file.id)[1])


def fail(error: Exception) -> Callable[[], None]:
    def failing() -> None:
        raise error

    return failing


def test_a_file_is_kept_as_it_came_and_only_its_owner_sees_it(service: FileService) -> None:
    kept = service.keep(ANN, "../notes.md", b"# Notes", purpose="batch")
    assert (kept.name, kept.bytes, kept.content_type, kept.purpose) == ("notes.md", 7, "text/markdown", "batch")
    assert service.get("ann", kept.id) == kept
    assert content(service, ANN, kept) == b"# Notes"
    assert service.page(ANN, limit=10) == ((kept,), False)
    assert service.page(BOB, limit=10) == ((), False)
    asks: list[Callable[[], Any]] = [
        lambda: service.get("bob", kept.id),
        lambda: service.open("bob", kept.id),
        lambda: service.local("bob", kept.id).__enter__(),
        lambda: service.delete(BOB, kept.id),
        lambda: service.delete(BOB, "notes.md"),
        lambda: service.preview(BOB, "notes.md"),
    ]
    for ask in asks:
        with pytest.raises(NotFound):
            ask()
    assert service.some("bob", [kept.id]) == ()


def test_fault_7_14_equal_bytes_are_kept_once_and_stay_while_one_file_is_them(
    service: FileService, folder: Folder, database: Database
) -> None:
    first = service.keep(ANN, "a.txt", b"the same")
    second = service.keep(BOB, "b.txt", b"the same")
    third = service.keep(ANN, "c.txt", b"the same")
    assert len(folder.there()) == 1
    assert rows(database) == (3, 1)
    service.delete(ANN, first.id)
    service.delete(ANN, third.id)
    assert content(service, BOB, second) == b"the same"
    service.delete(BOB, second.id)
    assert (folder.there(), rows(database)) == ([], (0, 0))
    again = service.keep(BOB, "d.txt", b"the same")
    assert content(service, BOB, again) == b"the same"


def test_the_quota_is_the_users_whole_and_a_deleted_file_gives_its_part_back(
    service: FileService, folder: Folder, database: Database
) -> None:
    first = service.keep(ANN, "a", b"x" * 600)
    with pytest.raises(TooLarge) as fault:
        service.keep(ANN, "b", b"y" * 401)
    assert fault.value.details == {"reason": "quota", "max_bytes": QUOTA, "left_bytes": 400}
    assert (len(folder.there()), rows(database)) == (1, (1, 1))
    service.keep(ANN, "b", b"y" * 400)
    service.keep(BOB, "b", b"z" * QUOTA)
    with pytest.raises(TooLarge):
        service.expect(ANN, 1)
    service.delete(ANN, first.id)
    service.expect(ANN, 600)
    service.keep(ANN, "c", b"x" * 600)


def test_fault_7_13_of_many_uploads_at_once_as_many_are_kept_as_there_is_room_for(
    database: Database, folder: Folder, database_url: str
) -> None:
    kept: list[StoredFile] = []
    refused: list[TooLarge] = []

    def upload(number: int) -> None:
        own = Database(database_url, timeout=10)
        spool = SpoolFolder(folder.folder / SPOOL, ThreadLane(1))
        service = FileService(Files(own, QUOTA), folder, spool)
        try:
            kept.append(service.keep(ANN, f"{number}", f"{number:02}".encode() * 100))
        except TooLarge as fault:
            refused.append(fault)
        spool.close()
        own.close()

    database.write(lambda session: session.execute(text(_USER), {"now": datetime.now(UTC)}) and None)
    threads = [threading.Thread(target=upload, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(kept), len(refused)) == (5, 15)
    assert {fault.details["reason"] for fault in refused} == {"quota"}
    assert (len(folder.there()), rows(database)) == (5, (5, 5))


_USER = """INSERT INTO users (id, username, name_key, role, active, token_epoch, created_at)
    VALUES ('ann', 'ann', 'ann', 'user', true, 0, :now)"""


def test_many_who_keep_and_delete_equal_bytes_at_once_lose_none_of_those_that_stay(
    database: Database, folder: Folder, database_url: str
) -> None:
    kept: list[tuple[Caller, StoredFile]] = []

    def work(number: int) -> None:
        own = Database(database_url, timeout=10)
        spool = SpoolFolder(folder.folder / SPOOL, ThreadLane(1))
        service = FileService(Files(own, QUOTA), folder, spool)
        caller = Caller(f"user-{number}", "u", "user")
        for turn in range(6):
            file = service.keep(caller, "same", b"the same")
            if turn == 5:
                kept.append((caller, file))
            else:
                service.delete(caller, file.id)
        spool.close()
        own.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 6
    spool = SpoolFolder(folder.folder / SPOOL, ThreadLane(1))
    service = FileService(Files(database, QUOTA), folder, spool, now=lambda: datetime.now(UTC) + timedelta(hours=1))
    service.remove_unowned()
    for caller, file in kept:
        assert content(service, caller, file) == b"the same"
    assert (len(folder.there()), rows(database)) == (1, (6, 1))


@pytest.mark.parametrize(
    ("given", "error"),
    [(b"", InvalidRequest), (b"\0\1\2", UnsupportedMedia), (b"PK\3\4" + b"\0" * 50, UnsupportedMedia)],
)
def test_what_is_empty_or_of_no_known_kind_is_refused_and_leaves_nothing(
    given: bytes, error: type[Exception], service: FileService, folder: Folder, database: Database
) -> None:
    with pytest.raises(error):
        service.keep(ANN, "x.png", given)
    assert (folder.there(), rows(database)) == ([], (0, 0))


@pytest.mark.parametrize("when", ["before", "after"])
def test_fault_7_13_an_upload_that_cannot_be_stored_gives_back_what_it_had_taken(
    when: str, service: FileService, folder: Folder, database: Database
) -> None:
    setattr(folder, when, fail(Unavailable("The disk is full.")))
    with pytest.raises(Unavailable):
        service.keep(ANN, "a", b"x" * QUOTA)
    assert (folder.there(), rows(database)) == ([], (0, 0))
    folder.before = folder.after = lambda: None
    service.keep(ANN, "a", b"x" * QUOTA)


@pytest.mark.parametrize("when", ["before", "after"])
def test_fault_7_13_of_a_worker_killed_at_half_nothing_is_left_after_a_while(
    when: str, service: FileService, folder: Folder, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed() -> None:
        raise Killed

    setattr(folder, when, killed)
    monkeypatch.setattr(service, "_give_up", lambda file: None)  # a killed process gives nothing back
    with suppress(Killed):
        service.keep(ANN, "a", b"x" * QUOTA)
    folder.before = folder.after = lambda: None
    with pytest.raises(TooLarge):
        service.keep(ANN, "b", b"y")
    assert service.page(ANN, limit=10) == ((), False)
    assert service.remove_unowned() == 0
    clock.now += WRITING
    service.keep(ANN, "b", b"y" * QUOTA)
    assert service.remove_unowned() == 1
    assert (len(folder.there()), rows(database)) == (1, (1, 1))


def test_bytes_that_come_too_late_are_no_file(
    service: FileService, folder: Folder, database: Database, clock: Clock
) -> None:
    def slow() -> None:
        clock.now += WRITING + timedelta(seconds=1)
        service.remove_unowned()

    folder.after = slow
    with pytest.raises(Unavailable, match="took too long"):
        service.keep(ANN, "a", b"x")
    clock.now += timedelta(hours=1)
    service.remove_unowned()
    assert (folder.there(), rows(database)) == ([], (0, 0))


def test_bytes_that_cannot_be_taken_away_now_are_taken_away_later(
    service: FileService, folder: Folder, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = service.keep(ANN, "a", b"x")
    with monkeypatch.context() as patch:
        patch.setattr(folder, "delete", lambda blob_id: fail(Unavailable("away"))())
        service.delete(ANN, kept.id)
    assert service.page(ANN, limit=10) == ((), False)
    clock.now += timedelta(minutes=2)
    assert service.remove_unowned() == 1
    assert (folder.there(), rows(database)) == ([], (0, 0))


def test_fault_7_11_a_name_finds_a_file_while_it_is_the_only_one_and_an_id_always(service: FileService) -> None:
    first = service.keep(ANN, "a.txt", b"1")
    assert service.preview(ANN, "a.txt") == (first, "1")
    second = service.keep(ANN, "a.txt", b"2")
    service.keep(BOB, "a.txt", b"3")
    for ask in (service.preview, service.delete):
        with pytest.raises(Conflict) as fault:
            ask(ANN, "a.txt")  # type: ignore[operator]
        assert fault.value.field == "filename"
    assert service.preview(ANN, second.id) == (second, "2")
    named_as_first = service.keep(ANN, first.id, b"4")
    assert service.delete(ANN, first.id) == first
    assert service.delete(ANN, first.id) == named_as_first
    assert service.delete(ANN, "a.txt") == second
    with pytest.raises(NotFound):
        service.delete(ANN, "A.txt")


def test_pages_of_a_list_have_neither_gaps_nor_doubles_in_both_orders(service: FileService) -> None:
    kept = [service.keep(ANN, f"{n}", f"{n}".encode(), purpose=("batch", "vision")[n % 2]) for n in range(5)]
    for oldest_first, expected in ((True, kept), (False, kept[::-1])):
        found: list[StoredFile] = []
        more, after = True, None
        while more:
            page, more = service.page(ANN, limit=2, after=after, oldest_first=oldest_first)
            found += page
            after = page[-1].id
        assert found == expected
    assert service.page(ANN, limit=9, purpose="vision", oldest_first=True)[0] == (kept[1], kept[3])
    with pytest.raises(InvalidRequest) as fault:
        service.page(BOB, limit=2, after=kept[0].id)
    assert fault.value.field == "after"


def test_a_guest_sends_no_files_and_lists_none_but_reaches_what_was_drawn_by_its_id(service: FileService) -> None:
    with pytest.raises(Forbidden):
        service.keep(GUEST, "a", b"x")
    with pytest.raises(Forbidden):
        service.expect(GUEST, 1)
    drawn = service.keep(GUEST, "cat.txt", b"a cat", origin="picture")
    assert service.page(GUEST, limit=9) == ((), False)
    assert content(service, GUEST, drawn) == b"a cat"
    with pytest.raises(NotFound):
        service.preview(GUEST, "cat.txt")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("utf-16"), "Grüße"),
        (b"\xef\xbb\xbfhello", "hello"),
        ("é".encode() * 10_000, "é" * PREVIEW_CHARS),
        ("😀".encode() * 10_000, "😀" * PREVIEW_CHARS),
        (b"<svg><script>alert(1)</script></svg>", "<svg><script>alert(1)</script></svg>"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, ""),
    ],
)
def test_a_preview_is_the_beginning_of_a_text(
    given: bytes, shown: str, database: Database, folder: Folder, clock: Clock
) -> None:
    service = FileService(Files(database, 10**6), folder, SpoolFolder(folder.folder / SPOOL, ThreadLane(1)), now=clock)
    kept = service.keep(ANN, "a", given)
    assert service.preview(ANN, kept.id) == (kept, shown)


def test_a_documents_preview_is_what_the_reader_of_documents_finds(service: FileService) -> None:
    kept = service.keep(ANN, "a.pdf", b"%PDF-1.7 text")
    with pytest.raises(UnsupportedMedia):
        service.preview(ANN, "a.pdf")
    service.extract = lambda path, content_type, most: f"{content_type} {path.read_bytes()[-4:].decode()} {most}"
    assert service.preview(ANN, "a.pdf") == (kept, f"application/pdf text {PREVIEW_CHARS}")


def test_deleting_a_conversation_takes_the_files_that_are_attached_only_there(
    service: FileService, folder: Folder, database: Database, clock: Clock
) -> None:
    names = ("only here", "also there", "drawn here", "twice here", "in a dead one", "another's", "attached nowhere")
    owners = {"another's": BOB}
    files = {name: service.keep(owners.get(name, ANN), name, name.encode()) for name in names}

    def said(home: str, attachments: list[str], images: list[str], user: str = "ann") -> None:
        settled = chat(home, new=True, user_id=user, public_id=f"{home}-id")
        question, answer = settled.messages
        question = replace(question, attachments=tuple(files[name].id for name in attachments) or None)
        answer = replace(answer, images=tuple(files[name].id for name in images) or None)
        GroupCommit(database).submit(replace(settled, messages=(question, answer)))

    said("one", ["only here", "also there", "twice here", "in a dead one", "another's"], ["drawn here", "twice here"])
    said("two", ["also there"], [])
    said("dead", ["in a dead one"], [])
    said("bobs", ["only here"], [], user="bob")
    conversations = Conversations(database)
    conversations.delete("ann", "dead-id", clock())
    conversations.delete("ann", "one-id", clock())
    service.remove_unowned()
    left = {file.name for file in service.page(ANN, limit=99)[0]}
    assert left == {"also there", "attached nowhere"}
    assert service.page(BOB, limit=9)[0] == (files["another's"],)
    assert len(folder.there()) == 3
