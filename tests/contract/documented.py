"""Whether a reply is what the OpenAPI document says of it."""

from __future__ import annotations

import json
import re
from typing import Any

import requests
from jsonschema import Draft202012Validator


class Document:
    """The document of a running service."""

    def __init__(self, url: str) -> None:
        self._document: dict[str, Any] = requests.get(f"{url}/openapi.json", timeout=10).json()
        paths = sorted(self._document["paths"], key=lambda path: path.count("{"))
        # A model's id may hold a slash.
        self._paths = [(_pattern(path, part), path) for part in ("[^/]+", ".+") for path in paths]
        self._components = _closed(self._document["components"])

    def faults(self, reply: requests.Response) -> list[str]:
        """What the reply has otherwise than the document: its status, its media type, each field of its JSON."""
        method = (reply.request.method or "").lower()
        asked = (reply.request.path_url or "").partition("?")[0]
        paths = self._document["paths"]
        path = next((path for pattern, path in self._paths if pattern.fullmatch(asked) and method in paths[path]), None)
        if path is None:
            return [] if reply.status_code in (404, 405) else [f"{method} {asked} is not in the document"]
        told = paths[path][method]["responses"]
        said = told.get(str(reply.status_code), told.get("default"))
        if said is None:
            return [f"{method} {path} does not tell of {reply.status_code}"]
        if "$ref" in said:
            said = self._document["components"]["responses"][said["$ref"].rpartition("/")[2]]
        return self._content(reply, said.get("content") or {})

    def _content(self, reply: requests.Response, content: dict[str, Any]) -> list[str]:
        media = reply.headers.get("content-type", "").partition(";")[0]
        if not content or not reply.content:
            return []
        if media not in content:
            return [f"{media} is none of {sorted(content)}"]
        if media != "application/json":
            return []
        schema = _closed(content[media]["schema"]) | {"components": self._components}
        found = Draft202012Validator(schema).iter_errors(json.loads(reply.content))
        return [f"{error.json_path}: {error.message[:200]}" for error in found]


def _pattern(path: str, part: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[^}]+\\\}", part, re.escape(path)))


def _closed(schema: Any) -> Any:
    """The schema where a field that it does not name is wrong; the details of an error are its own."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: part if name == "details" else _closed(part) for name, part in schema.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
