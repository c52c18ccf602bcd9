"""What the fetcher brings, and where it does not go."""

from __future__ import annotations

import time

import pytest

from app.domain.errors import DomainError, Forbidden, InvalidRequest, TooLarge, UpstreamFailed, UpstreamTimeout
from app.transport.fetcher import Fetched, GuardedFetcher
from app.transport.guarded import Guard
from app.transport.resolver import Resolver
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import Start
from tests.unit.transport.hostile import Script, answer, says, silent
from tests.unit.transport.names import Names, loopback_is_public


def fetcher(names: Names) -> GuardedFetcher:
    return GuardedFetcher(Guard(resolver=Resolver(ttl=0, getaddrinfo=names), allowed=loopback_is_public))


def get(names: Names, url: str, **options: object) -> Fetched:
    found: Fetched = fetcher(names).fetch(url, **{"max_bytes": 1_000, "seconds": 3.0, **options})  # type: ignore[arg-type]
    return found


def refusal(names: Names, url: str, **options: object) -> DomainError:
    with pytest.raises(DomainError) as raised:
        get(names, url, **options)
    return raised.value


def redirect(to: str, status: bytes = b"302 Found") -> Script:
    return says(answer(b"go on", b"Location: " + to.encode(), status=status))


def test_it_brings_what_is_there_with_its_type(start: Start) -> None:
    upstream = start(says(answer(b"<p>", b"Content-Type: Text/HTML; charset=utf-8", status=b"404 Not Found")))
    found = get(Names(site_example=[("127.0.0.1", upstream.port)]), "http://site.example/a#b", accept="text/html")
    assert found == Fetched("http://site.example/a", 404, "text/html; charset=utf-8", b"<p>")
    assert b"\r\nAccept: text/html\r\n" in upstream.requests[0]


@pytest.mark.parametrize("port", [0, 22, 6379, 8080, 99999])
def test_fault_8_1_only_the_webs_ports_are_asked(port: int) -> None:
    names = Names()
    assert isinstance(refusal(names, f"http://site.example:{port}/"), InvalidRequest)
    assert names.asked == []


def test_a_scheme_that_is_not_wished_for_is_refused_at_every_hop(start: Start, authority: Authority) -> None:
    secured = start(redirect("http://site.example/"), tls=authority.good("safe.example"))
    plain = start(says(answer(b"plain")))
    names = Names(safe_example=[("127.0.0.1", secured.port)], site_example=[("127.0.0.1", plain.port)])
    assert isinstance(refusal(names, "http://site.example/", schemes=("https",)), InvalidRequest)
    assert isinstance(refusal(names, "https://safe.example/", schemes=("https",)), Forbidden)
    assert plain.peers == []
    assert get(names, "https://safe.example/").body == b"plain"


def test_fault_8_9_three_redirects_are_followed_a_fourth_is_not(start: Start) -> None:
    three = start(redirect("/2"), redirect("/3"), redirect("//site.example/4"), says(answer(b"there")))
    assert get(Names(site_example=[("127.0.0.1", three.port)]), "http://site.example/1").url == "http://site.example/4"
    loop = start(redirect("/again"))
    fault = refusal(Names(site_example=[("127.0.0.1", loop.port)]), "http://site.example/")
    assert isinstance(fault, UpstreamFailed)
    assert len(loop.requests) == 4


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.2/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://2130706433/",
        "http://localhost/",
        "http://private.example/",
        "http://169.254.169.254/latest/meta-data/",
        "http://site.example:22/",
        "file:///etc/passwd",
        "gopher://site.example/_x",
        "http://u:p@site.example/",
        "http:\\\\site.example/",
    ],
)
def test_fault_8_9_each_hop_is_checked_anew(to: str, start: Start) -> None:
    private, upstream = start(says(answer(b"secret"))), start(redirect(to))
    names = Names(site_example=[("127.0.0.1", upstream.port)], private_example=[("127.0.0.3", private.port)])
    assert isinstance(refusal(names, "http://site.example/"), Forbidden)
    assert private.peers == []


def test_fault_8_9_a_newline_in_a_location_adds_no_header(start: Start) -> None:
    upstream = start(
        says(b"HTTP/1.1 302 Found\r\nLocation: /a\r\n X-Evil: 1\r\nContent-Length: 0\r\n\r\n"), says(answer(b"ok"))
    )
    assert isinstance(refusal(Names(site_example=[("127.0.0.1", upstream.port)]), "http://site.example/"), Forbidden)
    assert len(upstream.requests) == 1


def test_fault_8_11_headers_stay_with_the_origin_they_were_meant_for(start: Start) -> None:
    other = start(says(answer(b"ok")))
    site = start(redirect("/2"), redirect("http://other.example/"))
    names = Names(site_example=[("127.0.0.1", site.port)], other_example=[("127.0.0.1", other.port)])
    get(names, "http://site.example/", headers={"X-Api-Key": "canary", "Authorization": "Bearer canary"})
    assert all(b"canary" in request for request in site.requests)
    assert b"canary" not in other.requests[0]


def test_faults_are_told_as_errors_of_ours(start: Start) -> None:
    big, slow = start(says(answer(b"x" * 1_001))), start(silent)
    names = Names(big_example=[("127.0.0.1", big.port)], slow_example=[("127.0.0.1", slow.port)])
    assert isinstance(refusal(names, "http://big.example/"), TooLarge)
    began = time.monotonic()
    assert isinstance(refusal(names, "http://slow.example/", seconds=0.3), UpstreamTimeout)
    assert time.monotonic() - began < 1.0
    assert isinstance(refusal(names, "http://nowhere.example/"), UpstreamFailed)
    assert isinstance(refusal(names, "http://10.0.0.1/"), Forbidden)


@pytest.mark.parametrize("url", ["https://10.1/pic.png", "file:///etc/passwd", "https://x.internal/", "https://[::1]/"])
def test_fault_8_15_what_a_provider_or_a_search_points_to_is_judged_like_a_users(url: str) -> None:
    assert isinstance(refusal(Names(), url), Forbidden | InvalidRequest)
