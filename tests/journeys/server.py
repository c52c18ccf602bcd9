"""The whole service in a child process: run.py as a person starts it, in a folder of its own, at a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
#: No test asks the world for a picture.
_OWN = {"POLLINATIONS_BASE_URL": ""}


class LiveServer:
    """A running server. env: settings beside HOST and PORT; nothing else of ours is taken from the environment.

    script: what is started, run.py or what runs it."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None, script: Path = ROOT / "run.py") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = env or {}
        self._script = script
        self._output = folder / "server.out"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(self._script), "--root", str(self.folder)],
                cwd=self.folder,
                env=_bare_environment() | _OWN | {"HOST": "127.0.0.1", "PORT": str(self.port)} | self._env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_it_answers()
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def output(self) -> str:
        """All it has printed."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def first_key(self) -> str:
        """The admin's API key, which a first start on a loopback address leaves in instance/."""
        return (self.folder / "instance" / "first-key").read_text().strip()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Its exit code. Raises TimeoutExpired where it has not ended by then."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended with {self._process.returncode}:\n{self.output()}")
            try:
                requests.get(f"{self.url}/api/health", timeout=2).raise_for_status()
            except requests.RequestException:
                time.sleep(0.05)  # a condition in another process: there is nothing to wait on but to ask
            else:
                return
        self.stop()
        raise AssertionError(f"the server did not answer within {START_SECONDS} s:\n{self.output()}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _bare_environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}
