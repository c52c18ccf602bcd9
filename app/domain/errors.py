"""Every error the service can end a request with, drawn as one tree.

    DomainError                       code                      status  OpenAI type
    ├── InvalidRequest                invalid_request           400     invalid_request_error
    │   ├── ContextLengthExceeded     context_length_exceeded   400     invalid_request_error
    │   └── ContentFiltered           content_filtered          400     invalid_request_error
    ├── Unauthorized                  unauthorized              401     authentication_error
    ├── BudgetExceeded                budget_exceeded           402     insufficient_quota
    ├── Forbidden                     forbidden                 403     permission_error
    ├── NotFound                      not_found                 404     invalid_request_error
    ├── MethodNotAllowed              method_not_allowed        405     invalid_request_error
    ├── RequestTimeout                request_timeout           408     invalid_request_error
    ├── Conflict                      conflict                  409     invalid_request_error
    │   └── IdempotencyConflict       idempotency_conflict      409     invalid_request_error
    ├── TooLarge                      too_large                 413     invalid_request_error
    ├── UnsupportedMedia              unsupported_media         415     invalid_request_error
    ├── RateLimited                   rate_limited              429     rate_limit_error
    ├── UpstreamFailed                upstream_failed           502     server_error
    ├── NoCapacity                    no_capacity               503     server_error
    ├── UpstreamTimeout               upstream_timeout          504     server_error
    ├── Overloaded                    overloaded                503     server_error
    ├── Unavailable                   unavailable               503     server_error
    └── InternalError                 internal_error            500     server_error

A `ProviderFault` is no answer to a caller: it says how one attempt at a provider ended, and `services.chat`
decides what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from app.domain.caller import Standing

Details = Mapping[str, object]


class DomainError(Exception):
    """An error that a door can show: a code of the contract, its HTTP status and the field it is about.

    field: the field at fault as the caller wrote it (`messages[0].content`); `param` at the OpenAI door,
        `details.field` at the others.
    details: further facts of the contract (`limit`, `reason`, `models`, ...).
    retry_after: seconds after which it may be worth asking again.
    standing: how the caller stands by their limits, where the error ends a chat that was held against them.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        details: Details | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details: dict[str, object] = dict(details or {})
        self.retry_after = retry_after
        self.standing: Standing | None = None


class InvalidRequest(DomainError):
    code, status, kind = "invalid_request", 400, "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"


class ContentFiltered(InvalidRequest):
    code = "content_filtered"


class Unauthorized(DomainError):
    code, status, kind = "unauthorized", 401, "authentication_error"


class BudgetExceeded(DomainError):
    code, status, kind = "budget_exceeded", 402, "insufficient_quota"


class Forbidden(DomainError):
    code, status, kind = "forbidden", 403, "permission_error"


class NotFound(DomainError):
    code, status, kind = "not_found", 404, "invalid_request_error"


class MethodNotAllowed(DomainError):
    code, status, kind = "method_not_allowed", 405, "invalid_request_error"


class RequestTimeout(DomainError):
    code, status, kind = "request_timeout", 408, "invalid_request_error"


class Conflict(DomainError):
    code, status, kind = "conflict", 409, "invalid_request_error"


class IdempotencyConflict(Conflict):
    code = "idempotency_conflict"


class TooLarge(DomainError):
    code, status, kind = "too_large", 413, "invalid_request_error"


class UnsupportedMedia(DomainError):
    code, status, kind = "unsupported_media", 415, "invalid_request_error"


class RateLimited(DomainError):
    code, status, kind = "rate_limited", 429, "rate_limit_error"


class UpstreamFailed(DomainError):
    code, status, kind = "upstream_failed", 502, "server_error"


class NoCapacity(DomainError):
    code, status, kind = "no_capacity", 503, "server_error"


class UpstreamTimeout(DomainError):
    code, status, kind = "upstream_timeout", 504, "server_error"


class Overloaded(DomainError):
    code, status, kind = "overloaded", 503, "server_error"


class Unavailable(DomainError):
    code, status, kind = "unavailable", 503, "server_error"


class InternalError(DomainError):
    """A bug. Whoever sees one in a log owes a test."""


class ProviderFault(Exception):
    """How one attempt at a provider ended when it did not end well.

    kind: a word of the receipt's `error`: connect, tls, reset, rate_limited, key_rejected, model_gone,
        server_error, bad_reply, first_token_timeout, stalled, cut, cancelled, pool_full, or the code of a
        DomainError where the provider's answer is the caller's business (invalid_request, too_large,
        context_length_exceeded, content_filtered).
    status: the provider's HTTP status, None where none came.
    message: in our words and the provider's, secrets masked, never shown raw.
    retry_after: seconds the provider asked us to wait.
    sent: whether the request may have reached the provider (False: it is safe to ask again elsewhere at once).
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.sent = sent
