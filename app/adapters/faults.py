"""From a provider's word for what went wrong to a `ProviderFault`: status, headers and body, or an
error object inside a 200 or a stream."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from app.domain.errors import ProviderFault
from app.utils.clock import utcnow

MAX_MESSAGE = 500

#: Words that providers put into `code`, `type` or `status` of an error, and the kind they mean.
WORDS: Mapping[str, str] = {
    "context_length_exceeded": "context_length_exceeded",
    "context_window_exceeded": "context_length_exceeded",
    "string_above_max_length": "context_length_exceeded",
    "content_filter": "content_filtered",
    "content_policy_violation": "content_filtered",
    "responsibleaipolicyviolation": "content_filtered",
    "moderation_blocked": "content_filtered",
    "insufficient_quota": "key_rejected",
    "invalid_api_key": "key_rejected",
    "incorrect_api_key": "key_rejected",
    "api_key_invalid": "key_rejected",
    "authentication_error": "key_rejected",
    "permission_error": "key_rejected",
    "permission_denied": "key_rejected",
    "unauthenticated": "key_rejected",
    "billing_error": "key_rejected",
    "billing_hard_limit_reached": "key_rejected",
    "failed_precondition": "key_rejected",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "resource_exhausted": "rate_limited",
    "tokens": "rate_limited",
    "requests": "rate_limited",
    "model_not_found": "model_gone",
    "model_decommissioned": "model_gone",
    "not_found_error": "model_gone",
    "not_found": "model_gone",
    "request_too_large": "too_large",
    "tool_use_failed": "bad_reply",
    "json_validate_failed": "bad_reply",
    "overloaded_error": "server_error",
    "overloaded": "server_error",
    "api_error": "server_error",
    "server_error": "server_error",
    "internal_server_error": "server_error",
    "internal": "server_error",
    "unavailable": "server_error",
    "unknown": "server_error",
    "deadline_exceeded": "server_error",
    "timeout_error": "server_error",
    "invalid_request_error": "invalid_request",
    "invalid_argument": "invalid_request",
    "out_of_range": "invalid_request",
}

#: Statuses that mean the same whatever the body says; the others are read from it (see `_kind`).
_BY_STATUS: Mapping[int, str] = {
    401: "key_rejected",
    402: "key_rejected",
    413: "too_large",
    429: "rate_limited",
}

_TOO_LONG = re.compile(
    r"context.{0,10}(length|window|limit)|maximum (prompt|input) length|prompt is too long"
    r"|exceeds the maximum number of tokens|reduce the length of the messages",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content (filter|policy|management)|flagged as|safety (system|policy)", re.IGNORECASE)
_OUR_KEY = re.compile(r"api[ _-]?key.{0,20}(not valid|invalid|incorrect|expired)|credit balance|billing", re.IGNORECASE)
_SECRETS = re.compile(
    r"\b(?:sk|gsk|xai|pk|rk|tvly)[-_][\w*.-]{6,}|\bAIza[\w-]{10,}|(?<=[Bb]earer )\S{8,}"
    r"|(?<=key=)[^&\s\"']{4,}|\b[0-9a-fA-F]{40,}\b"
)
_WAIT_IN_TEXT = re.compile(r"(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def refused(status: int, headers: Mapping[str, str], body: bytes, secret: str | None = None) -> ProviderFault:
    """The fault that a reply with a status other than 2xx means.

    headers: lower-cased names. body: its beginning. secret: the key that was shown, never to be quoted.
    """
    error = _error_of(_parsed(body))
    kind = _kind(status, error)
    said = _message(error) or _text(body)
    message = f"the provider answered {status}" + (f": {masked(said, secret)}" if said else "")
    wait = retry_after(headers, error) if kind in ("rate_limited", "server_error") else None
    return ProviderFault(kind, message, status=status, retry_after=wait)


def told(error: Any) -> ProviderFault:
    """The fault that an error object means which came inside a 200 or a stream: its class is in the body."""
    error = _error_of(error)
    number = error.get("code") if isinstance(error, dict) else None
    if type(number) is not int or not 400 <= number < 600:
        number = 400 if _by_words(error) == "invalid_request" else 500
    kind = _kind(number, error)
    if kind == "server_error":
        kind = _by_words(error) or kind
    said = _message(error)
    message = "the provider told an error" + (f": {masked(said)}" if said else "")
    return ProviderFault(kind, message, status=200, retry_after=retry_after({}, error))


def without_secret(fault: ProviderFault, secret: str | None, status: int) -> ProviderFault:
    """The same fault with the key masked that was shown, and the reply's status where it bears none."""
    return ProviderFault(
        fault.kind,
        masked(fault.message, secret),
        status=fault.status or status,
        retry_after=fault.retry_after,
        sent=fault.sent,
    )


def masked(text: str, secret: str | None = None) -> str:
    """A provider's text on one line of at most 500 characters, with no key in it."""
    if secret and len(secret) >= 4:
        text = text.replace(secret, "[key]")
    text = _SECRETS.sub("[key]", text[: MAX_MESSAGE * 4])
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def retry_after(headers: Mapping[str, str], error: Any = None, now: datetime | None = None) -> float | None:
    """Seconds that a provider asks us to wait, by its headers or its error object; None where unreadable."""
    wait = _number(headers.get("retry-after-ms"))
    if wait is not None:
        return wait / 1000
    header = headers.get("retry-after")
    if header is not None:
        return _header_wait(header.strip(), now or utcnow())
    return _told_wait(error)


def _header_wait(text: str, now: datetime) -> float | None:
    wait = _number(text)
    if wait is None:
        wait = _span(text)
    return _until(text, now) if wait is None else wait


def _number(text: str | None) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _span(text: str) -> float | None:
    """Seconds of `6m0s`, `34s`, `120ms`."""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _told_wait(error: Any) -> float | None:
    """From Gemini's RetryInfo, or from the sentence of OpenAI and Groq: "Please try again in 6m0s"."""
    if isinstance(error, dict):
        details = error.get("details")
        for detail in details if isinstance(details, list) else ():
            delay = detail.get("retryDelay") if isinstance(detail, dict) else None
            if isinstance(delay, str):
                return _span(delay)
    found = _WAIT_IN_TEXT.search(_message(error)[:2000])
    return _span(found[1]) if found else None


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _error_of(body: Any) -> Any:
    """The error inside: `{"error": {...}}`, Gemini's list of one, a bare object, a bare text."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and body.get("error"):
        return body["error"]
    return body


def _kind(status: int, error: Any) -> str:
    fixed = _BY_STATUS.get(status)
    words = _by_words(error)
    if status in (413, 429) and words in ("rate_limited", "key_rejected", "context_length_exceeded"):
        return words  # Groq says 413 for a request over its tokens a minute, OpenAI 429 for an empty purse
    if fixed is not None:
        return fixed
    if status in (400, 403, 422):
        return _refusal(status, error, words)
    if status in (404, 410):
        return "model_gone" if isinstance(error, dict) else "server_error"
    return "bad_reply" if status < 400 else "server_error"


def _refusal(status: int, error: Any, words: str | None) -> str:
    """The kind of a 400, 403 or 422, by what it says."""
    said = _message(error)
    if words in ("context_length_exceeded", "content_filtered"):
        return words
    if status != 403 and _TOO_LONG.search(said):
        return "context_length_exceeded"
    if _FILTERED.search(said):
        return "content_filtered"
    if status == 403 or words == "key_rejected" or _OUR_KEY.search(said):
        return "key_rejected"
    return words if words in ("model_gone", "bad_reply", "rate_limited") else "invalid_request"


def _by_words(error: Any) -> str | None:
    if not isinstance(error, dict):
        return None
    for word in (*_reasons(error.get("details")), error.get("code"), error.get("status"), error.get("type")):
        kind = WORDS.get(word.lower()) if isinstance(word, str) else None
        if kind is not None:
            return kind
    return None


def _reasons(details: Any) -> list[Any]:
    """Google's ErrorInfo reasons, as API_KEY_INVALID."""
    if not isinstance(details, list):
        return []
    return [detail.get("reason") for detail in details if isinstance(detail, dict)]


def _message(error: Any) -> str:
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    said = error.get("message") or error.get("detail") or ""
    return said if isinstance(said, str) else orjson.dumps(said, default=str).decode()


def _text(body: bytes) -> str:
    """A body that is no JSON, where it is a sentence and no page."""
    text = body[:2000].decode("utf-8", "replace").strip()
    return "" if text[:1] in ("<", "{", "[") else text
