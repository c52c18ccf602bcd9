"""Callers who ask without pause, and what became of each."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.journeys.gateway import Gateway, chunks, soon


@dataclass
class Said:
    """One chat as its caller saw it. id: None where not even the head of the reply came; whole: it ended as it
    should."""

    text: str
    id: str | None = None
    status: int | None = None
    pieces: int = 0
    whole: bool = False
    complaint: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Load:
    """Some callers at each door. stream: streamed chats at /v1; talk: at the app door, all in one conversation each."""

    def __init__(self, gateway: Gateway, *, stream: int = 0, talk: int = 0) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self.said: list[Said] = []
        self._threads = [threading.Thread(target=self._stream) for _ in range(stream)]
        self._threads += [threading.Thread(target=self._talk) for _ in range(talk)]

    @property
    def whole(self) -> int:
        return sum(one.whole for one in self.said)

    def failed(self) -> list[Said]:
        return [one for one in self.said if not one.whole]

    def goes_on(self, chats: int = 5, seconds: float = 20) -> None:
        """Wait until so many more have ended well."""
        before = self.whole
        soon(lambda: self.whole >= before + chats, seconds, f"no chat ends well any more: {self.failed()[-1:]}")

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(30)

    def _stream(self) -> None:
        while not self._stop.is_set():
            said = Said(f"stream {uuid.uuid4().hex}")
            body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": said.text}]}
            try:
                with self._post("/v1/chat/completions", body, stream=True) as reply:
                    _note(said, reply)
                    if reply.ok:
                        _read(said, reply)
            except (requests.RequestException, AssertionError) as fault:
                said.complaint = repr(fault)
            self.said.append(said)

    def _talk(self) -> None:
        home: str | None = None
        while not self._stop.is_set():
            said = Said(f"talk {uuid.uuid4().hex}")
            body: dict[str, Any] = {"message": said.text, "model": MODEL}
            if home:
                body["conversation_id"] = home
            try:
                with self._post("/llm/chat", body) as reply:
                    _note(said, reply)
                    if reply.ok:
                        home = reply.json()["data"]["conversation_id"]
                        said.whole = True
                    else:
                        said.complaint = reply.text
            except requests.RequestException as fault:
                said.complaint = repr(fault)
            self.said.append(said)

    def _post(self, path: str, body: dict[str, Any], *, stream: bool = False) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._gateway.key}"}
        return requests.post(self._gateway.url + path, json=body, headers=headers, stream=stream, timeout=20)


MODEL = "llama-3.1-8b-instant"


def _note(said: Said, reply: requests.Response) -> None:
    said.status = reply.status_code
    said.headers = {name.lower(): value for name, value in reply.headers.items()}
    said.id = said.headers.get("x-request-id")


def _read(said: Said, reply: requests.Response) -> None:
    for chunk in chunks(reply):
        if chunk == "[DONE]":
            said.whole = True
        elif "error" in chunk:
            said.complaint = str(chunk)
        elif any(choice["delta"].get("content") for choice in chunk["choices"]):
            said.pieces += 1
