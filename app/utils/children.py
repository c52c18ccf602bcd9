"""Warm child processes for work that is heavy, blocks in C or reads what strangers sent: a bounded pool a kind.

A child is started by its module's name, takes one job at a time as length-prefixed JSON on its standard input and
answers on its standard output; files go by path, never through the pipe. It lives in a session of its own, with no
environment of ours, and sets its own limits before it reads anything (`app.jobs.child`). Whatever goes wrong with it,
its whole process group is killed, and the next job gets a new one.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import gevent
import orjson
from gevent import Timeout
from gevent.lock import BoundedSemaphore

from app.utils.cancel import Cancel
from app.utils.pools import ThreadLane

T = TypeVar("T")
log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
MAX_ANSWER = 32 * 2**20
"""Bytes; a child that says more is broken."""
START_SECONDS = 20.0
"""For a child to load its libraries, which a busy machine makes slow; it is no part of a job's time."""
_LENGTH = struct.Struct(">I")


class ChildrenBusyError(Exception):
    """As many jobs wait already as may."""


class JobRefusedError(Exception):
    """The child read the job and would not do it. kind: `unreadable`, `unsupported` or `too_large`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class JobDiedError(Exception):
    """The child was killed or fell over. why: `time`, `memory`, `stopped` or `crash`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Limits:
    """seconds: of wall time a job, and of CPU; memory_mb: address space; file_mb: the largest file it may write.

    forks: whether it may start programs (where the system counts processes a user, which it does not for root).
    """

    seconds: float
    memory_mb: int
    file_mb: int = 64
    forks: bool = False


class Children:
    """At most `size` children that run `python -m module`, and at most `waiting` jobs that wait for one.

    folder: where each job gets a folder of its own, gone when the job is over. jobs: after so many a child is
    replaced; idle: seconds after which one that has nothing to do is ended.
    """

    def __init__(
        self,
        module: str,
        limits: Limits,
        folder: Path,
        *,
        size: int = 1,
        waiting: int = 16,
        patience: float = 30.0,
        jobs: int = 50,
        idle: float = 60.0,
    ) -> None:
        self._module = module
        self._limits = limits
        self._folder = folder
        self._size = size
        self._waiting = waiting
        self._patience = patience
        self._jobs = jobs
        self._idle = idle
        self._lane = ThreadLane(1)
        self._inside = 0
        self._free: list[_Child] = []
        self._pid = 0
        self._slots = BoundedSemaphore(size)
        self._closed = False

    def run(
        self,
        job: Mapping[str, object],
        collect: Callable[[dict[str, Any], Path], T],
        *,
        prepare: Callable[[Path], None] | None = None,
        cancel: Cancel | None = None,
    ) -> T:
        """What `collect` makes of the child's answer and of the files in the job's folder, before that is removed.

        prepare: puts into the folder what the job is to find there. Both run in a thread of this pool. Raises
        ChildrenBusyError, JobRefusedError, JobDiedError.
        """
        self._after_fork()
        if self._closed or self._inside >= self._size + self._waiting:
            raise ChildrenBusyError
        self._inside += 1
        try:
            if not self._slots.acquire(timeout=self._patience):
                raise ChildrenBusyError
            try:
                return self._with_folder(job, collect, prepare, cancel)
            finally:
                self._slots.release()
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Kill what runs; nothing begins any more."""
        self._closed = True
        for child in self._free:
            child.kill()
        self._free.clear()
        self._lane.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the children that wait for work."""
        return tuple(child.pid for child in self._free)

    def _after_fork(self) -> None:
        if self._pid != os.getpid():  # another process's children are not ours to speak to
            self._pid, self._inside, self._free = os.getpid(), 0, []
            self._slots = BoundedSemaphore(self._size)
            # Not in the lane: whoever comes meanwhile begins a job at once.
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lane.run(self._sweep)

    def _sweep(self) -> None:
        """Remove what processes that are no more have left behind."""
        for left in self._folder.glob("job-*"):
            owner = left.name.split("-")[1]
            if owner.isdigit() and not Path("/proc", owner).exists():
                shutil.rmtree(left, ignore_errors=True)

    def _with_folder(
        self,
        job: Mapping[str, object],
        collect: Callable[[dict[str, Any], Path], T],
        prepare: Callable[[Path], None] | None,
        cancel: Cancel | None,
    ) -> T:
        folder = Path(tempfile.mkdtemp(prefix=f"job-{os.getpid()}-", dir=self._folder))
        try:
            if prepare is not None:
                self._lane.run(lambda: prepare(folder))
            answer = self._ask({**job, "folder": str(folder)}, cancel)
            return self._lane.run(lambda: collect(answer, folder))
        finally:
            self._lane.run(lambda: shutil.rmtree(folder, ignore_errors=True))

    def _ask(self, job: dict[str, object], cancel: Cancel | None) -> dict[str, Any]:
        child = self._take()
        stop = child.kill
        if cancel is not None:
            cancel.add(stop)
        try:
            answer = child.ask(job, self._limits.seconds)
        except BaseException as fault:
            child.kill()
            if isinstance(fault, JobDiedError) and cancel is not None and cancel.reason is not None:
                raise JobDiedError("stopped") from None
            raise
        finally:
            if cancel is not None:
                cancel.remove(stop)
        # What a library did not say in so many words may have left it in any state.
        self._give_back(child, broken=answer.get("error") == "memory" or "was" in answer)
        if "error" in answer:
            if answer["error"] == "memory":
                raise JobDiedError("memory")
            if "was" in answer:
                log.info("%s could not read a file: %s", self._module, answer["was"])
            raise JobRefusedError(str(answer["error"]), str(answer.get("message", "")))
        return answer

    def _take(self) -> _Child:
        while self._free:
            child = self._free.pop()
            if child.ready():
                return child
            child.kill()
        return _Child(self._module, self._limits)

    def _give_back(self, child: _Child, *, broken: bool) -> None:
        if broken or self._closed or child.done >= self._jobs:
            child.kill()
            return
        child.rests(self._idle, self._retire)
        self._free.append(child)

    def _retire(self, child: _Child) -> None:
        if child in self._free:
            self._free.remove(child)
            child.kill()


class _Child:
    """One process. done: the jobs it has answered."""

    def __init__(self, module: str, limits: Limits) -> None:
        from gevent.subprocess import DEVNULL, PIPE, Popen

        self._process = Popen(
            [sys.executable, "-X", "utf8", "-m", module],
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd=ROOT,
            env=_environment(limits),
            start_new_session=True,
        )
        self.pid: int = self._process.pid
        self.done = 0
        self._module = module
        self._timer: Any = None
        self._dead = False
        try:
            self._listen(START_SECONDS)  # it says hello once its limits stand and its libraries are loaded
        except BaseException:
            self.kill()
            raise

    def ready(self) -> bool:
        """Whether it still lives; its rest is over."""
        if self._timer is not None:
            self._timer.kill()
            self._timer = None
        return not self._dead and self._process.poll() is None

    def rests(self, seconds: float, ended: Callable[[_Child], None]) -> None:
        self._timer = gevent.spawn_later(seconds, ended, self)

    def ask(self, job: Mapping[str, object], seconds: float) -> dict[str, Any]:
        began = time.monotonic()
        raw = orjson.dumps(job)
        try:
            self._process.stdin.write(_LENGTH.pack(len(raw)) + raw)
            self._process.stdin.flush()
        except OSError:
            raise JobDiedError("crash") from None
        answer = self._listen(seconds)
        self.done += 1
        log.debug("%s took %.0f ms", self._module, (time.monotonic() - began) * 1000)
        return answer

    def _listen(self, seconds: float) -> dict[str, Any]:
        timer = Timeout(seconds)
        timer.start()
        try:
            head = self._exactly(_LENGTH.size)
            (length,) = _LENGTH.unpack(head)
            if length > MAX_ANSWER:
                raise JobDiedError("crash")
            answer = orjson.loads(self._exactly(length))
        except Timeout as over:
            if over is not timer:
                raise
            log.warning("%s took longer than %.0f s and was killed", self._module, seconds)
            raise JobDiedError("time") from None
        except (OSError, ValueError):
            raise JobDiedError("crash") from None
        finally:
            timer.close()
        if not isinstance(answer, dict):
            raise JobDiedError("crash")
        return answer

    def _exactly(self, size: int) -> bytes:
        read: bytes = self._process.stdout.read(size)
        if len(read) < size:
            raise JobDiedError("crash")
        return read

    def kill(self) -> None:
        """End it and all it has started, and leave no zombie. Does not wait; a second time does nothing."""
        if self._dead:
            return
        self._dead = True
        if self._timer is not None and self._timer is not gevent.getcurrent():
            self._timer.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        gevent.spawn(self._bury)

    def _bury(self) -> None:
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()


def _environment(limits: Limits) -> dict[str, str]:
    """All that a child knows of us; one thread a library, since a child is one core's worth of work."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",
        "JOB_LIMITS": orjson.dumps(asdict(limits)).decode(),
        "PYTHONDONTWRITEBYTECODE": "1",
        **one,
    }
