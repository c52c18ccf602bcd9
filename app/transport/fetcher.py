"""What a public URL holds: pictures in chats, pages of a search, files that providers point to."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.domain.errors import DomainError, Forbidden, ProviderFault, UpstreamFailed
from app.domain.policies.urls import Target, check_fetchable, follow, parse
from app.transport.guarded import Guard, as_domain_error

MAX_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """url: where it was found in the end. status: also 4xx and 5xx. content_type: as its host says, lower case,
    without parameters being cut off; "" where it says none."""

    url: str
    status: int
    content_type: str
    body: bytes


class GuardedFetcher:
    """GET of any public host, at the ports 80 and 443, over at most three redirects, each as if it were the first."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        seconds: float,
        accept: str = "*/*",
        schemes: Collection[str] = ("http", "https"),
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """seconds: for all of it. schemes: of every hop. headers: dropped where a redirect leads to another origin.

        Raises InvalidRequest (`url`: a URL that is none), Forbidden (it leads where nobody is sent), TooLarge,
        UpstreamFailed, UpstreamTimeout, Overloaded.
        """
        until = time.monotonic() + seconds
        target = parse(url)
        check_fetchable(target, "url", schemes)
        for _ in range(MAX_REDIRECTS + 1):
            try:
                reply = self._guard.send(
                    "GET", target, {"Accept": accept, **(headers or {})}, None, until=until, limit=max_bytes
                )
            except ProviderFault as fault:
                raise as_domain_error(fault) from fault
            if reply.location is None:
                kind = reply.headers.get("content-type", "").lower()
                return Fetched(target.url, reply.status, kind, reply.body)
            further = _further(target, reply.location, schemes)
            if further.origin != target.origin:
                headers = None
            target = further
        raise UpstreamFailed(
            f"The other host redirects more than {MAX_REDIRECTS} times.", details={"reason": "redirects"}
        )


def _further(target: Target, location: str, schemes: Collection[str]) -> Target:
    try:
        further = follow(target, location)
        check_fetchable(further, "location", schemes)
    except DomainError as refused:
        raise Forbidden(
            "The other host redirects to where nobody is sent.", field="url", details={"reason": "redirect"}
        ) from refused
    return further
