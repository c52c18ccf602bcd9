"""What the SQL tests share: throwaway databases, chats that ended, a server in between that can be told to fail."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.domain.events import Attempt
from app.domain.ledger import ConversationWrite, LedgerRow, SettledChat, StoredMessage
from app.domain.money import Price
from app.domain.usage import Usage
from app.repositories.database import Database
from app.utils.ids import new_id

POSTGRES = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
TABLES = (
    "requests", "attempts", "rollups", "messages", "conversations", "llm_models", "provider_keys", "epochs", "secrets",
    "idempotency", "cache", "template_versions", "templates", "ratings", "rating_sums", "files", "blobs", "memories",
    "bandit", "bandit_shares",
)  # fmt: skip


@contextmanager
def new_postgres() -> Iterator[str]:
    """The URL of an empty database, gone afterwards. Without a server: a failure where one is owed, else a skip."""
    name = f"sql_{uuid4().hex[:12]}"
    try:
        admin = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as fault:
        if os.environ.get("CI") == "true" or os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"no PostgreSQL at TEST_DATABASE_URL: {fault}")
        pytest.skip(f"no PostgreSQL at TEST_DATABASE_URL: {fault}")
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def row(prompt_id: str | None = None, **facts: Any) -> LedgerRow:
    given = LedgerRow(
        prompt_id=prompt_id or new_id(),
        user_id="user-1",
        key_id=None,
        door="app",
        model="m",
        provider="demo",
        state="complete",
        usage=Usage(10, 20, 3, 4, "counted"),
        charge=2**53 + 1,
        price=Price(1, 2, None, 4, 5),
        cached=False,
        fallback=True,
        skipped_chunks=1,
        ttft_ms=5,
        latency_ms=12,
        created_at=datetime.now(UTC),
    )
    return replace(given, **facts)


def chat(
    home: str | None = None,
    *,
    new: bool = False,
    question: str = "question",
    answer: str = "answer",
    replaces: str | None = None,
    public_id: str | None = None,
    **facts: Any,
) -> SettledChat:
    """A chat that ended, in the conversation whose row is `home` (its public id is `public-HOME`), or in none."""
    ledger = row(**facts)
    attempts = (
        Attempt(1, "m0", "groq", "…abcd", "asked for", 1, 10, None, 500, "server_error", None, "next_model"),
        Attempt(2, "m", "demo", None, "next", 12, 10, 3, 200, None, Usage(10, 20), None),
    )
    if home is None:
        return SettledChat(ledger, attempts)
    at = ledger.created_at
    return SettledChat(
        ledger,
        attempts,
        ConversationWrite(home, ledger.user_id, public_id or f"public-{home}", new, question[:60], replaces),
        (
            StoredMessage(ledger.prompt_id, "user", question, 1, at),
            StoredMessage(ledger.prompt_id, "assistant", answer, 2, at, "m", "complete", "because"),
        ),
    )


def counts(database: Database) -> dict[str, int]:
    """How many rows the tables of the chat hold, and what the conversations say they hold."""
    query = text(
        "SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM attempts), (SELECT count(*) FROM messages),"
        " (SELECT coalesce(sum(message_count), 0) FROM conversations),"
        " (SELECT count(*) FROM conversations WHERE deleted_at IS NULL)"
    )
    names = ("requests", "attempts", "messages", "counted", "live")
    found = database.read(lambda session: session.execute(query).one())
    return dict(zip(names, map(int, found), strict=True))


def child(name: str, *args: str, code: int = 0) -> Any:
    """What a function of `sql_child` gives, run in a process of its own that is patched first, as the server is."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.stores.sql_child", name, *args], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout.splitlines()[-1]) if code == 0 else None


class Between:
    """A TCP server before PostgreSQL. `cut(word)`: pass the next packet with this word on and hang up on its answer."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._word: bytes | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        self.cuts = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, word: bytes) -> None:
        self._word = word

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._target.host or "127.0.0.1", self._target.port or 5432))
            silent = threading.Event()
            self._start(self._forward, client, server, silent)
            self._start(self._answer, server, client, silent)

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket, silent: threading.Event) -> None:
        while data := _received(client):
            if self._word is not None and self._word in data:
                self._word = None
                self.cuts += 1
                silent.set()
            server.sendall(data)
        server.close()

    def _answer(self, server: socket.socket, client: socket.socket, silent: threading.Event) -> None:
        while data := _received(server):
            if silent.is_set():
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(data)
        client.close()


def _received(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65536)
    except OSError:
        return b""
