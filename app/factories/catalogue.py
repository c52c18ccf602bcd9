"""The providers this service knows, one frozen row each.

A new one is a row here, and nothing more where its wire is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from app.adapters.openai_chat import Dialect
from app.domain.catalogue import Model

Wire = Literal["openai", "gemini", "anthropic", "pollinations", "demo", "embedded"]
PLAIN = Dialect()


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """integration: its name in lower case, as models and aliases bear it. name: as people write it.

    base_url: its own address, "" for one without (demo); a root on the wires of Gemini and Anthropic, with
        its path (`/v1`) on OpenAI's.
    env: what its settings begin with (`GROQ` for `GROQ_API_KEY`).
    dialect: in what it differs from OpenAI's wire; unused on the others.
    continues: its models go on from an assistant's last message, as a broken answer is rescued.
    chats: False for one that only draws, or only makes vectors.
    sdk: the one of its maker by which recordings go there, None for none.
    """

    integration: str
    name: str
    wire: Wire
    base_url: str
    env: str
    needs_key: bool = True
    dialect: Dialect = PLAIN
    continues: bool = False
    chats: bool = True
    sdk: Literal["groq"] | None = None


_ROWS = (
    ProviderRow(
        "groq",
        "Groq",
        "openai",
        "https://api.groq.com/openai/v1",
        "GROQ",
        dialect=Dialect(thinking={"reasoning_format": "parsed"}),
        continues=True,
        sdk="groq",
    ),
    ProviderRow("gemini", "Gemini", "gemini", "https://generativelanguage.googleapis.com", "GEMINI"),
    ProviderRow("grok", "Grok", "openai", "https://api.x.ai/v1", "GROK"),
    ProviderRow(
        "openai",
        "OpenAI",
        "openai",
        "https://api.openai.com/v1",
        "OPENAI",
        dialect=Dialect(max_tokens="max_completion_tokens", developer=True),
    ),
    ProviderRow("anthropic", "Anthropic", "anthropic", "https://api.anthropic.com", "ANTHROPIC", continues=True),
    ProviderRow(
        "ngrok",
        "Ngrok",
        "openai",
        "http://localhost:8080/v1",
        "NGROK",
        needs_key=False,
        dialect=Dialect(headers={"ngrok-skip-browser-warning": "1"}),
    ),
    ProviderRow("ollama", "Ollama", "openai", "http://localhost:11434/v1", "OLLAMA", needs_key=False, continues=True),
    ProviderRow(
        "pollinations",
        "Pollinations",
        "pollinations",
        "https://image.pollinations.ai",
        "POLLINATIONS",
        needs_key=False,
        chats=False,
    ),
    ProviderRow("demo", "Demo", "demo", "", "DEMO", needs_key=False),
    ProviderRow("embedded", "Embedded", "embedded", "", "EMBEDDED", needs_key=False, chats=False),
)

CATALOGUE: Mapping[str, ProviderRow] = MappingProxyType({row.integration: row for row in _ROWS})


def row_of(integration: str, rows: Mapping[str, ProviderRow] | None = None) -> ProviderRow:
    """The provider's row; one that is not known here was added at run time and speaks OpenAI's wire."""
    known = (CATALOGUE if rows is None else rows).get(integration)
    return known or ProviderRow(integration, integration, "openai", "", integration.upper(), needs_key=False)


def takes_video(model: Model) -> bool:
    """Whether it is sent a video as it is: where it can, and its wire has words for it."""
    return "video" in model.inputs and row_of(model.integration).wire == "gemini"


def rooted(base_url: str, wire: Wire) -> str:
    """A base URL as calls use it: no slash at its end; on OpenAI's wire `/v1` where there is no path."""
    base_url = base_url.rstrip("/")
    return base_url + "/v1" if wire == "openai" and not urlsplit(base_url).path else base_url
