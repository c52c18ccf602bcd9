"""One id a request: ours, time-ordered, never the caller's."""

from __future__ import annotations

from flask import request

HEADER = "x-request-id"
ENVIRON_KEY = "onedoor.request_id"


def request_id() -> str:
    """The present request's id: the word in `x-request-id`, `prompt_id`, the ledger and the logs."""
    made: str = request.environ[ENVIRON_KEY]
    return made
