from __future__ import annotations

import pytest

from app.domain.errors import Forbidden, InvalidRequest
from app.domain.policies.outbound import AllowList, check_headers
from app.domain.policies.urls import parse


def allowed(pattern: str, url: str) -> bool:
    try:
        AllowList([pattern] if pattern else []).check(parse(url))
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "url", "passes"),
    [
        ("example.com", "http://example.com/", True),
        ("example.com", "https://EXAMPLE.com./", True),
        ("EXAMPLE.com", "https://example.com:80/", True),
        ("example.com", "http://sub.example.com/", False),
        ("example.com", "http://evil-example.com/", False),
        ("example.com", "http://example.com.evil.net/", False),
        ("example.com", "http://ехample.com/", False),  # Cyrillic е and х
        ("*.example.com", "http://a.b.example.com/", True),
        ("*.example.com", "http://example.com/", False),
        ("*.example.com", "http://evilexample.com/", False),
        ("example.com:8080", "http://example.com:8080/", True),
        ("example.com:8080", "http://example.com/", False),
        ("*.example.com:8080", "http://a.example.com:8080/", True),
        ("[2600:0::1]", "http://[2600::1]/", True),
        ("[2600::1]:8080", "http://[2600::1]:8080/", True),
        ("", "http://example.com/", False),
    ],
)
def test_fault_8_8_the_list_is_taken_at_its_word(pattern: str, url: str, passes: bool) -> None:
    assert allowed(pattern, url) is passes


@pytest.mark.parametrize("port", [22, 6379, 8080])
def test_fault_8_1_other_ports_than_80_and_443_are_bad_unless_listed_for_that_host(port: int) -> None:
    rows = AllowList(["example.com", "other.example:8080"])
    with pytest.raises(InvalidRequest) as refused:
        rows.check(parse(f"http://example.com:{port}/"))
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Content-Length",
        "Proxy-Authorization",
        "Proxy-Connection",
        "proxy-anything",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Forwarded",
        "X-Real-IP",
        "Via",
        "Expect",
    ],
)
def test_fault_8_11_headers_about_the_connection_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_headers({name: "x"}, None)
    assert refused.value.field == f"headers.{name}"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nX-Evil: 1"},
        {"X-A": "a\nb"},
        {"X-A": "a\rb"},
        {"X-A": "a\0b"},
        {"X-A": "€"},
        {"X-A\r\nX-Evil": "1"},
        {"X A": "1"},
        {"X-A:": "1"},
        {"": "1"},
        {"Ä": "1"},
        {"x-a": "1", "X-A": "2"},
        {f"X-{number}": "1" for number in range(1_000)},
        {"X-A": "a" * 20_000},
        {"Authorization": "Bearer sk-of-the-caller"},
        {"X-Key": "sk-of-the-caller"},
    ],
)
def test_fault_8_11_headers_that_would_break_out_or_give_the_callers_own_token_away_are_refused(
    headers: dict[str, str],
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_headers(headers, "sk-of-the-caller")
    assert (refused.value.field or "").startswith("headers")
    assert "sk-of" not in refused.value.message


def test_all_else_is_sent_as_it_is() -> None:
    headers = {"Authorization": "Bearer theirs", "Cookie": "a=1", "X-Ü".replace("Ü", "U"): " é ", "Accept": "text/html"}
    assert check_headers(headers, "sk-of-the-caller") == {**headers, "X-U": "é"}
