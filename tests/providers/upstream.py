"""The emulated providers: one real HTTP server that speaks OpenAI's, Gemini's and Anthropic's wires.

It runs as a process of its own (`python -m tests.providers.upstream` prints its port and serves until its standard
input closes) or through the fixture `upstream` of `tests.providers.fixtures`. It answers at any path prefix, so that
`http://127.0.0.1:PORT/groq/openai/v1` and `.../v1` are both a provider:

    POST …/chat/completions                            OpenAI, Groq, Grok, Ollama, Ngrok
    POST …/models/NAME:generateContent                 Gemini (also :streamGenerateContent?alt=sse)
    POST …/upload/v1beta/files                         Gemini's store of files (GET, DELETE …/v1beta/files/NAME);
                                                       it is the model `gemini-files` to `__behave`
    POST …/messages                                    Anthropic
    GET  …/models                                      each wire's own list
    POST …/images/generations                          pictures as OpenAI has them
    POST …/audio/transcriptions                        recordings as OpenAI and Groq have them
    POST …/embeddings                                  texts as vectors, as OpenAI has them
    GET  …/pollinations/prompt/WORDS?model=NAME        pictures as Pollinations has them

**The model's name says what happens.** It is read as words joined by `+`, what follows `~` is a label alone:
`reasoning`, `two-tools`, `no-arguments`, `no-call`, `echo`, `cached`, `chunks-50`, `chunks-50-of-4096` (letters each),
`nul`, `empty-answer`, `only-reasoning` (see `speech.answer`), and the faults of `faulty.FAULTS` with an argument behind
a dash: `status-429`, `retry-after-2`, `cut-after-3`, `silent`, `html-200`, `tick-20`, … `once.WORD` holds for the first
call of that name alone. Any other
name is a healthy model. A test may also say what a real name does:

    POST   /__behave    {"model": "llama-3.1-8b-instant", "as": "status-500"}   or {"key": "k1", "as": "status-429"}
    GET    /__log       every request: n, at, method, path, headers, body (JSON, or text), model, connection, and,
                        as they come, `status`, `done` (whole reply sent), `left` (the client closed before that),
                        `parts` (pieces of a `chunks-…` answer sent so far)
    GET    /__state     {"open": connections open now, "opened": ever}
    DELETE /__log       forget the log and the behaviours

Requests are checked as strictly as the real ones do: unknown fields on Gemini's and Anthropic's wires, a key in the
URL, wrong roles, tool results without a call are 400. `bad-key` as a key is 401.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.providers.drawing import drawn, gemini_picture, openai_pictures
from tests.providers.embedding import openai_vectors, too_much
from tests.providers.faulty import Reply, head, spoil
from tests.providers.gemini_store import GeminiStore
from tests.providers.hearing import form, heard, refused
from tests.providers.speech import WIRES, Asked, answer, hear_anthropic, hear_gemini, hear_openai

MODELS = ["emulated-small", "emulated-large"]
#: Listed too where the path has the word `many`: models that a test has to itself.
SPARES = [f"spare-{n}" for n in range(1000)]
LONGEST = 120.0


class Upstream:
    """All the state of the server: its log, its behaviours, its connections."""

    def __init__(self) -> None:
        self.forget()
        self.open = 0
        self.opened = 0

    def forget(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.store = GeminiStore()
        self.by_model: dict[str, str] = {}
        self.by_key: dict[str, str] = {}
        self.used: set[str] = set()

    def behaviour(self, model: str, key: str | None) -> list[str]:
        """The words that rule this call."""
        name = self.by_key.get(key or "") or self.by_model.get(model) or model
        words = []
        for word in name.partition("~")[0].split("+"):
            if word.startswith("once."):
                if word + model in self.used:
                    continue
                self.used.add(word + model)
                word = word.removeprefix("once.")
            words.append(word)
        return words


class Connection:
    """One client's connection, request after request."""

    def __init__(self, server: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.number = server.opened = server.opened + 1
        self.ahead = b""

    async def serve(self) -> None:
        self.server.open += 1
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while await self.one():
                pass
        except (ConnectionError, asyncio.CancelledError):  # cancelled: the server ends
            pass
        finally:
            self.server.open -= 1
            self.writer.close()

    async def one(self) -> bool:
        """Take a request and answer it; whether the connection stays."""
        first = await self._until_blank_line()
        if not first:
            return False
        lines = first.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        body = await self._exactly(int(headers.get("content-length", 0)))
        if urlsplit(target).path.startswith("/__"):
            self.writer.write(self._control(method, target, body))
            await self.writer.drain()
            return True
        entry: dict[str, Any] = {
            "n": len(self.server.log),
            "at": time.time(),
            "method": method,
            "path": target,
            "headers": headers,
            "body": _understood(headers.get("content-type", ""), body),
            "connection": self.number,
            "done": False,
            "left": False,
            "parts": 0,
        }
        self.server.log.append(entry)
        try:
            return await self._play(Answerer(self.server, entry).reply().script(), entry)
        except ConnectionError:
            entry["left"] = time.time()
            raise

    async def _play(self, steps: list[tuple[str, Any]], entry: dict[str, Any]) -> bool:
        for kind, value in steps:
            if kind == "send":
                self.writer.write(value)
                await self.writer.drain()
                entry["parts"] += b"token " in value
            elif kind == "reset":
                sock = self.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.writer.transport.abort()
                return False
            elif kind == "close":
                return False
            if kind == "hang" or (kind == "wait" and value):
                if await self._gone_within(value or LONGEST):
                    entry["left"] = time.time()
                    return False
            elif self.writer.transport.is_closing():
                entry["left"] = time.time()
                return False
        entry["done"] = time.time()
        return True

    async def _gone_within(self, seconds: float) -> bool:
        """Wait so long; whether the client closed meanwhile."""
        try:
            data = await asyncio.wait_for(self.reader.read(65_536), seconds)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        self.ahead += data
        return not data

    async def _until_blank_line(self) -> bytes:
        while b"\r\n\r\n" not in self.ahead:
            data = await self.reader.read(65_536)
            if not data:
                return b""
            self.ahead += data
        first, _, self.ahead = self.ahead.partition(b"\r\n\r\n")
        return first

    async def _exactly(self, length: int) -> bytes:
        parts, size = [self.ahead], len(self.ahead)
        while size < length:
            data = await self.reader.read(1 << 20)
            if not data:
                raise ConnectionError
            parts.append(data)
            size += len(data)
        whole = b"".join(parts)
        self.ahead = whole[length:]
        return whole[:length]

    def _control(self, method: str, target: str, body: bytes) -> bytes:
        server, path = self.server, urlsplit(target).path
        out: Any = {}
        if path == "/__behave":
            told = json.loads(body)
            table, name = (server.by_key, told["key"]) if "key" in told else (server.by_model, told["model"])
            table[name] = told["as"]
        elif path == "/__log" and method == "DELETE":
            server.forget()
        elif path == "/__log":
            out = server.log
        elif path == "/__state":
            out = {"open": server.open - 1, "opened": server.opened}
        data = json.dumps(out).encode()
        return head(200, {"content-type": "application/json", "content-length": str(len(data))}) + data


class Answerer:
    """Understands one logged request and makes its reply."""

    def __init__(self, server: Upstream, entry: dict[str, Any]) -> None:
        self.server, self.entry = server, entry
        parts = urlsplit(entry["path"])
        self.path, self.query = unquote(parts.path), parse_qs(parts.query)
        self.headers = entry["headers"]

    def reply(self) -> Reply:
        reply = self._reply()
        self.entry["status"] = reply.status
        return reply

    def _reply(self) -> Reply:
        wire = self._wire()
        if "/pollinations/prompt/" in self.path:
            return self._pollinations()
        if self.entry["method"] == "GET" or "/v1beta/files" in self.path:
            return self._stored(wire) if "/v1beta/files" in self.path else self._models(wire)
        asked = self._hear(wire)
        if asked is None:
            return self._refuse(wire, 404, f"Unknown request URL: {self.path}")
        self.entry["model"] = asked.model
        key = self._key()
        if key == "bad-key" or (key is None and wire != "openai"):
            return self._refuse(wire, 401, "Incorrect API key provided")
        if "key" in self.query:
            return self._refuse(wire, 400, "this emulation takes no key in a URL")
        if asked.error:
            return self._refuse(wire, 400, asked.error)
        words = self.server.behaviour(asked.model, key)
        said = answer(asked, set(words))
        reply = Reply(asked, said)
        if asked.stream:
            reply.chunks = WIRES[wire].chunks(asked, said)
        else:
            reply.document = WIRES[wire].whole(asked, said)
        if asked.draws and wire == "gemini":
            gemini_picture(reply.document or {}, asked.text, set(words))
        elif self.path.endswith("/audio/transcriptions"):
            reply.document = heard(self.entry["body"], set(words))
        elif asked.draws:
            reply.document = openai_pictures(self.entry["body"], set(words))
        elif asked.embeds:
            reply.document = openai_vectors(self.entry["body"], set(words))
        spoil(reply, words)
        self._quote_key(reply, key)
        return reply

    def _wire(self) -> str:
        if "/v1beta" in self.path or "x-goog-api-key" in self.headers:
            return "gemini"
        return "anthropic" if "anthropic-version" in self.headers else "openai"

    def _hear(self, wire: str) -> Asked | None:
        body = self.entry["body"]
        if not isinstance(body, dict):
            return None
        if wire == "gemini":
            name, _, method = self.path.partition("/models/")[2].rpartition(":")
            streamed = method == "streamGenerateContent"
            if not streamed and method != "generateContent":
                return None
            asked = hear_gemini(body, name, streamed)
            asked.error = asked.error or self.server.store.refusal(body)
            return asked
        if wire == "anthropic":
            return hear_anthropic(body) if self.path.endswith("/v1/messages") else None
        if self.path.endswith("/images/generations"):
            known = {"model", "prompt", "n", "size", "response_format"}
            unknown = body.keys() - known
            error = f"Unknown parameter: {min(unknown)}" if unknown else None
            return Asked("openai", str(body.get("model")), False, body["prompt"], draws=True, error=error)
        if self.path.endswith("/audio/transcriptions"):
            return Asked("openai", str(body.get("model")), False, "", error=refused(body))
        if self.path.endswith("/embeddings"):
            unknown = body.keys() - {"model", "input", "dimensions"}
            error = f"Unknown parameter: {min(unknown)}" if unknown else None
            error = error or too_much(body["input"])
            return Asked("openai", str(body.get("model")), False, str(body["input"]), embeds=True, error=error)
        return hear_openai(body) if self.path.endswith("/chat/completions") else None

    def _stored(self, wire: str) -> Reply:
        """One call of Gemini's store."""
        store, headers, method = self.server.store, self.headers, self.entry["method"]
        asked = Asked(wire, "gemini-files", False, "")
        self.entry["model"] = asked.model
        if self._key() is None:
            return self._refuse(wire, 401, "API key missing")
        reply = Reply(asked, answer(asked, set()), document={})
        name = "files/" + self.path.rpartition("/files/")[2]
        words = self.server.behaviour(asked.model, self._key())
        if headers.get("x-goog-upload-command") == "start":
            reply.headers["x-goog-upload-url"] = store.begun(headers, headers["host"])
        elif method == "POST":
            file = store.filled(self.query["upload_id"][0], int(headers["content-length"]))
            if file is None:
                return self._refuse(wire, 400, "These are not the bytes that were announced")
            reply.document = {"file": file}
        elif method == "DELETE":
            store.files.pop(name, None)
        else:
            file = store.seen(name)
            if file is None:
                return self._refuse(wire, 403, "There is no such file")
            reply.document = file | ({"state": "FAILED"} if "unreadable" in words else {})
        spoil(reply, [word for word in words if word != "unreadable"])
        return reply

    def _pollinations(self) -> Reply:
        asked = Asked("openai", self.query.get("model", ["flux"])[0], False, self.path.partition("/prompt/")[2])
        self.entry["model"] = asked.model
        words = self.server.behaviour(asked.model, None)
        reply = Reply(asked, answer(asked, set(words)), document={}, content_type="image/png")
        spoil(reply, words)
        if reply.status == 200 and reply.raw is None:
            reply.raw = drawn("pollinations", asked.text, set(words))
        return reply

    def _key(self) -> str | None:
        key: str | None = self.headers.get("x-goog-api-key") or self.headers.get("x-api-key")
        if key is None and self.headers.get("authorization", "").startswith("Bearer "):
            key = self.headers["authorization"].removeprefix("Bearer ")
        return key

    def _refuse(self, wire: str, status: int, message: str) -> Reply:
        asked = Asked(wire, "", False, "")
        return Reply(asked, answer(asked, set()), document=WIRES[wire].error(status, message), status=status)

    def _quote_key(self, reply: Reply, key: str | None) -> None:
        if reply.document and "{key}" in (said := json.dumps(reply.document)):
            reply.document = json.loads(said.replace("{key}", key or ""))
            if reply.chunks is not None:
                reply.chunks = [reply.document]

    def _models(self, wire: str) -> Reply:
        asked = Asked(wire, "", False, "")
        reply = Reply(asked, answer(asked, set()))
        names = MODELS + SPARES * ("/many/" in self.path)
        if wire == "gemini":
            methods = ["generateContent", "countTokens"]
            rows = [
                {"name": f"models/{name}", "inputTokenLimit": 1_048_576, "supportedGenerationMethods": methods}
                for name in names
            ]
            reply.document = {"models": rows}
        elif wire == "anthropic":
            at = "2026-01-01T00:00:00Z"
            rows = [{"type": "model", "id": name, "display_name": name, "created_at": at} for name in names]
            reply.document = {"data": rows, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
        else:
            rows = [{"id": name, "object": "model", "created": 1_790_000_000, "owned_by": "emulated"} for name in names]
            reply.document = {"object": "list", "data": rows}
        return reply


def _understood(content_type: str, body: bytes) -> Any:
    """JSON, or a form's fields, or text."""
    if content_type.startswith("multipart/form-data"):
        return form(content_type, body)
    if len(body) > 2**20 and not body.lstrip().startswith(b"{"):
        return {"bytes": len(body)}
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


async def serve(port: int = 0) -> None:
    """Serve on the loopback, print the port, end when standard input ends."""
    state = Upstream()
    server = await asyncio.start_server(
        lambda reader, writer: Connection(state, reader, writer).serve(), "127.0.0.1", port, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    with suppress(asyncio.CancelledError):
        await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
