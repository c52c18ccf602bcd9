"""What must be seen in a process that is patched as the server is. Run by name, gives one line of JSON."""

# ruff: noqa: E402 - the patch comes first

from gevent import monkey

monkey.patch_all()

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from sqlalchemy import text

from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from tests.stores.sql_support import chat, counts


class Beat:
    """A greenlet that wants to run each 10 ms; `worst`: by how many seconds it came late."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            before = time.monotonic()
            gevent.sleep(0.01)
            self.worst = max(self.worst, time.monotonic() - before - 0.01)

    def stop(self) -> float:
        self._greenlet.kill()
        return self.worst


def timed(work: Callable[[], Any]) -> tuple[float, str | None]:
    began = time.monotonic()
    try:
        work()
    except Exception as error:
        return time.monotonic() - began, type(error).__name__
    return time.monotonic() - began, None


def count_crosswise(url: str, seed: str) -> Any:
    """120 chats over a few users and models, in groups and in an order of its own."""
    chance = random.Random(seed)
    commits = GroupCommit(Database(url), timeout=20)
    waiting = [gevent.spawn(commits.submit, chat(user_id=f"u{n % 3}", model=f"m{n % 4}")) for n in order(chance, 120)]
    gevent.joinall(waiting, timeout=30)
    return {"stored": sum(one.ready() and one.exception is None for one in waiting)}


def order(chance: random.Random, most: int) -> list[int]:
    return chance.sample(range(most), most)


@contextmanager
def nowhere(where: str) -> Iterator[str]:
    """The URL of a server that refuses, or takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if where == "refused":
            listener.close()
        yield f"postgresql://postgres@127.0.0.1:{port}/none"


def all_at_once(works: list[Callable[[], Any]]) -> list[tuple[float, str | None]]:
    greenlets = [gevent.spawn(timed, work) for work in works]
    gevent.joinall(greenlets)
    return [greenlet.value for greenlet in greenlets]


def group_without_database(where: str) -> Any:
    with nowhere(where) as url:
        commits, beat = GroupCommit(Database(url)), Beat()
        found = all_at_once([lambda n=n: gevent.sleep(n * 0.03) or commits.submit(chat()) for n in range(20)])
        return {
            "errors": Counter(error for _, error in found),
            "longest": max(seconds - n * 0.03 for n, (seconds, _) in enumerate(found)),
            "gap": beat.stop(),
        }


def calls_without_database(where: str) -> Any:
    with nowhere(where) as url:
        database, beat = Database(url), Beat()
        calls = [database.ping, lambda: database.write(lambda session: session.execute(text("SELECT 1")))]
        found = all_at_once(calls * 6)
        return {
            "errors": Counter(error for _, error in found),
            "longest": max(seconds for seconds, _ in found),
            "gap": beat.stop(),
        }


def slow_database(url: str) -> Any:
    """Sixteen calls of 5 s on a pool of 8, then one that is quick."""
    database, beat = Database(url), Beat()
    found = all_at_once([lambda: database.read(lambda session: session.execute(text("SELECT pg_sleep(5)")))] * 16)
    after, error = timed(database.ping)
    return {
        "errors": Counter(error for _, error in found),
        "longest": max(seconds for seconds, _ in found),
        "gap": beat.stop(),
        "after": [after, error],
    }


def waiting_in_the_greenlet(url: str) -> Any:
    database, beat = Database(url, timeout=10), Beat()
    began = time.monotonic()
    all_at_once([lambda: database.read(lambda session: session.execute(text("SELECT pg_sleep(0.5)")))] * 8)
    return {"gap": beat.stop(), "seconds": time.monotonic() - began}


def ended_connections(url: str, how: str) -> Any:
    database, killer = Database(url), Database(url)
    commits = GroupCommit(database)
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :name"
    )
    errors = 0
    for _ in range(3):
        commits.submit(chat())
        database.ping()
        if how == "terminated":
            greenlets = [gevent.spawn(timed, lambda: commits.submit(chat())) for _ in range(19)]
        killer.write(lambda session: session.execute(end, {"name": database.url.database}))
        if how != "terminated":
            gevent.sleep(0.02)
            greenlets = [gevent.spawn(timed, lambda: commits.submit(chat())) for _ in range(19)]
        gevent.joinall(greenlets)
        errors += sum(greenlet.value[1] is not None for greenlet in greenlets)
        errors += timed(database.ping)[1] is not None
    return {"errors": errors, "requests": counts(database)["requests"]}


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@contextmanager
def lock_held(path: str) -> Iterator[None]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    yield
    holder.stdin.close()
    assert holder.wait() == 0


def locked_out(url: str) -> Any:
    database = Database(url)
    commits = GroupCommit(database)
    commits.submit(chat())
    beat = Beat()
    with lock_held(url.removeprefix("sqlite:///")):
        write = gevent.spawn(timed, lambda: database.write(lambda session: session.execute(text("SELECT 1"))))
        submit = gevent.spawn(timed, lambda: commits.submit(chat()))
        gevent.sleep(0.1)
        read, _ = timed(lambda: counts(database))
        gevent.joinall([write, submit])
    gap = beat.stop()
    gevent.sleep(0.3)
    commits.submit(chat())
    return {
        "errors": [write.value[1], submit.value[1]],
        "longest": max(write.value[0], submit.value[0]),
        "gap": gap,
        "read_meanwhile": read,
        "after": {"requests": counts(database)["requests"]},
    }


def disk_full(url: str) -> Any:
    """The disk is full: the file may grow no further."""
    import resource
    import signal

    database = Database(url)
    commits = GroupCommit(database)
    commits.submit(chat())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = os.path.getsize(url.removeprefix("sqlite:///") + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, resource.RLIM_INFINITY))
    full = timed(lambda: commits.submit(chat("c1", new=True, answer="x" * 100_000)))[1]
    written = timed(lambda: database.write(lambda session: session.execute(text("CREATE TABLE more (a)"))))[1]
    read = counts(database)["requests"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    gevent.sleep(0.3)
    commits.submit(chat())
    return {"errors": [full], "small": written, "read": read, "after": counts(database)["requests"]}


def forked(url: str) -> Any:
    """A parent that used its database forks two workers; each uses its own."""
    database = Database(url, timeout=10)
    commits = GroupCommit(database, timeout=10)
    commits.submit(chat())
    before = _opened(database)
    seen = [_worker(database, commits) for _ in range(2)]
    commits.submit(chat())
    database.ping()
    return {"parent": sorted(before), "workers": seen, "requests": counts(database)["requests"]}


def _worker(database: Database, commits: GroupCommit) -> Any:
    reader, writer = os.pipe()
    if gevent.os.fork() == 0:
        commits.submit(chat())
        assert counts(database)["requests"] >= 2
        os.write(writer, json.dumps(sorted(_opened(database))).encode())
        os._exit(0)
    os.close(writer)
    gevent.sleep(0.01)  # gevent's own os.close takes effect when the loop turns
    with os.fdopen(reader) as pipe:
        return json.loads(pipe.read())


def _opened(database: Database) -> set[str]:
    """What this process's connections are to the database: server processes, or the descriptors of the file."""
    if not database.is_sqlite:
        query = text("SELECT pg_backend_pid()")
        return {str(database.read(lambda session: session.execute(query).scalar()))}
    connection = database.write_raw(lambda driver: id(driver))
    return {f"{os.getpid()}-{connection}"}


def migrate_at_once(url: str) -> Any:
    from app.repositories.migrate import upgrade

    return {"did": upgrade(url)}


def migrate_and_die(url: str) -> Any:
    """Killed when some of the tables are made."""
    import signal

    from sqlalchemy import Engine, event

    from app.repositories.migrate import upgrade

    made = []

    @event.listens_for(Engine, "after_cursor_execute")
    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if "CREATE TABLE" in statement:
            made.append(statement)
        if len(made) == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    upgrade(url)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
