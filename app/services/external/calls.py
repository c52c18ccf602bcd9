"""One call to a host that is on the installation's list: guarded, repeated where that is safe, never led elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

import orjson

from app.domain.errors import DomainError, InvalidRequest, ProviderFault, UpstreamFailed
from app.domain.external import ExternalCall, ExternalReply
from app.domain.policies.outbound import AllowList, check_headers
from app.domain.policies.urls import Target, follow, parse
from app.transport.guarded import Guard, GuardedReply, as_domain_error
from app.utils.charsets import decoded

MAX_REPLY_BYTES = 5 * 2**20
MAX_REDIRECTS = 3
MAX_JSON_BYTES = 2**20
"""Larger replies are handed on as text: to take them apart and write them again costs more than they are worth."""
MAX_JSON_VALUES = 100_000
FIRST_PAUSE = 0.1  # seconds, doubled at each repeat
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
#: Faults that may be gone the next moment; a name that is not proven or a head without an end is not.
_PASSING = frozenset({"connect", "cut"})


class ExternalCalls:
    """allowed_hosts: see AllowList. timeout: seconds for a call with its redirects and its repeats, max_retries."""

    def __init__(self, guard: Guard, *, allowed_hosts: Iterable[str], timeout: float, max_retries: int) -> None:
        self._guard = guard
        self._allowed = AllowList(allowed_hosts)
        self._timeout = timeout
        self._max_retries = max_retries

    def call(self, asked: ExternalCall) -> ExternalReply:
        """Raises InvalidRequest, Forbidden, TooLarge, UpstreamFailed, UpstreamTimeout, Overloaded."""
        if asked.own_token and asked.own_token in asked.url:
            raise InvalidRequest("url holds your token to this service, which goes to nobody else.", field="url")
        target = parse(asked.url)
        headers = check_headers(asked.headers, asked.own_token)
        target = target.with_params(_pairs(asked.params, "params"))
        body, kind = _payload(asked)
        if kind and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = kind
        self._allowed.check(target)
        return _shown(self._follow(asked.method, target, headers, body))

    def _follow(self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None) -> GuardedReply:
        """The answer, over redirects within the origin; one that leads elsewhere is the answer."""
        until = time.monotonic() + self._timeout
        for _ in range(MAX_REDIRECTS):
            reply = self._send(method, target, headers, body, until)
            further = _further(target, reply)
            if further is None:
                return reply
            target = further
            if reply.status == 303 or (method == "POST" and reply.status in (301, 302)):
                method, body = "GET", None
                headers = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
        return self._send(method, target, headers, body, until)

    def _send(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None, until: float
    ) -> GuardedReply:
        repeats, pause = 0, FIRST_PAUSE
        while True:
            try:
                return self._guard.send(method, target, headers, body, until=until, limit=MAX_REPLY_BYTES)
            except ProviderFault as fault:
                safe = fault.kind in _PASSING and (method in _REPEATABLE or not fault.sent)
                if not safe or repeats >= self._max_retries or time.monotonic() + pause >= until:
                    raise as_domain_error(fault) from fault
            time.sleep(pause)
            repeats, pause = repeats + 1, pause * 2


def _further(target: Target, reply: GuardedReply) -> Target | None:
    if reply.location is None:
        return None
    try:
        further = follow(target, reply.location)
    except DomainError:
        return None
    return further if further.origin == target.origin else None


def _pairs(values: Mapping[str, object], field: str) -> list[tuple[str, str]]:
    """As a query or a form has them. Raises InvalidRequest at what is no text, number, boolean nor a list of those."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                pairs.append((name, one))
            elif isinstance(one, bool | int | float):
                pairs.append((name, orjson.dumps(one).decode()))
            elif one is not None:
                raise InvalidRequest(f"{field} takes text, numbers, true and false, or lists of them.", field=field)
    return pairs


def _payload(asked: ExternalCall) -> tuple[bytes | None, str | None]:
    payload = asked.payload
    if payload is None:
        return None, None
    if asked.use_json:
        return orjson.dumps(payload), "application/json"
    if isinstance(payload, str):
        return payload.encode(), "text/plain; charset=utf-8"
    if isinstance(payload, dict):
        return urlencode(_pairs(payload, "payload")).encode(), "application/x-www-form-urlencoded"
    raise InvalidRequest("payload is an object (sent as a form) or text where use_json is false.", field="payload")


def _shown(reply: GuardedReply) -> ExternalReply:
    kind = reply.headers.get("content-type", "")
    text = decoded(reply.body, kind)
    if text is None:
        raise UpstreamFailed("The other host's reply is no text.", details={"reason": "bad_reply"})
    media = kind.partition(";")[0].strip().lower()
    value: object = text
    if media == "application/json" or media.endswith("+json"):
        value = _parsed(text)
    return ExternalReply(reply.status, dict(reply.headers), value)


def _parsed(text: str) -> object:
    """The JSON value; the text itself where it is none, or so large that it is better handed on as it is."""
    if len(text) > MAX_JSON_BYTES or text.count(",") + text.count("[") + text.count("{") > MAX_JSON_VALUES:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
