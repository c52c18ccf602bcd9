"""What a chat's receipt says, for its line in the access log and for the head of a reply that failed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from app.domain.events import Attempt, ChatEvent, Done, Failed

ENVIRON_KEY = "onedoor.chat"
ATTEMPTS_HEADER = "x-attempts"


def note(environ: MutableMapping[str, Any], event: ChatEvent) -> None:
    """Keep what this event tells beside its request."""
    if type(event) is Attempt:
        environ.setdefault(ENVIRON_KEY, {}).setdefault("attempts", []).append(_attempt(event))
    elif type(event) is Done:
        environ.setdefault(ENVIRON_KEY, {}).update(
            state="complete", model=event.model[:256], provider=event.provider, tokens=event.usage.total
        )
    elif type(event) is Failed:
        environ.setdefault(ENVIRON_KEY, {}).update(state=event.state, code=event.error.code, tokens=event.usage.total)


def attempts(environ: MutableMapping[str, Any]) -> int | None:
    """How many attempts a chat made, None where the request was no chat or made none."""
    told = environ.get(ENVIRON_KEY, {}).get("attempts")
    return len(told) if told else None


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "model": attempt.model[:256],
        "provider": attempt.provider,
        "key": attempt.key_mask,
        "started_ms": attempt.started_ms,
        "ttft_ms": attempt.ttft_ms,
        "latency_ms": attempt.latency_ms,
        "status": attempt.status,
        "error": attempt.error,
        "next": attempt.next,
    }
