"""Files that pass through, and what is left of those whose process died."""

from __future__ import annotations

import errno
import hashlib
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.utils.pools import ThreadLane
from app.utils.spooled import PIECE, SpoolFolder


@pytest.fixture
def lane() -> ThreadLane:
    return ThreadLane(2)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_what_is_written_in_pieces_is_whole_in_the_end_and_its_hash_known(tmp_path: Path, lane: ThreadLane) -> None:
    with SpoolFolder(tmp_path, lane).new() as file:
        for _ in range(5):
            file.write(b"x" * (PIECE - 7))
        file.finish()
        assert file.path.read_bytes() == b"x" * (5 * (PIECE - 7))
        assert (file.bytes, file.sha256) == (5 * (PIECE - 7), hashlib.sha256(file.path.read_bytes()).hexdigest())
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert files(tmp_path) == []


def test_it_is_gone_however_the_block_ends_and_a_moved_one_stays_where_it_went(
    tmp_path: Path, lane: ThreadLane
) -> None:
    spool = SpoolFolder(tmp_path / "spool", lane)
    with pytest.raises(ZeroDivisionError), spool.new():
        raise ZeroDivisionError
    with spool.new() as file:
        file.write(b"kept")
        file.finish().path.rename(tmp_path / "elsewhere")
    assert files(tmp_path) == [tmp_path / "elsewhere"]


def test_a_disk_that_is_nearly_full_is_full(tmp_path: Path, lane: ThreadLane) -> None:
    with SpoolFolder(tmp_path, lane, kept_free=2**62).new() as file, pytest.raises(OSError, match="No space") as fault:
        file.write(b"x" * PIECE)
    assert fault.value.errno == errno.ENOSPC
    assert files(tmp_path) == []


def test_fault_7_13_what_a_killed_process_left_is_swept_and_what_a_living_one_holds_is_not(
    tmp_path: Path, lane: ThreadLane
) -> None:
    code = (
        "import os,sys; from pathlib import Path; from app.utils.spooled import SpoolFolder\n"
        "from app.utils.pools import ThreadLane\n"
        "file = SpoolFolder(Path(sys.argv[1]), ThreadLane(1)).new(); file.write(b'x' * 300_000); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    other = SpoolFolder(tmp_path, lane)
    with other.new() as held:
        [left] = set(files(tmp_path)) - {held.path}
        spool = SpoolFolder(tmp_path, lane)
        assert spool.sweep() == 1
        assert files(tmp_path) == [held.path]
        assert not left.parent.exists()
        assert other.sweep() == 0
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_taken_away_under_its_process_is_made_anew(tmp_path: Path, lane: ThreadLane) -> None:
    spool = SpoolFolder(tmp_path, lane)
    spool.new().close()
    spool.close()
    with spool.new() as file:
        assert file.path.exists()
