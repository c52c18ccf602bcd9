"""From the environment and `.env` to one frozen value, or to a list of everything that is wrong with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlsplit

from app.settings import dotenv_file, kinds
from app.settings.near import near
from app.settings.table import PROVIDERS, ProviderRow, ProviderSettings, Row, Values, rows

ROOT = Path(__file__).resolve().parents[2]
_POOL_KEY = re.compile(r"(?P<provider>[A-Z]+)_API_KEY_[1-9][0-9]{0,3}")
_FOREIGN = frozenset({"OLLAMA_MODELS"})  # Ollama's own
_NEAR_LETTERS = 8
_SHOWN = 40


class SettingsError(Exception):
    """faults: one sentence each, never a secret's value."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n  - ".join((f"The settings hold {count}:", *faults)))
        self.faults = faults


class Settings(Values):
    """One for the process, made at its start and handed down; see `Values` for what it holds."""

    __slots__ = ()

    @classmethod
    def load(cls, environ: Mapping[str, str], dotenv_path: Path | None = None, root: Path = ROOT) -> Self:
        """Give all of it, or raise SettingsError with all faults. The environment wins over `.env`.

        dotenv_path: a file that may be missing; None reads none. root: the folder of instance/ and logs/.
        """
        written, faults = dotenv_file.read(dotenv_path)
        faults += _unknown_in_dotenv(written)
        faults += _mistaken_in_environment(environ)
        source = {name: value.strip() for name, value in {**written, **environ}.items() if is_known(name)}
        values = dict(_values(source, faults))
        providers = {name: _provider(name, row, source, faults) for name, row in PROVIDERS.items()}
        faults += _together(values)
        if faults:
            raise SettingsError(tuple(faults))
        return cls(root=root, providers=MappingProxyType(providers), **_worked_out(values, root))


def is_known(name: str) -> bool:
    pool = _POOL_KEY.fullmatch(name)
    return name in _KNOWN or (pool is not None and pool["provider"].lower() in PROVIDERS)


def _known_names() -> Iterator[str]:
    yield from rows()
    yield "XAI_API_KEY"
    for provider in PROVIDERS:
        yield from (f"{provider.upper()}_{part}" for part in ("API_KEY", "BASE_URL", "MODEL"))


_KNOWN = frozenset(_known_names())
_MISTAKEN_FOR = (*sorted(_KNOWN), *(f"{provider.upper()}_API_KEY_1" for provider in PROVIDERS))


def _unknown_in_dotenv(written: Mapping[str, str]) -> list[str]:
    return [
        f"{_shown(name)} in .env is no setting" + (f"; {meant} is" if (meant := _meant(name)) else "")
        for name in sorted(written)
        if not is_known(name)
    ]


def _mistaken_in_environment(environ: Mapping[str, str]) -> list[str]:
    return [
        f"{_shown(name)} in the environment is no setting; {meant} is"
        for name in sorted(environ)
        if len(name) >= _NEAR_LETTERS and not is_known(name) and (meant := _meant(name))
    ]


def _meant(name: str) -> str | None:
    if name in _FOREIGN:
        return None
    return next((ours for letters in (1, 2) for ours in _MISTAKEN_FOR if near(name, ours, letters)), None)


def _values(source: Mapping[str, str], faults: list[str]) -> Iterator[tuple[str, Any]]:
    for name, row in rows().items():
        raw = source.get(name, "")
        if raw:
            yield name.lower(), _parsed(name, raw, row.kind, faults, secret=row.secret)
        elif name in source and row.empty:
            yield name.lower(), None
        else:
            yield name.lower(), _default(row)


def _default(row: Row) -> object:
    return Path(row.default) if row.kind is kinds.folder and isinstance(row.default, str) else row.default


def _parsed(name: str, raw: str, kind: kinds.Kind, faults: list[str], *, secret: bool) -> Any:
    try:
        return kind(raw)
    except ValueError as error:
        hidden = secret or "@" in raw  # a URL may hold a password where none belongs
        faults.append(f"{name} {error}" + ("" if hidden else f", not {_shown(raw)}"))
        return None


def _provider(name: str, row: ProviderRow, source: Mapping[str, str], faults: list[str]) -> ProviderSettings:
    prefix = name.upper()
    base = source.get(f"{prefix}_BASE_URL", "")
    model = source.get(f"{prefix}_MODEL", "")
    keys = tuple(_keys(name, source, faults))
    web = kinds.url("http", "https")
    base_url = base and _parsed(f"{prefix}_BASE_URL", base, web, faults, secret=True)
    chosen = model and _parsed(f"{prefix}_MODEL", model, kinds.model_name, faults, secret=False)
    configured = bool(keys) or (name == "ngrok" and bool(base or model))
    return ProviderSettings(
        base_url=_rooted(base_url or row.base_url, compatible=row.compatible),
        model=chosen or row.model,
        model_set=bool(model),
        configured=configured and name != "ollama",
        api_keys=keys,
    )


def _rooted(base_url: str, *, compatible: bool) -> str:
    """An OpenAI-compatible provider's base URL with no path gets /v1; one with a path stays as it is."""
    return f"{base_url}/v1" if compatible and not urlsplit(base_url).path else base_url


def _keys(provider: str, source: Mapping[str, str], faults: list[str]) -> Iterator[str]:
    """The provider's pool: the bare name first, then by number; a key that stands twice counts once."""
    seen: set[str] = set()
    for name in _key_names(provider, source):
        key = _parsed(name, source[name], kinds.api_key, faults, secret=True)
        if key and key not in seen:
            seen.add(key)
            yield key


def _key_names(provider: str, source: Mapping[str, str]) -> list[str]:
    bare = f"{provider.upper()}_API_KEY"
    numbered = [name for name in source if _POOL_KEY.fullmatch(name) and name.startswith(f"{bare}_")]
    numbered.sort(key=lambda name: int(name.rpartition("_")[2]))
    names = [bare, *(["XAI_API_KEY"] if provider == "grok" else []), *numbered]
    return [name for name in names if source.get(name)]


def _together(values: Mapping[str, Any]) -> list[str]:
    """Settings that are right alone and wrong beside each other."""
    faults = []
    if (values["web_concurrency"] or 1) > 1 and not values["redis_url"]:
        faults.append("WEB_CONCURRENCY above 1 needs REDIS_URL: the embedded Redis is one process's own")
    if str(values["files_url"] or "").startswith("s3://"):
        missing = [name for name in ("s3_access_key", "s3_secret_key") if not values[name]]
        faults += [f"{name.upper()} is missing, FILES_URL is S3" for name in missing]
    return faults


def _worked_out(values: dict[str, Any], root: Path) -> dict[str, Any]:
    """Fill in the defaults that depend on other settings or on the machine."""
    cores = len(os.sched_getaffinity(0)) if values["redis_url"] else 1
    return values | {
        "web_concurrency": values["web_concurrency"] or cores,
        "database_url": values["database_url"] or f"sqlite:///{root / 'instance' / 'app.db'}",
        "files_url": values["files_url"] or str(root / "instance" / "uploads"),
        "log_dir": root / values["log_dir"],
    }


def _shown(raw: str) -> str:
    """A value or name as it may stand in a message: escaped and short."""
    return repr(raw if len(raw) <= _SHOWN else raw[:_SHOWN] + "…")
