"""The models that an empty database is seeded with, in the catalogue's own order.

Windows and prices are the providers' published ones as known in November 2026. Prices are those of
genai-prices 0.2.3, the first tier where a provider has several, but where a line says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from app.domain.catalogue import Model
from app.domain.money import FREE, Price, nano

SIGHT = frozenset({"text", "image"})
SENSES = frozenset({"text", "image", "video", "audio", "file"})


def _price(input: str, output: str, cached: str | None = None, *, image: str | None = None) -> Price:  # noqa: A002
    """USD a million tokens, and USD a picture."""
    return Price(
        input=nano(Decimal(input)),
        output=nano(Decimal(output)),
        cached_input=nano(Decimal(cached)) if cached else None,
        image=nano(Decimal(image)) if image else None,
    )


def _model(integration: str, name: str, window: int | None, price: Price | None, **facts: object) -> Model:
    row = Model(f"{integration}/{name}", integration, name, context_window=window, price=price)
    return replace(row, **facts)  # type: ignore[arg-type]


_GROQ = (
    _model("groq", "llama-3.1-8b-instant", 131_072, _price("0.05", "0.08"), max_output=131_072),
    _model("groq", "llama-3.3-70b-versatile", 131_072, _price("0.59", "0.79"), max_output=32_768),
    _model(
        "groq",
        "deepseek-r1-distill-llama-70b",
        131_072,
        _price("0.75", "0.99"),
        max_output=131_072,
        reasoning=True,
    ),
    _model(
        "groq",
        "meta-llama/llama-4-maverick-17b-128e-instruct",
        131_072,
        _price("0.20", "0.60"),
        max_output=8_192,
        inputs=SIGHT,
    ),
    _model(
        "groq",
        "meta-llama/llama-4-scout-17b-16e-instruct",
        131_072,
        _price("0.11", "0.34"),
        max_output=8_192,
        inputs=SIGHT,
    ),
    _model("groq", "meta-llama/llama-prompt-guard-2-22m", 512, _price("0.03", "0.03"), chat=False, tools=False),
    _model("groq", "meta-llama/llama-prompt-guard-2-86m", 512, _price("0.04", "0.04"), chat=False, tools=False),
    _model("groq", "mistral-saba-24b", 32_768, _price("0.79", "0.79"), max_output=32_768),
    _model("groq", "moonshotai/kimi-k2-instruct", 131_072, _price("1", "3", "0.50"), max_output=16_384),
    # 0.04 USD an hour of sound.
    _model(
        "groq",
        "whisper-large-v3-turbo",
        None,
        Price(input=0, output=0, minute=666_667),
        chat=False,
        tools=False,
        inputs=frozenset({"audio"}),
        outputs=frozenset({"transcript"}),
    ),
)

_GEMINI = (
    _model(
        "gemini",
        "gemini-2.5-flash",
        1_048_576,
        _price("0.30", "2.50", "0.03"),
        max_output=65_536,
        inputs=SENSES,
        reasoning=True,
    ),
    _model(
        "gemini",
        "gemini-2.5-pro",
        1_048_576,
        _price("1.25", "10", "0.125"),
        max_output=65_536,
        inputs=SENSES,
        reasoning=True,
    ),
    _model(
        "gemini",
        "gemini-2.5-flash-lite-preview-06-17",
        1_048_576,
        _price("0.10", "0.40", "0.01"),
        max_output=65_536,
        inputs=SENSES,
    ),
    _model(
        "gemini",
        "gemini-2.0-flash",
        1_048_576,
        _price("0.10", "0.40", "0.025"),
        max_output=8_192,
        inputs=SENSES,
    ),
    _model("gemini", "gemini-2.0-flash-lite", 1_048_576, _price("0.075", "0.30"), max_output=8_192, inputs=SENSES),
    # A picture is 1,290 tokens at 30 USD a million
    _model(
        "gemini",
        "gemini-2.5-flash-image",
        32_768,
        _price("0.30", "2.50", image="0.0387"),
        chat=False,
        tools=False,
        max_output=32_768,
        inputs=SIGHT,
        outputs=SIGHT,
    ),
)

_GROK = (
    # Not in genai-prices: xAI's own published price
    _model("grok", "grok-beta", 131_072, _price("5", "15")),
    _model("grok", "grok-4", 256_000, _price("3", "15", "0.75"), inputs=SIGHT, reasoning=True),
)

_OPENAI = (
    _model(
        "openai",
        "gpt-6-luna",
        1_050_000,
        _price("0.10", "0.50", "0.01"),
        max_output=128_000,
        inputs=SIGHT,
        reasoning=True,
    ),
    _model(
        "openai",
        "gpt-6.1-sol",
        1_050_000,
        _price("2", "10", "0.10"),
        max_output=128_000,
        inputs=SIGHT,
        reasoning=True,
    ),
)

# OpenAI's own published price; not in genai-prices
_WHISPER = _model(
    "openai",
    "whisper-1",
    None,
    Price(input=0, output=0, minute=6_000_000),
    chat=False,
    tools=False,
    inputs=frozenset({"audio"}),
    outputs=frozenset({"transcript"}),
)

_OPENAI_EMBEDDINGS = tuple(
    _model("openai", name, None, _price(dollars, "0"), chat=False, tools=False, outputs=frozenset({"embedding"}))
    for name, dollars in (("text-embedding-3-small", "0.02"), ("text-embedding-3-large", "0.13"))
)

_ANTHROPIC = (
    _model(
        "anthropic",
        "claude-haiku-5-5",
        1_000_000,
        _price("0.10", "0.50", "0.01"),
        max_output=64_000,
        inputs=SIGHT,
    ),
    _model(
        "anthropic",
        "claude-opus-5-5",
        1_000_000,
        _price("4", "20", "0.20"),
        max_output=64_000,
        inputs=SIGHT,
        reasoning=True,
    ),
)

_EMBEDDED = (
    _model(
        "pollinations",
        "flux",
        None,
        FREE,
        chat=False,
        tools=False,
        outputs=frozenset({"image"}),
    ),
    _model("demo", "demo", 8_192, FREE, outputs=SIGHT),
    _model("embedded", "wordllama-256", None, FREE, chat=False, tools=False, outputs=frozenset({"embedding"})),
)


def _ranked(rows: Iterable[Model]) -> tuple[Model, ...]:
    return tuple(replace(row, rank=rank) for rank, row in enumerate(rows))


SEED_MODELS: tuple[Model, ...] = _ranked(
    (*_GROQ, *_GEMINI, *_GROK, *_OPENAI, _WHISPER, *_ANTHROPIC, *_OPENAI_EMBEDDINGS, *_EMBEDDED)
)


def named_by_settings(integration: str, name: str) -> Model:
    """A row for the model that a setting names (`NGROK_MODEL`, `OLLAMA_MODEL`): abilities unknown, free."""
    rank = len(SEED_MODELS)
    return _model(integration, name, None, FREE, abilities_known=False, rank=rank)
