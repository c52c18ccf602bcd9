"""What admins set up here, as one value that can be taken home and brought back. No secret is part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.domain.caller import Budget, Limits
from app.domain.catalogue import Model
from app.domain.templates import Draft


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """made_by: config for a row of `/config/model`."""

    model: Model
    made_by: Literal["admin", "config"] = "admin"


@dataclass(frozen=True, slots=True)
class UserEntry:
    """What a user may take; users themselves are no configuration."""

    username: str
    limits: Limits
    budget: Budget | None


@dataclass(frozen=True, slots=True)
class TemplateEntry:
    """id: its own; key: its name among the seeded ones. owner: the name of the user whose it is."""

    draft: Draft
    id: str | None = None
    key: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """None: nothing is said of it, and it stays as it is.

    models: all that admins made or edited. budget: of the whole installation, in a tuple of one. users: those with
    limits or a budget; templates: those that are shared and not as they were seeded. The last two belong to people:
    what is not named stays.
    """

    models: tuple[ModelEntry, ...] | None = None
    budget: tuple[Budget | None] | None = None
    users: tuple[UserEntry, ...] | None = None
    templates: tuple[TemplateEntry, ...] | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """changed: how many things of each kind. skipped: what could not be, by its place in the file, with the reason."""

    changed: Mapping[str, int]
    skipped: Mapping[str, str]
