"""Lua scripts, and who runs them: a Redis server over one socket, or the embedded one in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Argument = str | bytes | int
"""What a script's keys and arguments may be; Redis sees bytes."""

Reply = Any
"""None, bytes, int, or a list of these."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script. sha1: of the source, as EVALSHA wants it."""

    name: str
    source: str
    sha1: str

    @classmethod
    def load(cls, name: str, *preludes: str) -> Script:
        """Read `name.lua` beside this file, behind the `.lua` files of functions that it shares with others."""
        folder = Path(__file__).parent
        source = "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in (*preludes, name))
        return cls(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class ScriptRunner(Protocol):
    """Both methods raise Unavailable where Redis does not answer in time or answers with an error."""

    def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Reply:
        """Run the script once, whatever Redis knows of it."""

    def command(self, *words: Argument) -> Reply:
        """One plain command, for what is rare."""

    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""
