"""A child that does as its jobs say: what a library may do that is fed a hostile file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from app.jobs.child import Answer, Job, Refused, serve


def load() -> Callable[[Job], Answer]:
    return work


def work(job: Job) -> Answer:
    answer: Answer | None = getattr(sys.modules[__name__], job["do"])(job)
    return {"did": job["do"], **(answer or {})}


def well(job: Job) -> Answer:
    with open("result", "w") as file:
        file.write("done")
    return {"pid": os.getpid(), "environment": dict(os.environ), "limits": _limits(), "group": os.getpgid(0)}


def hang(job: Job) -> None:
    time.sleep(1000)


def spin(job: Job) -> None:
    while True:
        pass


def crash(job: Job) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def fork(job: Job) -> None:
    """A grandchild that outlives the job and writes down who it is."""
    child = subprocess.Popen(["sleep", "1000"])
    with open(job["note"], "w") as file:
        file.write(str(child.pid))
    time.sleep(1000)


def fill(job: Job) -> None:
    with open("large", "wb") as file:
        for _ in range(4096):
            file.write(bytes(2**20))


def shout(job: Job) -> None:
    for _ in range(1024):
        os.write(1, b"x" * 2**20)
        os.write(2, b"x" * 2**20)
    print("more")


def babble(job: Job) -> None:
    """On the pipe itself: a length that is none, and no end."""
    for fd in range(3, 10):
        try:
            os.write(fd, b"\xff" * 65536)
        except OSError:
            continue
    time.sleep(1000)


def eat(job: Job) -> None:
    kept = []
    while True:
        kept.append(bytearray(2**20))


def refuse(job: Job) -> None:
    raise Refused("too_large", "more than is read")


def stumble(job: Job) -> None:
    raise KeyError("a bug of a library")


def recurse(job: Job) -> None:
    recurse(job)


def _limits() -> dict[str, list[int]]:
    import resource

    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_CORE")
    return {name: list(resource.getrlimit(getattr(resource, name))) for name in names}


if __name__ == "__main__":
    serve(load)
