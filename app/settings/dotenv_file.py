"""`.env`, read by python-dotenv's parser; what it cannot read is a fault and not a warning."""

from __future__ import annotations

from pathlib import Path


def read(path: Path | None) -> tuple[dict[str, str], list[str]]:
    """Names to values, and what is wrong with the file. Nothing is interpolated: a `$` stays a `$`."""
    if path is None or not path.exists():
        return {}, []
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f".env cannot be read: {_reason(error)}"]
    bad = [f"line {binding.original.line} of .env is no NAME=value" for binding in bindings if binding.error]
    bad += [f"{b.key!r} in .env has no =" for b in bindings if b.key and b.value is None]
    return {b.key: b.value for b in bindings if b.key and b.value is not None}, bad


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "I/O error" if isinstance(error, OSError) else "it is not UTF-8"
