"""From a provider's row and its settings to the provider as it is configured here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from app.domain.catalogue import Credential, Provider
from app.factories.catalogue import ProviderRow

SHOWN = 4
LONG_ENOUGH = 12


def provider(
    row: ProviderRow, *, base_url: str, keys: Sequence[str], default_model: str | None, configured: bool
) -> Provider:
    """configured: whether it may be asked at all; without it every model of it is listed with the reason."""
    return Provider(
        integration=row.integration,
        base_url=base_url,
        credentials=tuple(credentials(row.integration, keys)),
        default_model=default_model,
        unavailable=None if configured else _why_not(row),
        real=row.wire != "demo",
        chats=row.chats,
    )


def credentials(integration: str, keys: Iterable[str]) -> Iterable[Credential]:
    """Each key with an id made of its hash, so that all workers call it the same and none can read it back."""
    for key in keys:
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        yield Credential(f"{integration}:{digest}", integration, key, mask(key))


def mask(secret: str) -> str:
    """A key as it may be shown: its last four characters, none of a short one."""
    return "…" + (secret[-SHOWN:] if len(secret) >= LONG_ENOUGH else "")


def _why_not(row: ProviderRow) -> str:
    if row.needs_key:
        return f"no key: set {row.env}_API_KEY"
    return f"not configured: set {row.env}_BASE_URL" if row.integration != "ollama" else "its server lists no models"
