"""The limits and budgets that bind a chat as the scripts want them, and what the scripts say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.caller import Bound, Quota, Standing
from app.domain.errors import DomainError, InvalidRequest, RateLimited
from app.domain.hot import Grant, Unbuilt
from app.domain.policies.lease import budget_spent, period_name
from app.stores.scripts import Reply

MOST_REMEMBERED = 20_000
WORDS = {"r": "requests", "t": "tokens", "c": "concurrency"}
SHOWN = {"r": "requests a minute", "t": "tokens a minute", "c": "requests at once"}
OWNERS = {"key": "this key's", "user": "this user's", "model": "the model's", "global": "the installation's"}


@dataclass(frozen=True, slots=True)
class Gates:
    """keys, args, kinds: of all, in the order of `bounds`, and the bound that each is of; held, held_kinds: of those
    that a chat holds until it settles."""

    bounds: tuple[Bound, ...]
    day: date
    keys: tuple[str, ...]
    args: tuple[str | int, ...]
    kinds: str
    owners: tuple[Bound, ...]
    held: tuple[str, ...]
    held_kinds: str

    @classmethod
    def of(cls, bounds: tuple[Bound, ...], day: date) -> Gates:
        rows = [row for bound in bounds for row in _rows(bound, day)]
        held = [(key, kind) for _, kind, key, _ in rows if kind != "r"]
        return cls(
            bounds,
            day,
            tuple(key for _, _, key, _ in rows),
            tuple(arg for _, kind, _, limit in rows for arg in (kind, limit)),
            "".join(kind for _, kind, _, _ in rows),
            tuple(bound for bound, _, _, _ in rows),
            tuple(key for key, _ in held),
            "".join(kind for _, kind in held),
        )

    def refusal(self, verdict: Reply) -> DomainError | Unbuilt:
        """What a verdict means that let nobody in."""
        place = verdict[1] - 1
        bound, kind, limit = self.owners[place], self.kinds[place], self.args[2 * place + 1]
        if verdict[0] == 2:
            version, *in_flight = verdict[2]
            return Unbuilt(bound, version, tuple(prompt.decode() for prompt in in_flight))
        if kind == "b":
            return budget_spent(bound, self.day)
        details = {"limit": bound.scope, "reason": WORDS[kind]}
        owner = OWNERS[bound.scope]
        if verdict[0] < 0:
            return InvalidRequest(
                f"the request is larger than {owner} limit of {limit} tokens a minute", details=details
            )
        wait = verdict[2] / 1000
        refused = RateLimited(f"{owner} limit of {limit} {SHOWN[kind]} is reached", details=details, retry_after=wait)
        quota = Quota(int(limit), 0, wait)
        refused.standing = Standing(quota if kind == "r" else None, quota if kind == "t" else None)
        return refused


class GateBook:
    """Works the gates of the same bounds out once a day."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, date], Gates] = {}

    def of(self, bounds: tuple[Bound, ...], day: date) -> Gates:
        name = (id(bounds), day)
        known = self._known.get(name)
        if known is not None and known.bounds is bounds:
            return known
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        made = self._known[name] = Gates.of(bounds, day)
        return made


def standing_of(verdict: Reply) -> Standing:
    return Standing(_quota(verdict[2]), _quota(verdict[3]))


def grant_of(verdict: Reply) -> Grant | None:
    """The money of an admission, None where no budget binds it."""
    return Grant(int(verdict[4]), int(verdict[5]), int(verdict[6])) if len(verdict) > 4 else None


def budget_key(bound: Bound, day: date) -> str:
    """Of the period that this day is in."""
    period = bound.budget.period if bound.budget else "total"
    return f"v1:bud:{bound.scope}:{bound.id}:{period_name(period, day)}"


def _quota(row: Sequence[int]) -> Quota | None:
    return Quota(row[0], row[1], row[2] / 1000) if row else None


def _rows(bound: Bound, day: date) -> list[tuple[Bound, str, str, int]]:
    """Bound, kind, key and limit of each gate."""
    limits, name = bound.limits, f"{bound.scope}:{bound.id}"
    rows = (
        ("r", f"v1:rl:{name}", limits.rpm),
        ("t", f"v1:rt:{name}", limits.tpm),
        ("c", f"v1:cc:{name}", limits.concurrency),
        ("b", budget_key(bound, day), bound.budget.amount if bound.budget else None),
    )
    return [(bound, kind, key, limit) for kind, key, limit in rows if limit is not None]
