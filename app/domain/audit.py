"""Who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """The admin who acts."""

    user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class Act:
    """What an admin did, and on what. before, after: the facts that changed, never secrets; None: nothing was there."""

    id: str
    at: datetime
    actor: Actor
    action: str
    target: str
    before: Facts | None
    after: Facts | None
