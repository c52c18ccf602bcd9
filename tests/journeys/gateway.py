"""The running service with all providers emulated, as the journeys see it: from outside, by HTTP and by SQL."""

from __future__ import annotations

import json
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import redis
import requests
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.journeys.server import ROOT, LiveServer
from tests.providers.fixtures import EmulatedProviders

T = TypeVar("T")

#: Provider keys are canaries: they may stand in no reply, no log and no row.
KEYS = {name: f"canary-{name}-key" for name in ("groq", "gemini", "openai", "anthropic")}
#: Models of the seeded catalogue that do not reason: their patience is the settings'.
GROQ, GEMINI, CLAUDE = "llama-3.1-8b-instant", "gemini-2.0-flash", "claude-haiku-5-5"
#: Reasoning, and it sees.
OPENAI = "gpt-6-luna"
HASTY = Path(__file__).with_name("hasty.py")
#: What a provider says of a request and not of itself.
CALLERS_FAULTS = {"status-400", "too-long", "filtered"}
#: Words after which nothing is to be forgotten: the provider did not fail.
HARMLESS = re.compile(r"(healthy|tick-\d+|slow-\d+|chunks-\d+(-of-\d+)?|echo|nul|reasoning|\+)*\Z")
TABLES = ("requests", "attempts", "conversations", "messages")


class Gateway:
    """A server of its own with its own folder. env: settings beside those that every journey needs.

    hasty: what takes 15 s and 30 s elsewhere takes moments, see `hasty.py`. script: what runs run.py otherwise."""

    def __init__(
        self,
        folder: Path,
        upstream: EmulatedProviders,
        env: dict[str, str] | None = None,
        *,
        hasty: bool = False,
        script: Path | None = None,
    ) -> None:
        self.upstream = upstream
        settings = _providers(upstream) | {
            # Tests of one session make more chats a minute than one person does.
            "RATE_LIMIT_PER_MINUTE": "100000",
            "ROUTES_PER_MINUTE": "100000",
            # Whoever asks twice here wants two answers; the cache's own journeys say otherwise.
            "CACHE": "off",
            # It loads 150 MB after the first reply, and some journeys watch a worker's memory; its own say otherwise.
            "MEMORY_ENABLED": "false",
            "FIRST_TOKEN_TIMEOUT": "2",
            "STALL_TIMEOUT": "2",
            "REPLY_TIMEOUT": "2",
            "RETRY_AFTER_WAIT": "0.2",
            "SHUTDOWN_TIMEOUT": "2",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        settings |= env or {}
        self.server = LiveServer(folder, settings, script or (HASTY if hasty else ROOT / "run.py"))
        self.url = self.server.url
        self.port = self.server.port
        self._database = settings.get("DATABASE_URL", f"sqlite:///{folder}/instance/app.db")
        self._redis = settings.get("REDIS_URL")
        self._troubled = False
        self.key = ""
        self.http = requests.Session()
        self.http.trust_env = False

    def __enter__(self) -> Self:
        self.server.start()
        self.rows = create_engine(self._database.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        self.key = self._first_key()
        self.http.headers["Authorization"] = f"Bearer {self.key}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.server.stop()
        self.rows.dispose()

    # --- asking ---------------------------------------------------------------------------------------------------

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        """As the admin, or as `headers` says."""
        return self.http.post(self.url + path, json=body, timeout=20, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.http.get(self.url + path, timeout=20, **more)

    def say(self, message: str, **fields: Any) -> dict[str, Any]:
        """One chat at the app door that must go well; its `data`."""
        return self._well(self.post("/llm/chat", {"message": message, **fields}))["data"]  # type: ignore[no-any-return]

    def history(self, conversation: str) -> list[dict[str, Any]]:
        reply = self.get("/llm/get-conversation-history", params={"conversation_id": conversation})
        return self._well(reply)["data"]["messages"]  # type: ignore[no-any-return]

    def openai(self, message: str, **fields: Any) -> requests.Response:
        """One chat at the OpenAI door; `stream` where it is asked for is not read yet."""
        body = {"model": "auto", "messages": [{"role": "user", "content": message}], **fields}
        return self.post("/v1/chat/completions", body, stream=bool(fields.get("stream")))

    def receipt(self, prompt_id: str) -> dict[str, Any]:
        return self._well(self.get(f"/api/requests/{prompt_id}"))["data"]  # type: ignore[no-any-return]

    def user(self, **fields: Any) -> dict[str, str]:
        """A new user's headers."""
        name = "u" + uuid.uuid4().hex[:12]
        body = {"username": name, "email": f"{name}@example.com", "password": "Passw0rd-x", **fields}
        data = self._well(self.http.post(f"{self.url}/api/auth/register", json=body, timeout=20))["data"]
        return {"Authorization": f"Bearer {data['access_token']}"}

    def behave(self, as_: str, model: str = GROQ, *, to_leavers: bool = False) -> None:
        """From now on the provider of that model does what these words say. to_leavers: all who ask it leave before
        it has failed them, so that nothing is learned of it."""
        self._troubled |= not to_leavers and not HARMLESS.match(as_)
        self.upstream.behave(as_, model=model)

    def all_providers(self, as_: str) -> None:
        """From now on every provider does what these words say, whatever the model."""
        self._troubled |= as_ not in CALLERS_FAULTS
        for key in KEYS.values():
            self.upstream.behave(as_, key=key)

    def recover(self) -> None:
        """Forget what was learned of providers that failed: new workers take the old ones' place."""
        if not self._troubled:
            return
        self._troubled = False
        self.http.close()
        old = set(self.workers())
        self.server.signal(signal.SIGHUP)
        soon(lambda: len(self.workers()) == len(old) and not old & set(self.workers()), 10, "no new workers")
        soon(self._answers, 10, "the new workers do not answer")

    @contextmanager
    def fresh_connections(self) -> Iterator[None]:
        """Ask over connections of their own, which land on any worker."""
        kept = self.http
        self.http = requests.Session()
        self.http.headers.update(kept.headers)
        self.http.trust_env = False
        try:
            yield
        finally:
            self.http.close()
            self.http = kept

    # --- looking --------------------------------------------------------------------------------------------------

    def sql(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.rows.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def stored(self) -> dict[str, int]:
        """Rows of each table that a chat writes to."""
        counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
        return self.sql(f"SELECT {counts}")[0]

    def request_rows(self, prompt_id: str) -> list[dict[str, Any]]:
        return self.sql("SELECT * FROM requests WHERE prompt_id = :id", id=prompt_id)

    def settled(self, prompt_id: str, seconds: float = 3.0) -> dict[str, Any]:
        """The one row of a request, as soon as it is there."""
        rows = soon(lambda: self.request_rows(prompt_id), seconds, f"no row of {prompt_id}")
        assert len(rows) == 1
        return rows[0]

    def redis(self) -> redis.Redis | None:
        """A client of its Redis; None for the embedded one, which nobody else can reach."""
        return redis.Redis.from_url(self._redis, protocol=2) if self._redis else None

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        pid = self.server.pid
        return sorted(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def logs(self) -> str:
        """All that was logged and printed."""
        files = [path for path in (self.server.folder / "logs").rglob("*") if path.is_file()]
        return self.server.output() + "".join(path.read_text(errors="replace") for path in files)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/health", timeout=2).ok
        except requests.RequestException:  # a worker that still loads is late
            return False

    def _first_key(self) -> str:
        if self._redis is None:
            return self.server.first_key()
        headers = self.user()
        reply = requests.post(f"{self.url}/api/keys", json={"name": "journeys"}, headers=headers, timeout=20)
        key: str = self._well(reply)["data"]["key"]
        return key

    @staticmethod
    def _well(reply: requests.Response) -> dict[str, Any]:
        assert reply.status_code in (200, 201), f"{reply.status_code}: {reply.text}"
        body: dict[str, Any] = reply.json()
        return body


def soon(look: Callable[[], T], seconds: float = 3.0, complaint: str = "it did not come true") -> T:
    """What `look` finds, as soon as it is true. Fails where that takes longer than `seconds`."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, complaint
        time.sleep(0.01)  # a condition in another process: there is nothing to wait on but to ask
    return found


def events(reply: requests.Response) -> Iterator[tuple[str, Any]]:
    """The app door's events as (name, data), each as soon as it is there; comment lines as ("", text)."""
    for block in blocks(reply):
        lines = block.split("\n")
        if lines[0].startswith(":"):
            yield "", lines[0]
            continue
        assert len(lines) == 2, lines
        assert lines[0].startswith("event: "), lines
        assert lines[1].startswith("data: "), lines
        yield lines[0][7:], json.loads(lines[1][6:])


def chunks(reply: requests.Response) -> Iterator[Any]:
    """The OpenAI door's chunks, the word "[DONE]" last where it came."""
    for block in blocks(reply):
        if block.startswith(":"):
            continue
        assert block.startswith("data: "), block
        assert "\n" not in block, block
        yield "[DONE]" if block[6:] == "[DONE]" else json.loads(block[6:])


def blocks(reply: requests.Response) -> Iterator[str]:
    """What stands between blank lines, split at LF alone as the HTML standard has it for what we send."""
    ahead = b""
    for piece in reply.iter_content(None):
        ahead += piece
        while b"\n\n" in ahead:
            block, _, ahead = ahead.partition(b"\n\n")
            yield block.decode()
    assert not ahead, f"half an event at the end: {ahead!r}"


def text_of(stream: list[tuple[str, Any]]) -> str:
    """The answer as a client of the app door rebuilds it."""
    text = ""
    for name, data in stream:
        if name == "restart":
            text = ""
        elif name == "delta":
            text += data.get("text", "")
    return text


def _providers(upstream: EmulatedProviders) -> dict[str, str]:
    roots = {
        "groq": f"{upstream.url}/groq/openai/v1",
        "gemini": upstream.url,
        "openai": f"{upstream.url}/openai/v1",
        "anthropic": upstream.url,
    }
    settings = {f"{name.upper()}_API_KEY": key for name, key in KEYS.items()}
    settings["POLLINATIONS_BASE_URL"] = f"{upstream.url}/pollinations"
    return settings | {f"{name.upper()}_BASE_URL": url for name, url in roots.items()}
