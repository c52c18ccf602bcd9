"""Money: whole nano-USD inside, decimal USD at the doors. No float is ever added.

A price is kept as nano-USD a million tokens, so that a charge is integer arithmetic:
tokens x price / 1,000,000, rounded up once a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.domain.usage import Usage

NANO = 1_000_000_000
PER_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """input, output, cached_input: nano-USD a million tokens; image: nano-USD each; minute: nano-USD a minute of sound.

    cached_input None means the input price.
    """

    input: int
    output: int
    cached_input: int | None = None
    image: int | None = None
    minute: int | None = None

    def of(self, usage: Usage) -> int:
        """What a chat costs, in nano-USD: its tokens, and what is sold by the picture or the minute instead of them."""
        if not usage.pictures and not usage.seconds:
            return self.charge(usage.prompt, usage.completion, usage.cached)
        completion = usage.completion if self.image is None else usage.completion - usage.picture_tokens
        drawn = usage.pictures * (self.image or 0)
        heard = -(-usage.seconds * (self.minute or 0) // 60)
        return self.charge(usage.prompt, completion, usage.cached) + drawn + heard

    def charge(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> int:
        """What a chat costs, in nano-USD. cached_tokens are part of prompt_tokens and charged at their own price."""
        cached = min(cached_tokens, prompt_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        total = (prompt_tokens - cached) * self.input + cached * cached_price + completion_tokens * self.output
        return -(-total // PER_MILLION)


FREE = Price(input=0, output=0)


def usd(nano: int) -> float:
    """Nano-USD as the decimal number that replies carry. Exact to the nano below 9,000,000 USD (15 digits)."""
    return float(Decimal(nano) / NANO)


def nano(amount: Decimal) -> int:
    """USD as whole nano-USD, rounded to the nearest."""
    return int((amount * NANO).to_integral_value())
