"""Counts wrong passwords and wrong keys, by name and by address, for all workers together."""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from time import monotonic
from typing import Literal

from app.domain.errors import RateLimited, Unavailable
from app.domain.policies.guessing import ADDRESS_LIMIT, FIRST_WAIT_MS, NAME_LIMIT, WINDOW_MS, wait_ms
from app.stores.scripts import Argument, Script, ScriptRunner
from app.utils.ids import new_id

What = Literal["look", "miss", "pass"]
_REMEMBERED = 10_000


class LoginGuard:
    """After 5 misses in 15 minutes for a name, 60 for an address, tries are refused for a time that grows.

    Each method raises RateLimited with `retry_after` during such a wait; a try that is refused is not counted.
    While Redis is away the worker counts by itself. runner: one of the guard's own with patience (0.5 s); a chat's
    50 ms would send it to its own counting whenever a storm of sign-ins keeps the cores busy.
    """

    def __init__(
        self, runner: ScriptRunner, *, name_limit: int = NAME_LIMIT, address_limit: int = ADDRESS_LIMIT
    ) -> None:
        self._runner = runner
        self._script = Script.load("login_guard")
        self._limits = {"name": name_limit, "address": address_limit}
        self._own = OwnCounts()

    def look(self, name: str | None, address: str) -> None:
        """Before a password is checked. name: what tries are counted by, None for an API key, which has none."""
        self._ask("look", name, address)

    def miss(self, name: str | None, address: str) -> None:
        """The password or key was wrong."""
        self._ask("miss", name, address)

    def passed(self, name: str, address: str) -> None:
        """The password was right: the name's misses are forgotten, the address's stay.

        Asked after the password was checked, so that of many tries sent at once none is told past the limit
        that it was the right one.
        """
        self._ask("pass", name, address)

    def _ask(self, what: What, name: str | None, address: str) -> None:
        subjects = [("name", name)] if name is not None else []
        subjects.append(("address", address_block(address)))
        keys = [f"v1:guess:{kind}:{_digest(subject)}" for kind, subject in subjects]
        limits = [self._limits[kind] for kind, _ in subjects]
        wait = self._wait(what, keys, limits)
        if wait > 0:
            raise RateLimited(
                "Too many wrong tries; wait before the next one.",
                details={"reason": "guesses"},
                retry_after=wait / 1000,
            )

    def _wait(self, what: What, keys: Sequence[str], limits: Sequence[int]) -> int:
        args: list[Argument] = [what, new_id(), WINDOW_MS, FIRST_WAIT_MS, *limits]
        try:
            return int(self._runner.run(self._script, keys, args))
        except Unavailable:
            return self._own.ask(what, keys, limits, int(monotonic() * 1000))


class OwnCounts:
    """The same counting in this process alone, of at most 10,000 names and addresses, the latest."""

    def __init__(self) -> None:
        self._misses: OrderedDict[str, list[int]] = OrderedDict()

    def ask(self, what: What, keys: Sequence[str], limits: Sequence[int], now_ms: int) -> int:
        """Milliseconds to wait. As the script does it."""
        for key in keys:
            self._misses[key] = [at for at in self._misses.get(key, ()) if now_ms - at < WINDOW_MS]
            self._misses.move_to_end(key)
        longest = max(wait_ms(self._misses[key], now_ms, limit) for key, limit in zip(keys, limits, strict=True))
        if longest == 0 and what == "miss":
            for key in keys:
                self._misses[key].append(now_ms)
        elif longest == 0 and what == "pass":
            self._misses[keys[0]] = []
        self._tidy(keys)
        return longest

    def _tidy(self, keys: Sequence[str]) -> None:
        for key in keys:
            if not self._misses[key]:
                del self._misses[key]
        while len(self._misses) > _REMEMBERED:
            self._misses.popitem(last=False)


def address_block(address: str) -> str:
    """What an address is counted as: itself, or its /64 in IPv6, of which one subscriber has all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def _digest(subject: str) -> str:
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]
