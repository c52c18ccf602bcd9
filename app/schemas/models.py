"""The catalogue as the doors show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.catalogue import Model
from app.domain.money import Price, usd
from app.services.catalogue.snapshot import Snapshot

CREATED = 1_700_000_000  # OpenAI's schema wants a time; a row has none that means anything


def openai_list(snapshot: Snapshot) -> dict[str, Any]:
    """Aliases first, then what can answer."""
    aliases = [_openai(name, "alias") for name in snapshot.aliases]
    rows = [_openai(snapshot.shown_name(m), m.integration) for m in snapshot.models if m.available]
    return {"object": "list", "data": aliases + rows}


def openai_one(snapshot: Snapshot, name: str) -> dict[str, Any] | None:
    """One model or alias under the name it was asked by, None where nothing bears it."""
    if name in snapshot.aliases:
        return _openai(name, "alias")
    rows = snapshot.find(name)
    return _openai(name, rows[0].integration) if rows else None


def _openai(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}


def short_list(snapshot: Snapshot, ratings: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """ratings: averages by (provider, model)."""
    return {"models": [_short(snapshot, model, ratings) for model in snapshot.models]}


def _short(snapshot: Snapshot, model: Model, ratings: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": snapshot.shown_name(model),
        "provider": model.integration,
        "modalities": {"in": sorted(model.inputs), "out": sorted(model.outputs)},
        "context_window": model.context_window,
        "price": shown_price(model.price),
        "average_rating": ratings.get((model.integration, model.name)),
        "available": model.available,
    }
    if not model.available:
        row["reason"] = model.unavailable or "switched off"
    return row


def shown_price(price: Price | None) -> dict[str, float] | None:
    """USD a million tokens, each picture, each minute; what is not sold so is left out."""
    if price is None:
        return None
    parts = {
        "input": price.input,
        "output": price.output,
        "cached_input": price.cached_input,
        "image": price.image,
        "minute": price.minute,
    }
    return {name: usd(nano) for name, nano in parts.items() if nano is not None}
