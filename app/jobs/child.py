"""A child process's side of `app.utils.children`: its limits first, then one job after the other until told no more."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

MB = 2**20
_LENGTH = struct.Struct(">I")
_PARENT_DEATH = 1
_NO_NEW_PRIVILEGES = 38
_NICENESS = 5

Job = dict[str, Any]
Answer = dict[str, Any]


class Refused(Exception):
    """This is not what we read. kind: `unreadable` (broken), `unsupported` (no such kind here) or `too_large`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def serve(load: Callable[[], Callable[[Job], Answer]]) -> None:
    """Answer jobs until the pipe closes. load: imports what is heavy, under the limits, and gives what does a job.

    A job's exceptions end here as an answer: `Refused` by its kind, want of memory as `memory`, all others as
    `unreadable`, since what a library throws at hostile input is nobody's contract.
    """
    said = os.environ.pop("JOB_LIMITS", "")
    limits = json.loads(said) if said else {}
    source, sink = _pipes()
    _bind(limits)
    work = load()
    _tell(sink, {"hello": True})
    seconds = max(1, int(limits.get("seconds", 60)))
    while (job := _next(source)) is not None:
        _allow_cpu(seconds)
        folder = job["folder"]
        os.chdir(folder)
        os.environ["TMPDIR"] = os.environ["HOME"] = folder
        _tell(sink, _answer(work, job))
        os.chdir("/")


def _answer(work: Callable[[Job], Answer], job: Job) -> Answer:
    try:
        return work(job)
    except Refused as refused:
        return {"error": refused.kind, "message": refused.message}
    except MemoryError:
        return {"error": "memory"}
    except RecursionError:
        return {"error": "unreadable", "message": "it is nested too deep"}
    except Exception as error:  # noqa: BLE001 - see above
        return {"error": "unreadable", "message": "", "was": type(error).__name__}


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Ours alone: what a library prints or reads goes nowhere."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    return source, sink


def _bind(limits: dict[str, Any]) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.nice(_NICENESS)  # chats first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if "memory_mb" in limits:
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory_mb"] * MB,) * 2)
    if "file_mb" in limits:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_mb"] * MB,) * 2)
    if not limits.get("forks", False):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _allow_cpu(seconds: int) -> None:
    """So many from now on: the limit counts since the process began."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def _next(source: BinaryIO) -> Job | None:
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    job: Job = json.loads(source.read(length))
    return job


def _tell(sink: BinaryIO, answer: Answer) -> None:
    raw = json.dumps(answer, ensure_ascii=True).encode()
    sink.write(_LENGTH.pack(len(raw)) + raw)
    sink.flush()
