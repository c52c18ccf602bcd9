"""What a Prometheus server reads."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flask import Response, request

from app.domain.errors import DomainError, NotFound, Unavailable
from app.middleware.caller import require_admin
from app.middleware.readiness import Readiness
from app.schemas.blueprint import Blueprint
from app.services.ledger.tally import Tally
from app.utils.metrics import CONTENT_TYPE

_RELAYED = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")

Gauges = dict[str, tuple[str, float]]


def blueprint(tally: Tally, in_flight: Callable[[], int], readiness: Readiness, token: str | None) -> Blueprint:
    """in_flight: chats in flight over all workers; raises Unavailable. token: METRICS_TOKEN."""
    blp = Blueprint("metrics", __name__, description="How it does, for Prometheus.")

    def gauges() -> Gauges:
        now: Gauges = {}
        with suppress(Unavailable):  # not known is not 0: the line is left out
            now["requests_in_flight"] = ("Chats in flight, by their records", in_flight())
        for row in readiness.report().dependencies:
            if row.name in ("redis", "database"):
                now[f"{row.name}_up"] = (f"Whether the {row.name} answers", float(row.state != "down"))
        return now

    @blp.route("/metrics", methods=["GET"])
    @blp.doc(
        summary="Metrics in Prometheus' text format, of all workers together",
        description="For an admin, the bearer of METRICS_TOKEN, or, where that is not set, a peer on this machine.",
        responses={"200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def metrics() -> Response:
        if not _may_read(request.environ, token):
            raise NotFound("there is nothing here")
        return Response(tally.render(gauges()), content_type=CONTENT_TYPE)

    return blp


def _may_read(environ: Mapping[str, Any], token: str | None) -> bool:
    shown = environ.get("HTTP_AUTHORIZATION", "")
    if token is not None and hmac.compare_digest(shown.encode("latin-1"), f"Bearer {token}".encode()):
        return True
    if token is None and is_local(environ):
        return True
    try:
        require_admin()
    except DomainError:
        return False  # a stranger is not told that there is something to be refused
    return True


def is_local(environ: Mapping[str, Any]) -> bool:
    """Whether the peer is on this machine and speaks for itself alone: a proxy there would say whom it stands for."""
    for name in environ:
        if name.startswith("HTTP_X_FORWARDED_") or name in _RELAYED:
            return False
    try:
        address = ipaddress.ip_address(environ.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
