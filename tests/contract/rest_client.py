"""Plays .rest files as the editors' REST clients do: separators, variables, named requests, references.

Known: `###` separators, `@name = value`, `{{name}}`, `{{$guid}}`, `{{$timestamp}}`, `# @name login`,
`{{login.response.body.$.data.items[0].id}}`, `{{login.response.headers.x-request-id}}`, and one word of our own in a
comment: `# expect 201`.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REFERENCE = re.compile(r"\{\{([^{}]+)\}\}")
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass
class Call:
    """One request of a file, not yet resolved."""

    line: int
    title: str
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    name: str | None = None
    expect: int | None = None


@dataclass
class RestFile:
    path: Path
    variables: dict[str, str]
    calls: list[Call]


def parse(path: Path) -> RestFile:
    """Raises ValueError naming file and line for what is no request."""
    variables: dict[str, str] = {}
    calls: list[Call] = []
    for start, lines in _blocks(path.read_text(encoding="utf-8")):
        call = _call(path, start, lines, variables)
        if call is not None:
            calls.append(call)
    return RestFile(path, variables, calls)


def _blocks(text: str) -> list[tuple[int, list[str]]]:
    blocks: list[tuple[int, list[str]]] = [(1, [])]
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("###"):
            blocks.append((number, []))
        blocks[-1][1].append(line)
    return [block for block in blocks if block[1]]


def _call(path: Path, start: int, lines: list[str], variables: dict[str, str]) -> Call | None:
    call: Call | None = None
    name, expect, title = None, None, lines[0].lstrip("# ").strip()
    rest = iter(enumerate(lines, start=start))
    for number, line in rest:
        if match := re.fullmatch(r"(?:#|//)\s*@name\s+(\w+)\s*", line):
            name = match[1]
        elif match := re.fullmatch(r"(?:#|//)\s*expect\s+(\d{3})\s*", line):
            expect = int(match[1])
        elif match := re.fullmatch(r"@(\w+)\s*=\s*(.*)", line):
            variables[match[1]] = match[2].strip()
        elif line.strip() and not line.startswith(("#", "//")):
            call = _request_line(path, number, line)
            break
    if call is None:
        return None
    call.title, call.name, call.expect = title, name, expect
    for _, line in rest:
        if not line.strip():
            break
        header, _, value = line.partition(":")
        call.headers[header.strip()] = value.strip()
    call.body = "\n".join(line for _, line in rest).strip("\n")
    return call


def _request_line(path: Path, number: int, line: str) -> Call:
    method, _, url = line.partition(" ")
    if method not in METHODS or not url:
        raise ValueError(f"{path.name}:{number} is no request: {line}")
    return Call(number, "", method, url.removesuffix(" HTTP/1.1").strip())


class Player:
    """Plays one file against a server; what named requests got is kept for those after them."""

    def __init__(self, rest: RestFile, host: str, **variables: str) -> None:
        self._variables = rest.variables | {"host": host} | variables
        self._replies: dict[str, requests.Response] = {}

    def play(self, call: Call) -> requests.Response:
        body = self.resolve(call.body)
        if call.headers.get("Content-Type", "").startswith("multipart/"):
            body = body.replace("\n", "\r\n")  # as the editors send forms
        reply = requests.request(
            call.method,
            self.resolve(call.url),
            headers={name: self.resolve(value) for name, value in call.headers.items()},
            data=body.encode() if body else None,
            timeout=30,
            allow_redirects=False,
        )
        if call.name is not None:
            self._replies[call.name] = reply
        return reply

    def resolve(self, text: str) -> str:
        return REFERENCE.sub(lambda match: self._value(match[1].strip()), text)

    def _value(self, reference: str) -> str:
        if reference == "$guid":
            return str(uuid.uuid4())
        if reference == "$timestamp":
            return str(int(time.time()))
        if reference in self._variables:
            return self.resolve(self._variables[reference])
        name, response, part, path = (*reference.split(".", 3), "", "", "")[:4]
        if response != "response" or name not in self._replies:
            raise KeyError(f"{{{{{reference}}}}} refers to nothing that came before")
        reply = self._replies[name]
        return reply.headers[path] if part == "headers" else str(_at(reply.json(), path))


def _at(value: Any, path: str) -> Any:
    """The value at a JSONPath of names and indices: `$.data.items[0].id`."""
    for name, index in STEP.findall(path.removeprefix("$")):
        value = value[int(index)] if index else value[name]
    return value
