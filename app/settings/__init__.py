"""The settings: rows in `table`, their types in `kinds`, reading in `load`, `.env.example` in `example`."""

from app.settings.load import Settings, SettingsError
from app.settings.table import PROVIDERS, ProviderSettings

__all__ = ["PROVIDERS", "ProviderSettings", "Settings", "SettingsError"]
