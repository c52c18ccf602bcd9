"""Prompt templates: texts with `{{variable}}` in them, kept in every version that ever served."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.domain.caller import Caller

VariableType = Literal["string", "number", "boolean", "choice"]
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Variable:
    """default: what stands for it where a caller gives nothing, None where a value is required. choices: of `choice`
    alone."""

    name: str
    type: VariableType = "string"
    default: Scalar | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants a template to be. variables: those that are told; the others of the content are strings."""

    name: str
    category: str
    content: str
    shared: bool = False
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A template in one of its versions; they count from 1.

    owner: the id of the user who made it, None for a seeded one. shared: everybody may read and use it.
    version_id: the row of this version, which a conversation that it began keeps.
    """

    id: str
    owner: str | None
    name: str
    category: str
    shared: bool
    version: int
    version_id: str
    content: str
    variables: tuple[Variable, ...]
    created_at: datetime
    updated_at: datetime

    def editable_by(self, viewer: Viewer) -> bool:
        """Who may read it may change it where it is their own; what is shared an admin may change too."""
        return self.owner == viewer.user_id or viewer.admin


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks for templates: they see their own and the shared ones, and an admin the seeded ones in any case."""

    user_id: str
    username: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Expanded:
    """A template with its variables filled in. version: the row id of the version it was made from."""

    text: str
    version: str


#: Who asks, the template's id and the values by name. Raises NotFound, InvalidRequest and TooLarge.
Expand = Callable[[Caller, str, Mapping[str, Any]], Expanded]
