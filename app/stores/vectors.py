"""Vectors that find memories, in Chroma: a folder of this process's own, or a server.

An index over everybody's with a filter takes 53 ms at 100,000 (docs/decisions.md), so they are spread by user over
fixed collections; the user's filter is always on. What they lead to is read from SQL, which is the truth.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import orjson

from app.domain.errors import Unavailable
from app.domain.memory import Near
from app.utils.pools import ThreadLane, within

if TYPE_CHECKING:
    from app.domain.embedding import Vector

log = logging.getLogger(__name__)

SHARDS: Final = 64
QUERY_SECONDS: Final = 1.0
WRITE_SECONDS: Final = 10.0
OPEN_SECONDS: Final = 15.0
"""The first use of a folder loads Chroma, 1.2 s on a quiet machine."""
_SPACE: Final = {"hnsw": {"space": "cosine"}}
Where = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A vector and whose it is. conversation: a row id."""

    id: str
    user_id: str
    conversation: str
    vector: Vector


class Collections(Protocol):
    """Chroma's collections by name. Each call waits at most as long as it says and raises Unavailable."""

    def upsert(self, name: str, ids: list[str], vectors: list[list[float]], about: list[dict[str, str]]) -> None: ...
    def query(self, name: str, vector: list[float], count: int, where: Where) -> list[tuple[str, float]]: ...
    def delete(self, name: str, where: Where, ids: list[str] | None = None) -> None: ...
    def close(self) -> None: ...


class Vectors:
    """embedder: the name of the model of all vectors here; those of another are in collections of their own."""

    def __init__(self, collections: Collections, embedder: str) -> None:
        self._collections = collections
        self._prefix = "memory-" + hashlib.sha256(embedder.encode()).hexdigest()[:8]

    def add(self, entries: Sequence[Entry]) -> None:
        """Raises Unavailable; what was written then is written again without harm."""
        shards: dict[str, list[Entry]] = {}
        for entry in entries:
            shards.setdefault(self._shard(entry.user_id), []).append(entry)
        for name, those in shards.items():
            about = [{"user": entry.user_id, "conversation": entry.conversation} for entry in those]
            self._collections.upsert(name, [e.id for e in those], [e.vector.tolist() for e in those], about)

    def nearest(self, user_id: str, vector: Vector, count: int, conversation: str | None = None) -> list[Near]:
        """This user's, the nearest first; of one conversation where it is named. Raises Unavailable."""
        where: Where = {"user": user_id}
        if conversation is not None:
            where = {"$and": [{"user": user_id}, {"conversation": conversation}]}
        found = self._collections.query(self._shard(user_id), vector.tolist(), count, where)
        return [Near(id_, 1 - distance) for id_, distance in found]

    def forget(self, user_id: str, ids: Sequence[str] | None = None, conversation: str | None = None) -> None:
        """Those of this user: these, or those of a conversation, or all. Raises Unavailable."""
        where: Where = {"user": user_id}
        if conversation is not None:
            where = {"$and": [{"user": user_id}, {"conversation": conversation}]}
        self._collections.delete(self._shard(user_id), where, None if ids is None else list(ids))

    def close(self) -> None:
        self._collections.close()

    def _shard(self, user_id: str) -> str:
        return f"{self._prefix}-{hashlib.sha256(user_id.encode()).digest()[0] % SHARDS:02d}"


class FolderCollections:
    """Chroma in this process, in one thread of its own. Two processes on one folder would see half of it each, so a
    lock beside it says whose it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lane = ThreadLane(1)
        self._client: Any = None
        self._known: dict[str, Any] = {}
        self._lock: IO[bytes] | None = None

    def upsert(self, name: str, ids: list[str], vectors: list[list[float]], about: list[dict[str, str]]) -> None:
        self._do(WRITE_SECONDS, name, lambda c: c.upsert(ids=ids, embeddings=vectors, metadatas=about))

    def query(self, name: str, vector: list[float], count: int, where: Where) -> list[tuple[str, float]]:
        def work(collection: Any) -> list[tuple[str, float]]:
            asked = {"query_embeddings": [vector], "n_results": count, "where": dict(where), "include": ["distances"]}
            found = collection.query(**asked)
            return list(zip(found["ids"][0], found["distances"][0], strict=True))

        seconds = QUERY_SECONDS if self._client is not None else OPEN_SECONDS
        found: list[tuple[str, float]] = self._do(seconds, name, work)
        return found

    def delete(self, name: str, where: Where, ids: list[str] | None = None) -> None:
        self._do(WRITE_SECONDS, name, lambda c: c.delete(ids=ids, where=dict(where)))

    def close(self) -> None:
        self._lane.close()
        if self._lock is not None:
            self._lock.close()

    def _do(self, seconds: float, name: str, work: Callable[[Any], Any]) -> Any:
        def guarded() -> Any:
            try:
                return work(self._collection(name))
            except Unavailable:
                raise
            except BaseException as fault:  # its Rust part panics with what is no Exception
                if isinstance(fault, (KeyboardInterrupt, SystemExit)):
                    raise
                self._known.clear()
                log.warning("the memory's index failed: %s", type(fault).__name__)
                raise _away() from fault

        with within(seconds, _away()):
            return self._lane.run(guarded)

    def _collection(self, name: str) -> Any:
        found = self._known.get(name)
        if found is None:
            client = self._client or self._open()
            found = client.get_or_create_collection(name, embedding_function=None, configuration=_SPACE)
            self._known[name] = found
        return found

    def _open(self) -> Any:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._hold()
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(str(self._folder), settings=settings)
        return self._client

    def _hold(self) -> None:
        if self._lock is not None:
            return
        lock = (self._folder / "owner.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise Unavailable("the memory's folder is another process's", retry_after=5) from None
        with suppress(OSError):
            os.chmod(lock.name, 0o600)
        self._lock = lock


Send = Callable[[str, str, bytes, float], tuple[int, bytes]]
"""One HTTP call: method, path, body, seconds; status and body. Raises Unavailable."""


class ServerCollections:
    """A Chroma server, over its API v2 and the one transport: its own client costs three times as much a query."""

    BASE: Final = "/api/v2/tenants/default_tenant/databases/default_database/collections"

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ids: dict[str, str] = {}

    def upsert(self, name: str, ids: list[str], vectors: list[list[float]], about: list[dict[str, str]]) -> None:
        self._do(name, "upsert", {"ids": ids, "embeddings": vectors, "metadatas": about}, WRITE_SECONDS)

    def query(self, name: str, vector: list[float], count: int, where: Where) -> list[tuple[str, float]]:
        asked = {"query_embeddings": [vector], "n_results": count, "where": where, "include": ["distances"]}
        found = self._do(name, "query", asked, QUERY_SECONDS)
        try:
            return list(zip(found["ids"][0], found["distances"][0], strict=True))
        except (KeyError, IndexError, TypeError, ValueError) as fault:
            raise _away() from fault

    def delete(self, name: str, where: Where, ids: list[str] | None = None) -> None:
        self._do(name, "delete", {"where": where} | ({} if ids is None else {"ids": ids}), WRITE_SECONDS)

    def close(self) -> None:
        """The connections are the transport's."""

    def _do(self, name: str, verb: str, body: Mapping[str, Any], seconds: float) -> Any:
        known = name in self._ids
        status, told = self._post(f"/{self._id(name, seconds)}/{verb}", body, seconds)
        if status == 404 and known:  # the server was emptied
            del self._ids[name]
            status, told = self._post(f"/{self._id(name, seconds)}/{verb}", body, seconds)
        if not 200 <= status < 300:
            log.warning("the memory's server answered %d", status)
            raise _away()
        return told

    def _id(self, name: str, seconds: float) -> str:
        found = self._ids.get(name)
        if found is None:
            asked = {"name": name, "get_or_create": True, "configuration": _SPACE}
            status, told = self._post("", asked, seconds)
            if status != 200 or not isinstance(told, dict) or not isinstance(told.get("id"), str):
                raise _away()
            found = self._ids[name] = told["id"]
        return found

    def _post(self, path: str, body: Mapping[str, Any], seconds: float) -> tuple[int, Any]:
        status, raw = self._send("POST", self.BASE + path, orjson.dumps(body), seconds)
        try:
            return status, orjson.loads(raw) if raw else None
        except orjson.JSONDecodeError:
            return status, None


def _away() -> Unavailable:
    return Unavailable("the memory cannot be asked now", retry_after=5)
