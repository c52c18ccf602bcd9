"""Starting: what a person sees who types `python run.py`, and every way in which it does not start."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.journeys.gateway import soon
from tests.journeys.server import ROOT, LiveServer, free_port

CANARY = "canary-Zq81"
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


def refused(folder: Path, **env: str) -> str:
    """What a start that must fail says."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PORT": str(free_port())} | env
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "--root", str(folder)],
        env=environ, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert time.monotonic() - began < 3 * _noise()
    assert "Traceback" not in ended.stderr
    assert not ended.stdout
    return ended.stderr


def _noise() -> float:
    """How much longer than alone things take just now."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("first"), {"FLASK_DEBUG": "1"}) as running:
        soon(lambda: '"message":"Hello"}' in running.output())
        yield running


class TestFirstStart:
    def test_the_curl_line_that_it_prints_works(self, server: LiveServer) -> None:
        line = next(line for line in server.output().splitlines() if line.startswith("curl "))
        said = subprocess.run(line, shell=True, cwd=server.folder, capture_output=True, text=True, check=False)
        assert said.stdout, (line, said, server.output())
        reply = json.loads(said.stdout)
        assert reply["status"] == "success"
        assert "Hello" in reply["data"]["text"]

    def test_the_admins_password_is_shown_once_and_signs_in(self, server: LiveServer) -> None:
        password = re.search(r"password is (\S+) ", server.output())
        assert password is not None
        body = {"username": "admin", "password": password[1]}
        assert requests.post(f"{server.url}/api/auth/login", json=body, timeout=5).status_code == 200
        log = (server.folder / "logs" / "app.log").read_text()
        assert password[1] not in log

    def test_what_it_keeps_is_private(self, server: LiveServer) -> None:
        instance = server.folder / "instance"
        assert instance.stat().st_mode & 0o777 == 0o700
        for kept in (*instance.rglob("*"), *(server.folder / "logs").rglob("*")):
            assert kept.stat().st_mode & 0o077 == 0, kept

    def test_fault_11_10_flask_debug_is_ignored_with_a_warning(self, server: LiveServer) -> None:
        assert "FLASK_DEBUG is ignored" in server.output()
        assert requests.get(f"{server.url}/console", timeout=5).status_code == 404

    def test_fault_11_10_there_is_no_control_socket(self, server: LiveServer) -> None:
        unix = [row.split()[-1] for row in Path("/proc/net/unix").read_text().splitlines()[1:]]
        assert not [path for path in unix if "gunicorn" in path and str(server.pid) in path]
        assert not list(server.folder.rglob("*.sock"))

    def test_a_second_start_answers_soon_and_shows_no_password(self, tmp_path: Path) -> None:
        with LiveServer(tmp_path) as first:
            secret = (tmp_path / "instance" / "secret_key").read_text()
            key = first.first_key()
        before = len(first.output())
        began = time.monotonic()
        with first:
            assert time.monotonic() - began < 3 * _noise()
            assert "password is" not in first.output()[before:]
            assert (tmp_path / "instance" / "secret_key").read_text() == secret
            headers = {"Authorization": f"Bearer {key}"}
            assert requests.get(f"{first.url}/api/profile", headers=headers, timeout=5).status_code == 200


class TestRefusals:
    def test_fault_11_02_a_taken_port(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            said = refused(tmp_path, PORT=str(taken.getsockname()[1]))
        assert len(said.strip().splitlines()) == 1
        assert "in use" in said

    def test_fault_11_02_five_bad_settings_at_once(self, tmp_path: Path) -> None:
        said = refused(
            tmp_path,
            MAX_STREAMS="many", REDIS_DOWN="?", SECRET_KEY=f"{CANARY}", RATE_LIMT_PER_MINUTE="1", WEB_CONCURRENCY="4",
        )  # fmt: skip
        assert "5 faults" in said
        assert CANARY not in said
        assert not (tmp_path / "instance").exists()

    @pytest.mark.parametrize("content", ["", "short\n", None])
    def test_fault_6_09_a_secret_file_that_does_not_serve(self, tmp_path: Path, content: str | None) -> None:
        instance = tmp_path / "instance"
        instance.mkdir()
        kept = instance / "secret_key"
        kept.write_text("x" * 40 if content is None else content)
        kept.chmod(0o644 if content is None else 0o600)
        assert "secret_key" in refused(tmp_path)
        assert kept.read_text() == ("x" * 40 if content is None else content)

    def test_fault_6_09_an_instance_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "instance").write_text("")
        assert "is not a folder" in refused(tmp_path)

    def test_a_database_that_is_not_there(self, tmp_path: Path) -> None:
        said = refused(tmp_path, DATABASE_URL=f"postgresql://u:{CANARY}@127.0.0.1:{free_port()}/x")
        assert len(said.strip().splitlines()) == 1
        assert CANARY not in said


def test_fault_6_09_two_first_starts_at_once_share_one_secret(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from app.utils.secrets_file import kept_secret;"
        f"print(kept_secret(Path({str(tmp_path)!r}) / 'instance' / 'secret_key'))"
    )
    starts = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(8)]
    secrets = {start.communicate()[0] for start in starts}
    assert len(secrets) == 1
    assert [path.name for path in (tmp_path / "instance").iterdir()] == ["secret_key"]


def test_fault_6_10_workers_share_nothing_but_what_they_listen_at(tmp_path: Path) -> None:
    _redis_or_fail()
    with LiveServer(tmp_path, {"WEB_CONCURRENCY": "2", "REDIS_URL": REDIS}) as server:
        pids = soon(lambda: pids if len(pids := _children(server.pid)) == 2 else None, 10)
        for _ in range(20):
            assert requests.get(f"{server.url}/api/ready", timeout=5).status_code == 200
        shared = _descriptors(pids[0]) & _descriptors(pids[1])
        assert len(shared) == 1, shared


def test_fault_11_03_few_descriptors_lower_the_limit_aloud(tmp_path: Path) -> None:
    port, said = free_port(), tmp_path / "said"
    start = 'ulimit -n 256; exec "$0" "$@"'
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PORT": str(port)}
    with said.open("w") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", start, sys.executable, str(ROOT / "run.py"), "--root", str(tmp_path)],
            env=environ, stdout=subprocess.DEVNULL, stderr=output,
        )  # fmt: skip
    try:
        soon(lambda: _answers(f"http://127.0.0.1:{port}"), 20)
        assert "MAX_STREAMS is lowered from 2000 to" in said.read_text()
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/health", timeout=1).ok
    except requests.RequestException:
        return False


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _descriptors(pid: int) -> set[str]:
    """Sockets and pipes that are open, by inode; the standard streams are everybody's."""
    opened = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if int(entry.name) > 2}
    return {name for name in opened if name.startswith(("socket:", "pipe:"))}


def _redis_or_fail() -> None:
    from redis import Redis, RedisError

    try:
        Redis.from_url(REDIS, socket_connect_timeout=1).ping()
    except RedisError:
        if os.environ.get("REQUIRE_SERVICES"):
            raise
        pytest.skip("no Redis at TEST_REDIS_URL")
