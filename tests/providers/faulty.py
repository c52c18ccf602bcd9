"""How an emulated provider goes wrong: a table of faults, each named by a word of the model's name.

A fault takes the healthy `Reply` and an argument (what follows its name and a dash) and spoils it. A new one is a
function in `FAULTS`; what it needs more of (bytes before the head, say) it writes into `reply.raw`.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.providers.speech import TRAITS, WIRES, Asked, Said, frame

Step = tuple[str, Any]  # ("send", bytes) ("wait", seconds) ("hang", None) ("reset", None) ("close", None)


@dataclass
class Reply:
    """A reply before it is bytes. document: the JSON of a whole one; chunks: of a streamed one.

    raw: the bytes of the body instead of either. reshape: over a stream's whole text. every: cut it after so many
    bytes. end: clean, cut (closed before the framing's end), reset or hang. steps: instead of everything.
    """

    asked: Asked
    said: Said
    document: dict[str, Any] | None = None
    chunks: list[Any] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    reshape: Callable[[bytes], bytes] | None = None
    every: int = 0
    delay: float = 0.0
    tick: float = 0.0
    end: str = "clean"
    content_type: str | None = None
    steps: list[Step] | None = None

    @property
    def wire(self) -> str:
        return self.asked.wire

    def script(self) -> list[Step]:
        """What to do with the connection, step by step."""
        if self.steps is not None:
            return self.steps
        parts = self._parts()
        streamed = self.chunks is not None and self.raw is None
        length = sum(map(len, parts)) + (7 if self.end in ("cut", "reset", "hang") else 0)
        framing = ("transfer-encoding", "chunked") if streamed else ("content-length", str(length))
        kind = self.content_type or ("text/event-stream" if streamed else "application/json")
        steps: list[Step] = [("wait", self.delay)] if self.delay else []
        steps.append(("send", head(self.status, {"content-type": kind, framing[0]: framing[1], **self.headers})))
        for part in parts:
            steps.append(("send", b"%x\r\n%s\r\n" % (len(part), part) if streamed else part))
            if self.tick:
                steps.append(("wait", self.tick))
        ends = {"cut": ("close", None), "reset": ("reset", None), "hang": ("hang", None)}
        if self.end in ends:
            return [*steps, ends[self.end]]
        return [*steps, ("send", b"0\r\n\r\n")] if streamed else steps

    def _parts(self) -> list[bytes]:
        if self.raw is not None:
            return [self.raw]
        if self.chunks is None:
            return [json.dumps(self.document, ensure_ascii=False).encode()]
        frames = [chunk if isinstance(chunk, bytes) else frame(self.wire, chunk) for chunk in self.chunks]
        if self.reshape or self.every:
            whole = b"".join(frames)
            whole = self.reshape(whole) if self.reshape else whole
            size = self.every or len(whole)
            return [whole[i : i + size] for i in range(0, len(whole), size)]
        return frames


def head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Emulated", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def is_content(wire: str, chunk: Any) -> bool:
    """Whether a chunk says a piece of text, thought or call."""
    if not isinstance(chunk, dict):
        return False
    if wire == "anthropic":
        return chunk["type"] == "content_block_delta"
    if wire == "gemini":
        parts = chunk["candidates"][0].get("content", {}).get("parts", ())
        return any(part.get("text") or "functionCall" in part for part in parts)
    choices = chunk.get("choices") or ({},)
    delta = choices[0].get("delta") or {}
    return bool(delta.get("content") or delta.get("reasoning_content") or delta.get("tool_calls"))


def _ends(wire: str, chunk: Any) -> bool:
    """Whether a chunk bears the finish reason."""
    if not isinstance(chunk, dict):
        return False
    if wire == "anthropic":
        return chunk["type"] == "message_delta"
    if wire == "gemini":
        return "finishReason" in chunk["candidates"][0]
    return bool(chunk.get("choices")) and chunk["choices"][0].get("finish_reason") is not None


def _after(reply: Reply, arg: str) -> None:
    """Keep the chunks up to the n-th that has content."""
    left = int(arg or 3)
    kept = []
    for chunk in reply.chunks or ():
        if left == 0 and is_content(reply.wire, chunk):
            break
        left -= is_content(reply.wire, chunk)
        kept.append(chunk)
    while kept and _ends(reply.wire, kept[-1]):
        kept.pop()
    if reply.chunks is not None:
        reply.chunks = kept


def _error(reply: Reply, status: int, message: str, code: str | None = None) -> None:
    reply.status = status
    reply.document = WIRES[reply.wire].error(status, message, code)
    reply.chunks = None


# --- statuses ---------------------------------------------------------------------------------------------------


def status(reply: Reply, arg: str) -> None:
    _error(reply, int(arg), f"The emulated provider answers {arg}.")


def retry_after(reply: Reply, arg: str) -> None:
    _error(reply, 429, "Too many requests.")
    reply.headers["retry-after"] = arg


def retry_ms(reply: Reply, arg: str) -> None:
    _error(reply, 429, "Too many requests.")
    reply.headers["retry-after-ms"] = arg


def retry_delay(reply: Reply, arg: str) -> None:
    _error(reply, 429, f"Rate limit reached. Please try again in {arg}.")
    if reply.wire == "gemini":
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": arg}
        reply.document["error"]["details"] = [info]  # type: ignore[index]


def quota(reply: Reply, arg: str) -> None:
    code = {"openai": "insufficient_quota", "anthropic": "billing_error", "gemini": "API_KEY_INVALID"}[reply.wire]
    _error(reply, 429, "You exceeded your current quota.", code)


def bad_key(reply: Reply, arg: str) -> None:
    """400 on Gemini, 401 elsewhere, as the real ones."""
    if reply.wire == "gemini":
        _error(reply, 400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID")
    else:
        _error(reply, 401, "Incorrect API key provided.", "invalid_api_key" if reply.wire == "openai" else None)


def gone(reply: Reply, arg: str) -> None:
    said = {
        "openai": f"The model `{reply.asked.model}` does not exist.",
        "anthropic": f"model: {reply.asked.model}",
        "gemini": f"models/{reply.asked.model} is not found for API version v1beta.",
    }
    _error(reply, 404, said[reply.wire], "model_not_found" if reply.wire == "openai" else None)


def too_long(reply: Reply, arg: str) -> None:
    said = {
        "openai": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000.",
        "anthropic": "prompt is too long: 201097 tokens > 200000 maximum",
        "gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    }
    _error(reply, 400, said[reply.wire], "context_length_exceeded" if reply.wire == "openai" else None)


def filtered(reply: Reply, arg: str) -> None:
    """Refused before a word: a 400, on Gemini a 200 with the reason to block."""
    if reply.wire == "gemini":
        reply.document = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}}
        if reply.chunks is not None:
            reply.chunks = [reply.document]
        return
    said = {
        "openai": "The response was filtered due to the prompt triggering our content management policy.",
        "anthropic": "Output blocked by content filtering policy",
    }
    _error(reply, 400, said[reply.wire], "content_filter" if reply.wire == "openai" else None)


def quotes_key(reply: Reply, arg: str) -> None:
    _error(reply, 401, "Incorrect API key provided: {key}. Find your key at the provider's page.")


def quotes_key_200(reply: Reply, arg: str) -> None:
    """The same as an error inside a 200, whole or as the stream's one event."""
    error = WIRES[reply.wire].error(401, "Incorrect API key provided: {key}.")
    reply.document = error
    if reply.chunks is not None:
        reply.chunks = [error]


# --- connections ------------------------------------------------------------------------------------------------


def reset(reply: Reply, arg: str) -> None:
    reply.steps = [("reset", None)]


def close(reply: Reply, arg: str) -> None:
    reply.steps = [("close", None)]


def silent(reply: Reply, arg: str) -> None:
    reply.steps = [("hang", None)]


def silent_after(reply: Reply, arg: str) -> None:
    _after(reply, arg)
    reply.end = "hang"


def silent_head(reply: Reply, arg: str) -> None:
    reply.chunks, reply.document = (None, {}) if reply.chunks is None else ([], None)
    reply.end = "hang"


def cut_after(reply: Reply, arg: str) -> None:
    _after(reply, arg)
    reply.end = "cut"


def reset_after(reply: Reply, arg: str) -> None:
    _after(reply, arg)
    reply.end = "reset"


def end_after(reply: Reply, arg: str) -> None:
    """The framing ends well, the answer does not."""
    _after(reply, arg)


def slow(reply: Reply, arg: str) -> None:
    reply.delay = int(arg) / 1000


def tick(reply: Reply, arg: str) -> None:
    reply.tick = int(arg) / 1000


def redirect(reply: Reply, arg: str) -> None:
    _error(reply, int(arg or 307), "moved")
    reply.headers["location"] = "http://169.254.169.254/latest/meta-data/"


# --- bodies -----------------------------------------------------------------------------------------------------


def _body(raw: bytes) -> Callable[[Reply, str], None]:
    def fault(reply: Reply, arg: str) -> None:
        reply.raw = raw

    return fault


def error_200(reply: Reply, arg: str) -> None:
    error = WIRES[reply.wire].error(503, "The engine is overloaded.")
    reply.document = error
    if reply.chunks is not None:
        reply.chunks = [error]


def error_event(reply: Reply, arg: str) -> None:
    """After n pieces the stream tells an error and ends."""
    _after(reply, arg or "0")
    code = "overloaded_error" if reply.wire == "anthropic" else None
    error = WIRES[reply.wire].error(503, "Overloaded", code)
    data = json.dumps(error)
    if reply.chunks is not None:
        name = "event: error\n" if reply.wire != "gemini" else ""
        reply.chunks.append(f"{name}data: {data}\n\n".encode())
    else:
        reply.document = error


def no_choices(reply: Reply, arg: str) -> None:
    empty = {"openai": {"choices": []}, "gemini": {"candidates": []}, "anthropic": {"type": "message", "content": []}}
    reply.document = empty[reply.wire]
    if reply.chunks is not None:
        reply.chunks = [reply.document] if reply.wire != "anthropic" else []


def cut_json(reply: Reply, arg: str) -> None:
    whole = json.dumps(WIRES[reply.wire].whole(reply.asked, reply.said)).encode()
    reply.raw = whole[: len(whole) // 2]


def json_for_sse(reply: Reply, arg: str) -> None:
    reply.chunks, reply.document = None, WIRES[reply.wire].whole(reply.asked, reply.said)


def sse_for_json(reply: Reply, arg: str) -> None:
    reply.chunks, reply.document = WIRES[reply.wire].chunks(reply.asked, reply.said), None


def wrong_type(reply: Reply, arg: str) -> None:
    reply.content_type = "text/html; charset=utf-8"


def gzipped(reply: Reply, arg: str) -> None:
    reply.raw = gzip.compress(b"".join(reply._parts()))
    reply.content_type = "application/json" if reply.chunks is None else "text/event-stream"
    reply.headers["content-encoding"] = "gzip"


def gzip_cut(reply: Reply, arg: str) -> None:
    gzipped(reply, arg)
    whole = reply.raw or b""
    reply.raw = whole[: len(whole) // 2]


def bomb(reply: Reply, arg: str) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    reply.raw = b"".join(packer.compress(block) for _ in range(int(arg or 64))) + packer.flush()
    reply.headers["content-encoding"] = "gzip"


# --- the form of a stream ---------------------------------------------------------------------------------------


def _reshaped(change: Callable[[bytes], bytes]) -> Callable[[Reply, str], None]:
    def fault(reply: Reply, arg: str) -> None:
        reply.reshape = lambda whole: change(whole.replace(b"\r\n", b"\n"))

    return fault


def _mixed(whole: bytes) -> bytes:
    ends = [b"\n", b"\r\n", b"\r"]
    lines = whole.split(b"\n")
    # A CR before a LF would be read as one line's end: CR is used where no LF end follows it.
    return b"".join(line + (ends[i % 3] if line else b"\r\n") for i, line in enumerate(lines[:-1]))


def _many_data_lines(whole: bytes) -> bytes:
    return whole.replace(b',"', b',\ndata: "')


def bytewise(reply: Reply, arg: str) -> None:
    """Every byte by itself: events and letters of several bytes arrive in pieces."""
    reply.every = int(arg or 1)


def big_line(reply: Reply, arg: str) -> None:
    """One chunk of so many bytes of text."""
    reply.said.pieces = ["x" * int(arg)]
    wire = WIRES[reply.wire]
    if reply.chunks is not None:
        reply.chunks = wire.chunks(reply.asked, reply.said)
    else:
        reply.document = wire.whole(reply.asked, reply.said)


def comments(reply: Reply, arg: str) -> None:
    reply.chunks = [b": still here\n\n"] * int(arg or 2000)
    reply.tick = 0.05
    reply.end = "hang"


# --- what a stream says -----------------------------------------------------------------------------------------


def no_finish(reply: Reply, arg: str) -> None:
    """`[DONE]` (or the stream's end) comes, a finish reason never."""
    if reply.chunks is not None:
        reply.chunks = [c for c in reply.chunks if not _ends(reply.wire, c)]
    else:
        finish_is(None)(reply, arg)


def no_done(reply: Reply, arg: str) -> None:
    """The connection closes clean after the finish reason, without the wire's end mark."""
    if reply.chunks is not None:
        reply.chunks = [c for c in reply.chunks if c != "[DONE]" and not _is_stop(c)]


def _is_stop(chunk: Any) -> bool:
    return isinstance(chunk, dict) and chunk.get("type") == "message_stop"


def hang_after_finish(reply: Reply, arg: str) -> None:
    """After the finish reason nothing more, and the connection stays."""
    if reply.chunks is not None:
        at = max(i for i, c in enumerate(reply.chunks) if _ends(reply.wire, c))
        reply.chunks = reply.chunks[: at + 1]
    reply.end = "hang"


def hang_after_done(reply: Reply, arg: str) -> None:
    reply.end = "hang"


def finish_is(word: Any) -> Callable[[Reply, str], None]:
    def fault(reply: Reply, arg: str) -> None:
        for chunk in reply.chunks or [reply.document]:
            if reply.chunks is None or _ends(reply.wire, chunk):
                _set_finish(reply.wire, chunk, word)

    return fault


def _set_finish(wire: str, chunk: Any, word: Any) -> None:
    if wire == "openai":
        for choice in chunk["choices"]:
            choice["finish_reason"] = word
    elif wire == "gemini":
        for candidate in chunk["candidates"]:
            candidate["finishReason"] = word
    else:
        chunk.get("delta", chunk)["stop_reason"] = word


def finish_twice(reply: Reply, arg: str) -> None:
    if reply.chunks is not None:
        at = max(i for i, c in enumerate(reply.chunks) if _ends(reply.wire, c))
        again = copy.deepcopy(reply.chunks[at])
        _set_finish(
            reply.wire, again, {"openai": "length", "gemini": "MAX_TOKENS", "anthropic": "max_tokens"}[reply.wire]
        )
        reply.chunks.insert(at + 1, again)


def text_after_finish(reply: Reply, arg: str) -> None:
    if reply.chunks is not None:
        at = max(i for i, c in enumerate(reply.chunks) if _ends(reply.wire, c))
        text = next(c for c in reply.chunks if is_content(reply.wire, c))
        reply.chunks.insert(at + 1, text)


def after_done(reply: Reply, arg: str) -> None:
    if reply.chunks is not None:
        reply.chunks.append(next(c for c in reply.chunks if is_content(reply.wire, c)))


def finish_filter(reply: Reply, arg: str) -> None:
    word = {"openai": "content_filter", "gemini": "SAFETY", "anthropic": "refusal"}[reply.wire]
    finish_is(word)(reply, arg)


def odd(reply: Reply, arg: str) -> None:
    """Chunks that are no chunks, between the good ones."""
    strange: list[bytes] = [b"data: {not json\n\n", b"data: 5\n\n", b"data: null\n\n", b'data: {"choices":[null]}\n\n']
    if reply.chunks is not None:
        reply.chunks = [reply.chunks[0], *strange, *reply.chunks[1:]]


def usage_is(change: Callable[[dict[str, Any]], Any]) -> Callable[[Reply, str], None]:
    names = {"openai": "usage", "anthropic": "usage", "gemini": "usageMetadata"}

    def fault(reply: Reply, arg: str) -> None:
        name = names[reply.wire]
        for chunk in reply.chunks if reply.chunks is not None else [reply.document]:
            for holder in (chunk, chunk.get("message") if isinstance(chunk, dict) else None):
                if isinstance(holder, dict) and isinstance(holder.get(name), dict):
                    holder[name] = change(holder[name])

    return fault


def _mapped(change: Callable[[int], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda usage: {name: change(n) if isinstance(n, int) else n for name, n in usage.items()}


def rejects_prefix(reply: Reply, arg: str) -> None:
    """A model that does not go on from an answer that was begun."""
    if reply.asked.prefix:
        _error(reply, 400, "Conversation roles must alternate: the last message must be from the user.")


def cut_bytes(reply: Reply, arg: str) -> None:
    """The body ends after so many bytes, wherever that is: in a word, a letter of several bytes, an event's name."""
    reply.reshape = lambda whole: whole[: int(arg)]
    reply.end = "cut"


#: What goes wrong of itself, as often as anything else of these.
CHANCES = ("status-429", "retry-after-1", "status-500", "status-503", "reset", "cut-after-2", "reset-after-2", "stall")
_dice = random.Random(20261121)


def chaos(reply: Reply, arg: str) -> None:
    """So many calls of a hundred go wrong, each in its own way."""
    if _dice.random() * 100 >= int(arg):
        return
    word = _dice.choice(CHANCES)
    if word == "stall":
        word = _dice.choice(("silent", "silent-head", "silent-after-2"))
    spoil(reply, [word])


FAULTS: dict[str, Callable[[Reply, str], None]] = {
    "status": status,
    "retry-after": retry_after,
    "retry-ms": retry_ms,
    "retry-delay": retry_delay,
    "quota": quota,
    "bad-key": bad_key,
    "gone": gone,
    "too-long": too_long,
    "filtered": filtered,
    "quotes-key": quotes_key,
    "quotes-key-200": quotes_key_200,
    "reset": reset,
    "close": close,
    "silent": silent,
    "silent-head": silent_head,
    "silent-after": silent_after,
    "cut-after": cut_after,
    "reset-after": reset_after,
    "end-after": end_after,
    "slow": slow,
    "tick": tick,
    "redirect": redirect,
    "html-200": _body(b"<!doctype html><title>Welcome</title><p>Sign in to the network"),
    "empty": _body(b""),
    "empty-object": _body(b"{}"),
    "null": _body(b"null"),
    "error-200": error_200,
    "error-event": error_event,
    "no-choices": no_choices,
    "cut-json": cut_json,
    "json-for-sse": json_for_sse,
    "sse-for-json": sse_for_json,
    "wrong-type": wrong_type,
    "gzip": gzipped,
    "gzip-cut": gzip_cut,
    "bomb": bomb,
    "crlf": _reshaped(lambda whole: whole.replace(b"\n", b"\r\n")),
    "cr": _reshaped(lambda whole: whole.replace(b"\n", b"\r")),
    "lf": _reshaped(lambda whole: whole),
    "mixed": _reshaped(_mixed),
    "bom": _reshaped(lambda whole: b"\xef\xbb\xbf" + whole),
    "no-space": _reshaped(lambda whole: whole.replace(b"data: ", b"data:")),
    "ids": _reshaped(lambda whole: whole.replace(b"data: ", b"id: 7\nretry: 50\n: note\ndata: ")),
    "multi-data": _reshaped(_many_data_lines),
    "no-last-newline": _reshaped(bytes.rstrip),
    "bytewise": bytewise,
    "big-line": big_line,
    "comments": comments,
    "no-finish": no_finish,
    "no-done": no_done,
    "hang-after-finish": hang_after_finish,
    "hang-after-done": hang_after_done,
    "finish-empty": finish_is(""),
    "finish-odd": finish_is("because"),
    "finish-filter": finish_filter,
    "finish-twice": finish_twice,
    "text-after-finish": text_after_finish,
    "after-done": after_done,
    "odd": odd,
    "rejects-prefix": rejects_prefix,
    "cut-bytes": cut_bytes,
    "chaos": chaos,
    "usage-null": usage_is(lambda usage: None),
    "usage-text": usage_is(_mapped(str)),
    "usage-negative": usage_is(_mapped(lambda n: -n - 1)),
    "usage-float": usage_is(_mapped(lambda n: n + 0.5)),
    "usage-huge": usage_is(_mapped(lambda n: 10**12)),
}


def spoil(reply: Reply, traits: list[str]) -> None:
    """Apply every trait that is a fault, in the order of their names in the model's name."""
    for trait in traits:
        found = _fault(trait)
        if found is not None:
            found[0](reply, found[1])


def _fault(trait: str) -> tuple[Callable[[Reply, str], None], str] | None:
    name, arg = trait, ""
    while name and trait not in TRAITS:
        if name in FAULTS:
            return FAULTS[name], arg
        name, _, last = name.rpartition("-")
        arg = f"{last}-{arg}" if arg else last
    return None
