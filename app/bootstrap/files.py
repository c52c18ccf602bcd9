"""The files room: where bytes lie, and the service that keeps them."""

from __future__ import annotations

from pathlib import Path

from app.bootstrap.house import MB, House
from app.domain.finished import Finished
from app.middleware import uploads
from app.repositories.database import Database
from app.repositories.files import Files
from app.routes import openai_files, short_files
from app.services.files.service import FileService
from app.services.files.sweeping import Sweeping
from app.settings import Settings
from app.stores.blob_bucket import BlobBucket, Bucket
from app.stores.blob_folder import SPOOL, BlobFolder
from app.stores.blobs import BlobStore
from app.stores.s3_signing import S3Keys
from app.utils.lifecycle import Lifecycle
from app.utils.pools import ThreadLane
from app.utils.spooled import SpoolFolder

DISK_THREADS = 4
"""Of a worker, for reading and writing files and nothing else."""


def spool_of(settings: Settings) -> SpoolFolder:
    """Where bodies of uploads and other large things pass through: beside the blobs, so that keeping is renaming."""
    return SpoolFolder(_folder(settings) / SPOOL, ThreadLane(DISK_THREADS))


def files_of(settings: Settings, database: Database, spool: SpoolFolder, lifecycle: Lifecycle) -> FileService:
    files = FileService(Files(database, settings.quota_mb * MB), _blobs(settings, spool, lifecycle), spool)
    sweeping = Sweeping(files, spool)
    sweeping.start()
    lifecycle.on_close("disk threads", spool.lane.close)
    lifecycle.on_close("files", sweeping.stop)
    return files


def files_room(house: House) -> None:
    """The doors; forms with files pass through the spool; what a deleted conversation let go of is taken away."""
    uploads.register(house.app, house.spool)

    def forget(user_id: str, public_id: str, row_id: str) -> None:
        house.files.remove_unowned()

    def drawn(ended: Finished) -> None:
        if ended.images and ended.conversation is not None:
            house.files.drawn(ended.row.user_id, ended.images, ended.conversation)

    house.forgetters.append(forget)
    house.listeners.append(drawn)
    largest = house.settings.max_upload_mb * MB
    house.doors += [short_files.blueprint(house.files, largest), *openai_files.blueprints(house.files, largest)]


def _blobs(settings: Settings, spool: SpoolFolder, lifecycle: Lifecycle) -> BlobStore:
    if not _is_bucket(settings):
        return BlobFolder(_folder(settings), spool.lane)
    from app.transport.bulk import BulkHttp  # its library is 60 ms of start for those who have a folder

    region = settings.s3_region or "us-east-1"
    http = BulkHttp(settings.connect_timeout)
    lifecycle.on_close("file store", http.close)
    keys = S3Keys(settings.s3_access_key or "", settings.s3_secret_key or "", region)
    return BlobBucket(Bucket.parse(settings.files_url, region), keys, http.ask, spool)


def _folder(settings: Settings) -> Path:
    return settings.instance / "uploads" if _is_bucket(settings) else settings.root / settings.files_url


def _is_bucket(settings: Settings) -> bool:
    return settings.files_url.startswith("s3://")
