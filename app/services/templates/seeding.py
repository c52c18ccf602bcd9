"""The templates that a new house has, from a file of data."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from app.domain.policies.templating import checked
from app.domain.templates import Draft, Variable
from app.repositories.templates import TemplateRows

log = logging.getLogger(__name__)


def read_drafts(path: Path) -> dict[str, Draft]:
    """The file's templates by their keys, shared. Raises OSError; what is wrong in it is a bug that a test tells."""
    listed = json.loads(path.read_text(encoding="utf-8"))
    return {row["key"]: checked(_draft(row)) for row in listed}


def seed_templates(rows: TemplateRows, drafts: Mapping[str, Draft], now: datetime) -> int:
    """Bring the seeded ones up to date; how many changed. What an admin changed or deleted stays so."""
    changed = rows.seed(drafts, now)
    if changed:
        log.info("templates were seeded: %d changed", changed)
    return changed


def _draft(row: Mapping[str, Any]) -> Draft:
    variables = tuple(
        Variable(told["name"], told["type"], told.get("default"), tuple(told.get("choices", ())))
        for told in row.get("variables", ())
    )
    return Draft(row["name"], row["category"], row["content"], shared=True, variables=variables)
