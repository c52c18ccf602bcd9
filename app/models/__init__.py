"""SQLAlchemy tables; no queries, no rules."""
