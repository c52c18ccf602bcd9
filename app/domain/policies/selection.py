"""Which models may answer a request, and in what order. Pure: models and needs in, an order with reasons out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.catalogue import Model


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request asks of a model. tokens: the prompt's length, as far as it is known."""

    images: bool = False
    tools: bool = False
    tokens: int = 0


def unfit(model: Model, needs: Needs) -> str | None:
    """Why this model cannot serve these needs, None where it can. What is not known is no reason."""
    if model.unavailable is not None:
        return model.unavailable
    if not model.active:
        return "switched off"
    if not model.chat:
        return "no chat model"
    if not model.abilities_known:
        return None
    if needs.images and "image" not in model.inputs:
        return "does not see images"
    if needs.tools and not model.tools:
        return "uses no tools"
    if model.context_window is not None and needs.tokens > model.context_window:
        return "context window too small"
    return None


Order = Callable[[Sequence[Model]], list[tuple[Model, str]]]


def priority(models: Sequence[Model]) -> list[tuple[Model, str]]:
    """The catalogue's own order."""
    return [(model, "priority") for model in sorted(models, key=lambda m: m.rank)]


def lowest_cost(models: Sequence[Model]) -> list[tuple[Model, str]]:
    """The cheapest first, by the price of as many tokens out as in; an unknown price comes last."""

    def cost(model: Model) -> tuple[bool, int, int]:
        price = model.price
        return price is None, price.input + price.output if price else 0, model.rank

    return [(model, "lowest_cost") for model in sorted(models, key=cost)]


STRATEGIES: dict[str, Order] = {"priority": priority, "lowest_cost": lowest_cost}
