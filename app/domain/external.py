"""A call to another host on a caller's behalf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class ExternalCall:
    """params: go into the query, a list as one pair each. payload: JSON, or a form (an object) or text (a string)
    where use_json is False. own_token: what the caller showed us, which must not go elsewhere."""

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    payload: object = None
    use_json: bool = True
    own_token: str | None = None


@dataclass(frozen=True, slots=True)
class ExternalReply:
    """body: the JSON value where the host says that it is JSON, else text; empty for a redirect."""

    status_code: int
    headers: Mapping[str, str]
    body: object
