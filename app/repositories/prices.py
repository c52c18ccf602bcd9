"""The five columns of a price, wherever a table has them."""

from __future__ import annotations

from typing import Protocol

from app.domain.money import Price


class PriceColumns(Protocol):
    """nano-USD a million tokens, each image, each minute."""

    @property
    def price_input(self) -> int | None: ...
    @property
    def price_output(self) -> int | None: ...
    @property
    def price_cached_input(self) -> int | None: ...
    @property
    def price_image(self) -> int | None: ...
    @property
    def price_minute(self) -> int | None: ...


def price_of(row: PriceColumns) -> Price | None:
    """None where the row has no price: unknown, which is not free."""
    if row.price_input is None or row.price_output is None:
        return None
    return Price(row.price_input, row.price_output, row.price_cached_input, row.price_image, row.price_minute)


def price_columns(price: Price | None) -> dict[str, int | None]:
    """A price as the columns' values."""
    return {
        "price_input": price.input if price else None,
        "price_output": price.output if price else None,
        "price_cached_input": price.cached_input if price else None,
        "price_image": price.image if price else None,
        "price_minute": price.minute if price else None,
    }
