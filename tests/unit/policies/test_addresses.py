from __future__ import annotations

import pytest

from app.domain.errors import InvalidRequest
from app.domain.policies.addresses import checked_base_url, is_metadata, origin


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/v1",
        "http://169.254.169.254./",
        "http://metadata.google.internal",
        "http://METADATA.google.internal.:80/x",
        "http://a.metadata.google.internal",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[2002:a9fe:a9fe::1]",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0251.0376.0251.0376",
        "http://169.254.43518",
        "http://100.100.100.200/",
        "http://168.63.129.16",
    ],
)
def test_fault_8_6_where_clouds_keep_a_machines_secrets_no_model_is(url: str) -> None:
    with pytest.raises(InvalidRequest) as fault:
        checked_base_url(url)
    assert fault.value.field == "base_url"


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "//host", "file:///etc/passwd", "ftp://host", "gopher://host", "http://", "http://:80", "http://h:99999",
        "http://user:pass@host", "http://user@host", "http://host?x=1", "http://host/#x", "http://ho st", "http://host\\@x",
        "http://host/\n", "http://h\u00f6st", "http://[::1", "https://" + "a" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as fault:
        checked_base_url(url)
    assert fault.value.field == "base_url"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://models.example.com", "https://models.example.com"),
        ("http://10.0.0.5:11434", "http://10.0.0.5:11434"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
    ],
)
def test_ones_own_servers_are_base_urls(url: str, kept: str) -> None:
    assert checked_base_url(url) == kept


def test_a_key_is_given_for_scheme_host_and_port() -> None:
    assert origin("https://Host.example/v1") == origin("https://host.example.:443/v2") == "https://host.example:443"
    assert len({origin(url) for url in ("http://h", "https://h", "http://h:8080", "http://other")}) == 4


def test_a_name_is_no_address() -> None:
    assert not is_metadata("169.254.169.254.example.com")
