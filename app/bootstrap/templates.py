"""Prompt templates."""

from __future__ import annotations

from app.repositories.database import Database
from app.repositories.epochs import EpochRows
from app.repositories.templates import TemplateRows
from app.services.templates.service import Templates
from app.services.templates.shelf import Shelf


def templates_of(database: Database) -> Templates:
    rows = TemplateRows(database)
    return Templates(rows, Shelf(rows, EpochRows(database)))
