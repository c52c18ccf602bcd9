"""What a chat asks for beside an answer: templates, cache, memory, search, attachments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CacheWish = Literal["default", "use", "semantic", "off"]
SearchWish = Literal["no", "yes", "auto"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """cache: `default` as the door has it, `use` and `semantic` as the caller asked, `off` to go past it.

    memory: whether earlier exchanges are asked for, None where the caller said nothing.
    attachments: ids of the caller's files. template: id of the version that the message was made from.
    picture: whether an answer is wanted as a picture (`mode` of the short door); as_bytes: that is handed over and not
    kept among the caller's files. transcript: whether what is said in the recording of its message is to be written
    down. vectors: whether each message is wanted as a vector. errand: whether the house asks by itself, after a reply,
    on the caller's account.
    """

    cache: CacheWish = "default"
    memory: bool | None = None
    web_search: SearchWish = "no"
    attachments: tuple[str, ...] = ()
    template: str | None = None
    picture: bool = False
    as_bytes: bool = False
    transcript: bool = False
    vectors: bool = False
    errand: bool = False


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of an answer is from: a page with its url, or a file and the page in it. text: what was used."""

    title: str
    url: str | None = None
    file: str | None = None
    page: int | None = None
    text: str = ""
