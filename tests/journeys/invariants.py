"""What holds after every fault, whatever it was: the ten invariants, as far as they can be seen from outside.

I1 the worker serves on; I2 each accepted request has one terminal row; I3 nothing half is stored; I4 no canary leaks;
I6 nothing is left open; I7 the upstream's log equals the receipts; I8 one id; I9 no 500 and one shape.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import requests

from tests.journeys.gateway import KEYS, Gateway, soon

CHATS = ("/llm/chat", "/v1/chat/completions", "/openai/v1/chat/completions", "/chat", "/infer")
CHATS += ("/v1/images/generations", "/v1/audio/transcriptions")
#: Terminal states of the contract.
STATES = {"complete", "client_gone", "upstream_failed", "stalled", "budget_cut", "refused", "crashed"}
#: Idle connections to stores and log files that may come and go.
SPARE_DESCRIPTORS = 16
SPARE_THREADS = 12


class Invariants:
    """Made before a test of a fault; `check` after it. The gateway must be idle at both moments."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        first = gateway.say("a first chat, so that all that is opened lazily is open", model="demo")
        self._first = self._last = first["prompt_id"]
        self._pids = gateway.workers()
        self._level = {pid: _held(pid) for pid in self._pids}
        self._upstream_open = gateway.upstream.open_connections()
        self._calls = len(_calls(gateway))

    def check(self, *, workers_live: bool = True, upstream_too: bool = True) -> None:
        """workers_live: the test killed none. upstream_too: it did not forget the upstream's log."""
        self._serves_on(workers_live)
        self._settled_once()
        self._nothing_half()
        self._no_canary()
        if upstream_too:
            self._upstream_agrees()
        if workers_live:
            self._nothing_left_open()

    def _serves_on(self, workers_live: bool) -> None:
        gateway = self._gateway
        assert requests.get(f"{gateway.url}/api/health", timeout=1).status_code == 200
        began = time.monotonic()
        self._last = gateway.say("are you there?", model="demo")["prompt_id"]
        assert time.monotonic() - began < 1
        if workers_live:
            assert gateway.workers() == self._pids

    def _settled_once(self) -> None:
        """I2, I8, I9: what was answered has one row under the id that the access log and the reply bear."""
        gateway = self._gateway

        for line in self._chats():
            rows = gateway.request_rows(line["request_id"])
            assert line["status"] != 500, line
            if line["status"] == 200:
                assert len(rows) == 1, f"{line} has the rows {rows}"
            elif line["status"] in (401, 404, 405, 415, 429):
                assert rows == [], f"{line} has the rows {rows}"
            assert all(row["state"] in STATES for row in rows)
        if client := gateway.redis():
            soon(lambda: client.zcard("v1:fly") == 0, 1.0, "a chat holds its place in flight")
            held = [key for key in client.scan_iter("v1:conv:*") for f in client.hkeys(key) if f[:2] in (b"o:", b"x:")]
            assert held == []

    def _nothing_half(self) -> None:
        """I3: a message has its exchange, its conversation and its ledger row; counters say what is there."""
        sql = self._gateway.sql
        assert sql("SELECT prompt_id FROM messages GROUP BY prompt_id HAVING count(*) <> 2") == []
        assert sql("SELECT prompt_id FROM messages WHERE prompt_id NOT IN (SELECT prompt_id FROM requests)") == []
        assert sql("SELECT prompt_id FROM attempts WHERE prompt_id NOT IN (SELECT prompt_id FROM requests)") == []
        wrong = """SELECT c.id FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
            WHERE c.deleted_at IS NULL GROUP BY c.id, c.message_count HAVING count(m.prompt_id) <> c.message_count"""
        assert sql(wrong) == []

    def _no_canary(self) -> None:
        """I4: the providers' keys and the caller's own are in no log and no row."""
        logs = self._gateway.logs()
        assert [name for name, key in KEYS.items() if key in logs] == []
        assert self._gateway.key not in logs
        for column in ("key_mask", "error", "reason", "model"):
            rows = self._gateway.sql(f"SELECT {column} AS said FROM attempts WHERE {column} LIKE '%canary%'")
            assert rows == [], f"{column}: {rows}"

    def _upstream_agrees(self) -> None:
        """I7: as many calls as the receipts tell of, each ended."""
        gateway = self._gateway
        calls = _calls(gateway)[self._calls :]

        def told() -> int:
            query = "SELECT * FROM attempts WHERE prompt_id = :id AND provider <> 'demo'"
            rows = [row for line in self._chats() for row in gateway.sql(query, id=line["request_id"])]
            return sum(row["error"] not in ("connect", "tls", "pool_full") for row in rows)

        soon(lambda: told() == len(calls), complaint=f"receipts tell of {told()} calls, the upstream saw {len(calls)}")

    def _nothing_left_open(self) -> None:
        """I6: descriptors and threads are at their level; connections kept for the next call are no leak."""

        def at_level() -> bool:
            kept = max(0, self._gateway.upstream.open_connections() - self._upstream_open)
            held = {pid: _held(pid) for pid in self._pids}
            return all(
                held[pid][0] <= self._level[pid][0] + kept + SPARE_DESCRIPTORS
                and held[pid][1] <= self._level[pid][1] + SPARE_THREADS
                for pid in self._pids
            )

        soon(at_level, 5.0, "descriptors or threads are left open")

    def _chats(self) -> list[dict[str, Any]]:
        """The access log's lines of the chats between the first and the last one of this watch."""

        def lines() -> list[dict[str, Any]]:
            found = _access_lines(self._gateway)
            ids = [line["request_id"] for line in found]
            return found[ids.index(self._first) : ids.index(self._last) + 1] if self._last in ids else []

        found = soon(lines, complaint="the access log lacks the last chat")
        return [line for line in found if line["path"] in CHATS and line["method"] == "POST"]


def assert_error(reply: requests.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """I9: the door's own error shape, status and code that belong together, the field named; the error object."""
    assert reply.status_code == status, f"{reply.status_code}: {reply.text[:500]}"
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    body = reply.json()
    path = reply.request.path_url
    if path.startswith(("/v1", "/openai/v1")):
        assert set(body) == {"error"}
        error = body["error"]
        assert {"message", "type", "param", "code"} <= set(error) <= {"message", "type", "param", "code", "details"}
        named = error["param"]
    else:
        assert set(body) == {"status", "error"}
        assert body["status"] == "error"
        error = body["error"]
        assert set(error) == {"code", "message", "details"}
        named = error["details"].get("field")
    assert error["code"] == code, error
    assert isinstance(error["message"], str)
    assert error["message"]
    for tell in ("Traceback", "<html", "SELECT ", "/app/", *KEYS.values()):
        assert tell not in reply.text
    if field is not None:
        assert named == field, error
    return error  # type: ignore[no-any-return]


def _access_lines(gateway: Gateway) -> list[dict[str, Any]]:
    path = gateway.server.folder / "logs" / "app.log"
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return [entry for line in lines if b'"event":"request"' in line for entry in [json.loads(line)]]


def _calls(gateway: Gateway) -> list[dict[str, Any]]:
    """Chats and pictures that the upstream saw; lists of models are asked for in the background."""
    return [entry for entry in gateway.upstream.log() if entry["method"] == "POST" or "/prompt/" in entry["path"]]


def _held(pid: int) -> tuple[int, int]:
    """Descriptors and threads of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), len(list(Path(f"/proc/{pid}/task").iterdir()))
