"""`.env.example`, made from the rows: `python -m app.settings > .env.example`."""

from __future__ import annotations

from collections.abc import Iterator

from app.settings.table import PROVIDERS, Row, rows

_HEAD = """\
# Settings of the service, each with its default. Nothing is required.
# Copy to .env and take the # away where you want another value; the environment wins over .env.
# A name that is no setting, or a value that is none, stops the start with one message.
# Made by `python -m app.settings`; a test holds it equal to app/settings/table.py.
"""

_PROVIDER_HEAD = """\
# Providers. More keys make a pool that rotates: GROQ_API_KEY_1, GROQ_API_KEY_2, ...
# A base URL with no path gets /v1 (but Gemini's and Anthropic's). XAI_API_KEY means GROK_API_KEY.
"""


def example() -> str:
    return "\n".join([_HEAD, *_settings(), _PROVIDER_HEAD, *_providers()]).rstrip() + "\n"


def _settings() -> Iterator[str]:
    for name, row in rows().items():
        default = _text(row)
        note = f" (default: {row.shown})" if row.shown else ""
        yield f"# {row.help}{note}\n#{name}={default}\n"


def _text(row: Row) -> str:
    if isinstance(row.default, bool):
        return "true" if row.default else "false"
    if isinstance(row.default, float):
        return f"{row.default:g}"
    return str(row.default) if row.default not in (None, ()) else ""


def _providers() -> Iterator[str]:
    for name, row in PROVIDERS.items():
        prefix = name.upper()
        yield f"#{prefix}_API_KEY="
        if name == "grok":
            yield "#XAI_API_KEY="
        yield f"#{prefix}_BASE_URL={row.base_url}"
        yield f"#{prefix}_MODEL={row.model or ''}\n"
