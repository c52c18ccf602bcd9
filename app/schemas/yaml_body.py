"""A YAML body, read without trust: plain values only, no anchors, no tags, no key twice, no more than its size."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from flask import request

from app.domain.errors import InvalidRequest, TooLarge, UnsupportedMedia
from app.schemas.json_body import PARSED
from app.utils.pools import ThreadLane

T = TypeVar("T")

MEDIA = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
MAX_BYTES = 2**20
MAX_DEPTH = 16
MAX_THINGS = 100_000
#: A number of more characters is none; making one of a million digits takes seconds.
LONGEST_NUMBER = 40
_LIKE_A_NUMBER = re.compile(r"[-+0-9][-+0-9a-fA-FxXoO_:.,]*")
# Parsing takes the processor and not the loop's greenlets.
_LANE = ThreadLane(1)


def read_yaml(understand: Callable[[dict[str, Any]], T]) -> T:
    """What `understand` makes of the present request's body, off the loop.

    Raises UnsupportedMedia, TooLarge and InvalidRequest with the line, and what `understand` raises.
    """
    if request.mimetype not in MEDIA or "Content-Encoding" in request.headers:
        raise UnsupportedMedia("Send YAML as Content-Type: application/yaml, in UTF-8 and without Content-Encoding.")
    environ = request.environ
    try:
        raw: bytes = environ["wsgi.input"].read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            details = {"reason": "size", "max_bytes": MAX_BYTES}
            raise TooLarge(f"The file is larger than {MAX_BYTES} bytes.", details=details)
        return _LANE.run(lambda: understand(parse(raw)))
    finally:
        if PARSED in environ:
            environ[PARSED]()


def parse(raw: bytes) -> dict[str, Any]:
    """The mapping in these bytes. Raises InvalidRequest."""
    import yaml

    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest("The file is not UTF-8.") from None
    try:
        _look_through(text)
        loaded = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        raise InvalidRequest(f"Line {mark.line + 1 if mark else 1} is no YAML.") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise InvalidRequest("The file is no YAML.") from None
    if type(loaded) is not dict:
        raise InvalidRequest("The file must hold a mapping.")
    return loaded


def written(tell: Callable[[], Any]) -> str:
    """What `tell` gives, as a file, off the loop."""
    return _LANE.run(lambda: dump(tell()))


def dump(value: Any) -> str:
    """As `parse` reads it again, character for character."""
    import yaml

    text: str = yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    return text


class _Open:
    """A mapping or list that is being walked. keys: None in a list."""

    __slots__ = ("at_key", "keys")

    def __init__(self, mapping: bool) -> None:
        self.keys: set[str] | None = set() if mapping else None
        self.at_key = True


def _look_through(text: str) -> None:
    """Refuse what a configuration never needs, before anything is built of it."""
    import yaml

    opened: list[_Open] = []
    for n, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        line = event.start_mark.line + 1
        if n > MAX_THINGS:
            raise InvalidRequest(f"The file holds more than {MAX_THINGS} things.")
        if getattr(event, "anchor", None) is not None:
            raise InvalidRequest(f"Line {line}: anchors and aliases are not read here.")
        if getattr(event, "tag", None) is not None:
            raise InvalidRequest(f"Line {line}: tags are not read here.")
        if isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
        elif isinstance(event, yaml.NodeEvent):
            _count_in(opened, event, line)
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append(_Open(isinstance(event, yaml.MappingStartEvent)))
                if len(opened) > MAX_DEPTH:
                    raise InvalidRequest(f"Line {line}: the file is nested deeper than {MAX_DEPTH}.")


def _count_in(opened: list[_Open], event: Any, line: int) -> None:
    """Take notice of a value in what is open around it: a scalar where a key stands is told once."""
    value = getattr(event, "value", None)
    if value is not None and event.implicit[0] and len(value) > LONGEST_NUMBER and _LIKE_A_NUMBER.fullmatch(value):
        raise InvalidRequest(f"Line {line}: this number is too long.")
    around = opened[-1] if opened else None
    if around is None or around.keys is None:
        return
    if around.at_key:
        if value is None:
            raise InvalidRequest(f"Line {line}: a key is a word.")
        if value in around.keys:
            raise InvalidRequest(f"Line {line}: {value[:100]!r} stands twice.")
        around.keys.add(value)
    around.at_key = not around.at_key
