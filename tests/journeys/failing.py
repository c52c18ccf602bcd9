"""A gateway for providers that fail: each test has models of its own, so that no breaker carries over to the next."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import requests

from tests.journeys.gateway import KEYS, Gateway, chunks, events, soon
from tests.providers.fixtures import EmulatedProviders

#: Both doors, whole and streamed.
WAYS = [("app", False), ("app", True), ("openai", False), ("openai", True)]
STREAMS = [("app", True), ("openai", True)]
SECOND_KEY = "canary-groq-key-2"
#: Seconds, short and yet longer than this machine's hiccups.
SILENCE, WAIT = 1.0, 2.0
_spares = count()


def failing_gateway(folder: Path, upstream: EmulatedProviders, env: dict[str, str] | None = None) -> Gateway:
    """Every provider lists a thousand models; Groq has two keys."""
    root = f"{upstream.url}/many"
    settings = {
        "GROQ_BASE_URL": f"{root}/groq/openai/v1",
        "OPENAI_BASE_URL": f"{root}/openai/v1",
        "GEMINI_BASE_URL": root,
        "ANTHROPIC_BASE_URL": root,
        "GROQ_API_KEY_1": SECOND_KEY,
        "FIRST_TOKEN_TIMEOUT": str(SILENCE),
        "STALL_TIMEOUT": str(SILENCE),
        "REPLY_TIMEOUT": str(SILENCE),
        "RETRY_AFTER_WAIT": str(WAIT),
    }
    return Gateway(folder, upstream, settings | (env or {}))


def wait_for_spares(gateway: Gateway) -> None:
    def listed() -> bool:
        names = {row["id"] for row in gateway.get("/v1/models").json()["data"]}
        return all(f"{name}/spare-0" in names or "spare-0" in names for name in KEYS) and len(names) > 4000

    soon(listed, 10, "the providers' lists did not come")


def spare(gateway: Gateway, integration: str, does: str = "healthy") -> str:
    """A model that no other test has, and what it does."""
    name = f"spare-{next(_spares)}"
    gateway.upstream.behave(does, model=name)
    return f"{integration}/{name}"


@dataclass
class Outcome:
    """What a caller got. whole: it was told that the answer is complete; events: names at the app door."""

    status: int
    headers: dict[str, str]
    text: str = ""
    whole: bool = False
    error: dict[str, Any] | None = None
    model: str | None = None
    events: list[str] = field(default_factory=list)
    data: list[Any] = field(default_factory=list)

    @property
    def code(self) -> str | None:
        return self.error["code"] if self.error else None

    @property
    def prompt_id(self) -> str:
        return self.headers["x-request-id"]


def ask(gateway: Gateway, way: tuple[str, bool], message: str, model: str, *fallbacks: str, **more: Any) -> Outcome:
    """One chat. fallbacks: none means that the model stands alone."""
    door, stream = way
    body: dict[str, Any] = {"model": model, "fallbacks": list(fallbacks or (model,)), "stream": stream, **more}
    if door == "app":
        reply = gateway.post("/llm/chat", body | {"message": message}, stream=stream)
    else:
        body["messages"] = [{"role": "user", "content": message}]
        reply = gateway.post("/v1/chat/completions", body, stream=stream)
    heard = Outcome(reply.status_code, {name.lower(): value for name, value in reply.headers.items()})
    if reply.status_code != 200:
        heard.error = reply.json()["error"]
    elif not stream:
        _hear_whole(heard, door, reply.json())
    else:
        (_hear_events if door == "app" else _hear_chunks)(heard, reply)
    return heard


def _hear_whole(heard: Outcome, door: str, body: dict[str, Any]) -> None:
    heard.whole = True
    heard.text = body["data"]["text"] if door == "app" else body["choices"][0]["message"]["content"]
    heard.model = body["data"]["model"] if door == "app" else body["model"]


def _hear_events(heard: Outcome, reply: requests.Response) -> None:
    for name, data in events(reply):
        heard.events.append(name)
        heard.data.append(data)
        if name == "restart":
            heard.text = ""
        elif name == "delta":
            heard.text += data.get("text", "")
        elif name == "end":
            heard.whole, heard.model = True, data["model"]
            assert data["text"] == heard.text
        elif name == "error":
            heard.error = data
    assert heard.events[0] == "start"
    assert [name for name in heard.events if name in ("end", "error")] == heard.events[-1:]


def _hear_chunks(heard: Outcome, reply: requests.Response) -> None:
    for chunk in chunks(reply):
        heard.data.append(chunk)
        if chunk == "[DONE]":
            heard.whole = True
        elif "error" in chunk:
            heard.error = chunk["error"]
        elif chunk["choices"]:
            assert not heard.whole, "a chunk behind the end mark"
            heard.text += chunk["choices"][0]["delta"].get("content") or ""
            heard.model = chunk["model"]
    assert heard.whole != (heard.error is not None)
    finishes = [c["choices"][0]["finish_reason"] for c in heard.data if isinstance(c, dict) and c.get("choices")]
    assert any(finishes) == heard.whole


def calls(gateway: Gateway, model: str | None = None) -> list[dict[str, Any]]:
    """What the upstream saw of chats, or of this model's."""
    name = model.partition("/")[2] if model else None
    return [call for call in gateway.upstream.log() if call["method"] == "POST" and name in (None, call.get("model"))]


def told(gateway: Gateway, heard: Outcome) -> list[tuple[str, str | None, str | None]]:
    """The receipt's attempts as (model, error, next)."""
    attempts = gateway.receipt(heard.prompt_id)["attempts"]
    return [(f"{one['provider']}/{one['model']}", one["error"], one["next"]) for one in attempts]


def gaps(seen: list[dict[str, Any]]) -> list[float]:
    """Seconds between calls."""
    return [later["at"] - earlier["at"] for earlier, later in pairwise(seen)]


def access_line(gateway: Gateway, prompt_id: str) -> dict[str, Any]:
    """The access log's line of a request."""

    def found() -> dict[str, Any] | None:
        path = gateway.server.folder / "logs" / "app.log"
        lines = [line for line in path.read_bytes().split(b"\n") if prompt_id.encode() in line and b'"request"' in line]
        return json.loads(lines[0]) if lines else None

    line = soon(found, 3, "no line in the access log")
    assert line is not None
    return line
