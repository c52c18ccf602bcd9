"""SQLAlchemy tables; no queries, no rules. Importing the package makes the metadata complete."""

from app.models import (
    accounts,
    audit,
    budgets,
    cache,
    catalogue,
    chat,
    files,
    idempotency,
    ledger,
    memories,
    ratings,
    rollups,
    routing,
    secrets,
    templates,
)
from app.models.base import Base

__all__ = [
    "Base",
    "accounts",
    "audit",
    "budgets",
    "cache",
    "catalogue",
    "chat",
    "files",
    "idempotency",
    "ledger",
    "memories",
    "ratings",
    "rollups",
    "routing",
    "secrets",
    "templates",
]
