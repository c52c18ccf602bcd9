"""A Media of its own with real children, shared by the tests of a session; each sees that nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bootstrap.media import readers
from app.services.media.media import Media


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def session_media(media_folder: Path) -> Iterator[Media]:
    media = readers(media_folder, frames=16)
    yield media
    media.close()


@pytest.fixture
def media(session_media: Media, media_folder: Path) -> Iterator[Media]:
    yield session_media
    assert not list((media_folder / "jobs").glob("*")), "a job's folder was left"
