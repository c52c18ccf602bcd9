from __future__ import annotations

import pytest

from app.domain.errors import InvalidRequest
from app.domain.policies.urls import Target, follow, parse


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com:70/_x",
        "dict://example.com:2628/d",
        "jar:http://example.com!/",
        "javascript:alert(1)",
        "//example.com/",
        "example.com",
        "http:example.com",
        "http:/example.com",
        "http:\\\\example.com",
        "http:///example.com",
        " http://example.com",
        "http://example.com ",
        "http://user@example.com/",
        "http://user:word@example.com/",
        "http://@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:99999/",
        "http://example.com:-1/",
        "http://example.com:8e1/",
        "http://example.com:٨٠/",
        "http://",
        "http://:80/",
        "http://?x",
        "http://[::1/",
        "http://[::g]/",
        "http://[]/",
        "http://a..b/",
        "http://.example.com/",
        "http://example.com../",
        "http://" + "a" * 64 + ".com/",
        "http://" + "a." * 127 + "com/",
        "http://exa%6dple.com/",
        "http://example.com%00.evil/",
        "http://exam ple.com/",
        "http://fußball.example/",
        "http://example／evil.com/",
        "http://example.com/" + "a" * 8_192,
        "",
    ],
)
def test_fault_8_1_what_is_no_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(url)
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://a@b@c/",
        "http://example.com:80@127.0.0.1/",
        "http://example.com#@127.0.0.1\\/",
        "http://example.com%00@127.0.0.1/",
        "http://exam\tple.com/",
        "http://example.com/\n",
        "http://example.com/\r\nHost: evil",
        "ht\ntp://example.com/",
        "http://example.com/\x00",
        "http://example.com/\u2028",
        "http://example\u200b.com/",
    ],
)
def test_fault_8_2_what_two_readers_take_for_different_hosts_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://①②⑦.⓪.⓪.①/", "127.0.0.1"),
        ("http://１２７.0.0.1/", "127.0.0.1"),
        ("http://127。0。0。1/", "127.0.0.1"),
        ("http://127.0.0.1./", "127.0.0.1"),
        ("http://EXAMPLE.com./", "example.com"),
        ("http://BÜCHER.example/", "xn--bcher-kva.example"),
        ("http://[::FFFF:7f00:1]/", "::ffff:7f00:1"),
        ("http://[fe80::1%lo]/", "fe80::1%lo"),
        ("http://2130706433/", "2130706433"),
    ],
)
def test_fault_8_3_a_host_is_what_it_comes_down_to(url: str, host: str) -> None:
    assert parse(url).host == host


def test_what_is_read_is_written_again_and_means_the_same() -> None:
    target = parse("HTTPS://Example.com/a b".replace(" ", "%20") + "/ü?q=ä&r=%41#part")
    assert target == Target("https", "example.com", 443, "/a%20b/%C3%BC?q=%C3%A4&r=%41")
    assert target.url == "https://example.com/a%20b/%C3%BC?q=%C3%A4&r=%41"
    assert parse(target.url) == target
    other = parse("http://[2600::1]:8080?x")
    assert (other.authority, other.path) == ("[2600::1]:8080", "/?x")
    assert parse(other.url) == other
    assert parse("http://example.com/@user").host == "example.com"


def test_params_go_behind_the_query_and_cannot_leave_it() -> None:
    target = parse("http://example.com/?a=1").with_params([("b", "x&c=2#d"), ("e f", "\r\n")])
    assert target.path == "/?a=1&b=x%26c%3D2%23d&e+f=%0D%0A"
    assert parse("http://example.com/").with_params([("b", "1")]).path == "/?b=1"


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("/b", "http://example.com/b"),
        ("b", "http://example.com/a/b"),
        ("?c", "http://example.com/a/x?c"),
        ("//other.example/b", "http://other.example/b"),
        ("https://example.com/b", "https://example.com/b"),
        ("http://example.com:80/b", "http://example.com/b"),
        ("/\u00c3\u00bc", "http://example.com/%C3%BC"),  # UTF-8 as http.client hands it on
    ],
)
def test_a_location_is_read_from_where_it_was_told(location: str, leads: str) -> None:
    assert follow(parse("http://example.com/a/x"), location).url == leads


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "///evil",
        "http:evil",
        "http:\\\\evil",
        "/\\evil",
        "/a\nb",
        "\t//evil",
        "http://u@evil/",
        "/\xff",
    ],
)
def test_fault_8_9_a_location_that_is_no_plain_http_url_is_refused(location: str) -> None:
    with pytest.raises(InvalidRequest):
        follow(parse("http://example.com/"), location)
