"""SQLAlchemy tables; no queries, no rules. Importing the package makes the metadata complete."""

from app.models import accounts, catalogue, chat, ledger, rollups, secrets
from app.models.base import Base

__all__ = ["Base", "accounts", "catalogue", "chat", "ledger", "rollups", "secrets"]
