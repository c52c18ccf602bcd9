"""Signatures, held against the examples in AWS's "Signature calculations for the Authorization header"."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.stores.blob_bucket import Bucket
from app.stores.s3_signing import EMPTY_SHA256, S3Keys, signed

KEYS = S3Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "https://examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "signature"),
    [
        (
            "GET",
            "/test.txt",
            {"Range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/?max-keys=2&prefix=J", {}, b"", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_awss_published_examples_are_signed_as_aws_signs_them(
    method: str, target: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    made = signed(method, HOST + target, headers, hashlib.sha256(body).hexdigest(), KEYS, AT)
    assert made["Authorization"].endswith(f"Signature={signature}")
    assert headers.items() <= made.items()


def test_the_moment_is_told_in_utc_whatever_its_zone() -> None:
    there = AT.astimezone(timezone(timedelta(hours=9)))
    assert signed("GET", HOST + "/x", {}, EMPTY_SHA256, KEYS, there) == signed(
        "GET", HOST + "/x", {}, EMPTY_SHA256, KEYS, AT
    )


def test_the_secret_stands_in_no_repr() -> None:
    assert KEYS.secret_key not in repr(KEYS)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("s3://files", "https://files.s3.eu-west-1.amazonaws.com/"),
        ("s3://files/a/b/", "https://files.s3.eu-west-1.amazonaws.com/a/b/"),
        ("s3://files.example.com/a", "https://s3.eu-west-1.amazonaws.com/files.example.com/a/"),
        ("s3://files/a b?endpoint=http://127.0.0.1:9000/", "http://127.0.0.1:9000/files/a%20b/"),
        ("s3://files?endpoint=https%3A%2F%2Fminio", "https://minio/files/"),
    ],
)
def test_a_bucket_is_named_by_host_at_aws_and_by_path_elsewhere(url: str, base: str) -> None:
    assert Bucket.parse(url, "eu-west-1").base == base


@pytest.mark.parametrize("url", ["http://files", "s3://", "s3://files?endpoint=ftp://x", "s3://files?end=http://x"])
def test_an_address_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be|endpoint"):
        Bucket.parse(url, "eu-west-1")
