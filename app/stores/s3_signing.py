"""AWS Signature Version 4 of a request and its headers, as S3 wants it. Pure; AWS's own examples are its tests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class S3Keys:
    """Who asks, and where."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


def signed(
    method: str, url: str, headers: Mapping[str, str], payload_sha256: str, keys: S3Keys, now: datetime
) -> dict[str, str]:
    """The headers with those that sign them: x-amz-date, x-amz-content-sha256, Authorization.

    url: as it is sent, encoded once. payload_sha256: of the body, hexadecimal.
    """
    parts = urlsplit(url)
    at = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    all_headers = {**headers, "x-amz-content-sha256": payload_sha256, "x-amz-date": at}
    canonical = {name.lower(): " ".join(value.split()) for name, value in all_headers.items()} | {"host": parts.netloc}
    names = ";".join(sorted(canonical))
    request = "\n".join(
        [
            method,
            parts.path or "/",
            _query(parts.query),
            *(f"{name}:{canonical[name]}" for name in sorted(canonical)),
            "",
            names,
            payload_sha256,
        ]
    )
    scope = f"{at[:8]}/{keys.region}/s3/aws4_request"
    text = "\n".join([_ALGORITHM, at, scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = hmac.new(_signing_key(keys, at[:8]), text.encode(), hashlib.sha256).hexdigest()
    said = f"{_ALGORITHM} Credential={keys.access_key}/{scope},SignedHeaders={names},Signature={signature}"
    return {**all_headers, "Authorization": said}


def _query(query: str) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _signing_key(keys: S3Keys, day: str) -> bytes:
    key = f"AWS4{keys.secret_key}".encode()
    for word in (day, keys.region, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key
