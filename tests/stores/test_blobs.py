"""Both blob stores, by the same questions."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.errors import Unavailable
from app.stores.blob_bucket import BlobBucket
from app.stores.blob_bucket import Bucket as Address
from app.stores.blob_folder import SPOOL, BlobFolder
from app.stores.blobs import BlobStore
from app.transport.bulk import BulkHttp
from app.utils.ids import new_public_id
from app.utils.pools import ThreadLane
from app.utils.spooled import SpooledFile, SpoolFolder
from tests.stores.bucket import KEYS, Bucket

BYTES = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SpoolFolder]:
    folder = SpoolFolder(tmp_path / "blobs" / SPOOL, ThreadLane(2), kept_free=0)
    yield folder
    folder.close()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    made = Bucket()
    yield made
    made.close()


def in_bucket(bucket: Bucket, spool: SpoolFolder) -> BlobBucket:
    return BlobBucket(Address.parse(bucket.url, KEYS.region), KEYS, BulkHttp(2.0).ask, spool)


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, spool: SpoolFolder) -> BlobStore:
    if request.param == "folder":
        return BlobFolder(tmp_path / "blobs", ThreadLane(2))
    return in_bucket(request.getfixturevalue("bucket"), spool)


def spooled(spool: SpoolFolder, data: bytes) -> SpooledFile:
    file = spool.new()
    file.write(data)
    return file.finish()


def kept(blobs: BlobStore, spool: SpoolFolder, data: bytes = BYTES) -> str:
    blob_id = new_public_id()
    with spooled(spool, data) as file:
        blobs.put(blob_id, file)
    return blob_id


def test_what_was_put_is_read_back_whole_and_in_part(blobs: BlobStore, spool: SpoolFolder) -> None:
    blob_id = kept(blobs, spool)
    assert b"".join(blobs.read(blob_id, 0, len(BYTES))) == BYTES
    assert b"".join(blobs.read(blob_id, 700_001, 300_000)) == BYTES[700_001:1_000_001]
    assert b"".join(blobs.read(blob_id, len(BYTES) - 1, 1)) == BYTES[-1:]


def test_it_comes_in_pieces_and_never_whole(blobs: BlobStore, spool: SpoolFolder) -> None:
    pieces = [len(piece) for piece in blobs.read(kept(blobs, spool), 0, len(BYTES))]
    assert len(pieces) > 1
    assert max(pieces) <= 256 * 1024


def test_it_is_a_local_file_while_somebody_needs_one(blobs: BlobStore, spool: SpoolFolder) -> None:
    blob_id = kept(blobs, spool)
    with blobs.local(blob_id) as path:
        assert path.read_bytes() == BYTES
    assert b"".join(blobs.read(blob_id, 0, 3)) == BYTES[:3]


def test_what_was_deleted_is_gone_and_deleting_it_again_is_well(blobs: BlobStore, spool: SpoolFolder) -> None:
    blob_id = kept(blobs, spool)
    blobs.delete(blob_id)
    blobs.delete(blob_id)
    with pytest.raises(Unavailable):
        blobs.read(blob_id, 0, 1)
    with pytest.raises(Unavailable), blobs.local(blob_id):
        pass


def test_a_reader_who_leaves_early_holds_nothing_open(blobs: BlobStore, spool: SpoolFolder) -> None:
    blob_id = kept(blobs, spool)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        pieces = blobs.read(blob_id, 0, len(BYTES))
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_nothing_passes_through_any_more_once_it_is_kept(blobs: BlobStore, spool: SpoolFolder, tmp_path: Path) -> None:
    with blobs.local(kept(blobs, spool)):
        pass
    assert [path.name for path in (tmp_path / "blobs" / SPOOL).rglob("*") if path.is_file()] == ["lock"]


def test_in_a_folder_a_blob_is_ours_alone_to_read(tmp_path: Path, spool: SpoolFolder) -> None:
    blobs = BlobFolder(tmp_path / "blobs", ThreadLane(2))
    with blobs.local(kept(blobs, spool)) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_bucket_that_stumbles_is_asked_again(bucket: Bucket, spool: SpoolFolder) -> None:
    blobs = in_bucket(bucket, spool)
    bucket.faults = ["500"]
    blob_id = kept(blobs, spool)
    bucket.faults = ["hang-up"]
    assert b"".join(blobs.read(blob_id, 0, len(BYTES))) == BYTES


def test_a_bucket_that_stays_down_is_503_and_its_words_are_only_logged(
    bucket: Bucket, spool: SpoolFolder, caplog: pytest.LogCaptureFixture
) -> None:
    blobs = in_bucket(bucket, spool)
    bucket.faults = ["500", "500"]
    with pytest.raises(Unavailable, match="does not do its part") as fault:
        kept(blobs, spool)
    assert "InternalError" not in fault.value.message
    assert "InternalError" in caplog.text
    assert KEYS.secret_key not in caplog.text
    assert bucket.objects == {}


def test_an_object_that_breaks_off_never_looks_whole(bucket: Bucket, spool: SpoolFolder) -> None:
    blobs = in_bucket(bucket, spool)
    blob_id = kept(blobs, spool)
    bucket.faults = ["cut"]
    with pytest.raises(Unavailable):
        b"".join(blobs.read(blob_id, 0, len(BYTES)))
    bucket.faults = ["cut"]
    with pytest.raises(Unavailable), blobs.local(blob_id):
        pass


def test_keys_that_the_bucket_does_not_know_are_503_and_nothing_is_stored(bucket: Bucket, spool: SpoolFolder) -> None:
    wrong = type(KEYS)(KEYS.access_key, "another secret", KEYS.region)
    blobs = BlobBucket(Address.parse(bucket.url, KEYS.region), wrong, BulkHttp(2.0).ask, spool)
    with pytest.raises(Unavailable):
        kept(blobs, spool)
    assert bucket.objects == {}


def test_objects_lie_under_the_prefix_by_their_random_ids(bucket: Bucket, spool: SpoolFolder) -> None:
    blob_id = kept(in_bucket(bucket, spool), spool)
    assert list(bucket.objects) == [f"/files/of/users/{blob_id}"]
