"""Pictures by their address: what becomes of them in the prompt, and what does not get that far."""

from __future__ import annotations

import base64
import time

import gevent
import pytest

from app.domain.catalogue import Candidate, Plan
from app.domain.chat import ImagePart, Message, Part, TextPart
from app.domain.errors import DomainError, InvalidRequest, TooLarge, Unavailable, UnsupportedMedia
from app.services.chat import enrichment, linked_pictures
from app.services.chat.linked_pictures import LinkedPictures
from app.services.chat.run import ChatRun
from app.transport.fetcher import GuardedFetcher
from app.transport.guarded import Guard
from app.transport.resolver import Resolver
from app.utils.cancel import Cancel
from tests.unit.chat.chat_house import ROWS, request, run_of
from tests.unit.transport.certificates import Authority, authority  # noqa: F401
from tests.unit.transport.fixtures import Start, start, wait_for, within_time  # noqa: F401
from tests.unit.transport.hostile import Gone, Peer, Script, Upstream, answer, says, silent
from tests.unit.transport.names import Names, loopback_is_public

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
GIF = b"GIF89a" + bytes(100)
URL = "https://pictures.example/a.png"
PLACE = "messages[0].content[1].image_url.url"


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def room(names: Names) -> LinkedPictures:
    guard = Guard(resolver=Resolver(ttl=0, getaddrinfo=names), allowed=loopback_is_public)
    return LinkedPictures(GuardedFetcher(guard))


@pytest.fixture
def secure(start: Start, authority: Authority) -> Start:  # noqa: F811
    """Starts an upstream that proves a name."""

    def run(*scripts: Script, host: str = "pictures.example") -> Upstream:
        return start(*scripts, tls=authority.good(host))

    return run


def chat_of(*parts: Part) -> ChatRun:
    asked = request(messages=(Message("user", (TextPart("what is this?"), *parts)),))
    chat = run_of(asked, Plan((Candidate(ROWS[1], (), "asked for"),)))
    chat.prompt = asked.messages
    return chat


def enriched(room: LinkedPictures, *parts: Part) -> tuple[Part, ...]:
    chat = chat_of(*parts)
    assert room.wanted(chat)
    assert list(room.enrich(chat, Cancel())) == []
    content = chat.prompt[0].content
    assert isinstance(content, tuple)
    return content


def refusal(room: LinkedPictures, url: str = URL) -> DomainError:
    with pytest.raises(DomainError) as raised:
        list(room.enrich(chat_of(ImagePart(url)), Cancel()))
    return raised.value


def data(kind: str, body: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


def test_a_chat_without_addresses_wants_nothing(room: LinkedPictures) -> None:
    assert not room.wanted(chat_of(ImagePart(data("image/png", PNG))))
    assert not room.wanted(run_of(request("https://pictures.example/a.png"), Plan((Candidate(ROWS[1], (), ""),))))


def test_an_address_becomes_data_of_the_kind_that_it_holds_whatever_its_host_says(
    room: LinkedPictures, names: Names, secure: Start
) -> None:
    upstream = secure(says(answer(PNG, b"Content-Type: text/html")))
    names.leads("pictures.example", ("127.0.0.1", upstream.port))
    mine = ImagePart(data("image/gif", GIF))
    content = enriched(room, ImagePart(URL, "low"), mine, ImagePart(URL))
    assert content == (
        TextPart("what is this?"),
        ImagePart(data("image/png", PNG), "low"),
        mine,
        ImagePart(data("image/png", PNG)),
    )
    assert len(upstream.requests) == 1, "the same address is fetched once"
    assert b"\r\nAccept: image/*\r\n" in upstream.requests[0]


def test_several_are_fetched_at_once_and_keep_their_order(room: LinkedPictures, names: Names, secure: Start) -> None:
    together = gevent.event.Event()

    def script(peer: Peer) -> None:
        peer.request()
        if len(upstream.requests) == 4:
            together.set()
        together.wait(5)
        body = PNG + peer.requests[0].partition(b" ")[2][:2]
        peer.say(answer(body))

    upstream = secure(script)
    names.leads("pictures.example", ("127.0.0.1", upstream.port))
    content = enriched(room, *(ImagePart(f"https://pictures.example/{number}") for number in range(4)))
    assert together.is_set()
    assert content[1:] == tuple(ImagePart(data("image/png", PNG + b"/%d" % number)) for number in range(4))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2/a.png",
        "https://[::1]/a.png",
        "https://2130706433/a.png",
        "https://10.0.0.1/a.png",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/a.png",
        "https://x.internal/a.png",
        "https://private.example/a.png",
        "https://mixed.example/a.png",
        "https://nowhere.example/a.png",
        "https://pictures.example:22/a.png",
    ],
)
def test_fault_8_7_an_address_that_is_not_public_is_400_naming_the_part(
    url: str,
    room: LinkedPictures,
    names: Names,
    start: Start,  # noqa: F811
) -> None:
    private = start(says(answer(PNG)))
    names.leads("private.example", ("127.0.0.3", private.port))
    names.leads("mixed.example", ("127.0.0.1", private.port), ("127.0.0.3", private.port))
    fault = refusal(room, url)
    assert isinstance(fault, InvalidRequest)
    assert (fault.status, fault.field) == (400, PLACE)
    assert private.peers == []


def test_fault_8_9_a_redirect_to_a_private_address_or_to_http_is_400(
    room: LinkedPictures, names: Names, secure: Start
) -> None:
    for to in (b"https://127.0.0.2/", b"http://pictures.example/", b"file:///etc/passwd"):
        upstream = secure(says(answer(b"", b"Location: " + to, status=b"302 Found")))
        names.leads("pictures.example", ("127.0.0.1", upstream.port))
        fault = refusal(room)
        assert isinstance(fault, InvalidRequest)
        assert fault.field == PLACE
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(b"<html>no picture</html>", b"Content-Type: image/png"), UnsupportedMedia),
        (answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"Content-Type: image/svg+xml"), UnsupportedMedia),
        (answer(b"%PDF-1.7", b"Content-Type: image/png"), UnsupportedMedia),
        (answer(b"", b"Content-Type: image/png"), UnsupportedMedia),
        (answer(PNG, status=b"404 Not Found"), InvalidRequest),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", TooLarge),
    ],
    ids=["html", "svg", "pdf", "empty", "404", "10-gb"],
)
def test_fault_2_16_what_is_no_picture_or_too_large_is_refused_naming_the_part(
    reply: bytes, error: type[DomainError], room: LinkedPictures, names: Names, secure: Start
) -> None:
    upstream = secure(says(reply))
    names.leads("pictures.example", ("127.0.0.1", upstream.port))
    fault = refusal(room)
    assert isinstance(fault, error), fault
    assert fault.field == PLACE


def test_pictures_have_one_size_and_one_time_together(
    room: LinkedPictures, names: Names, secure: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = secure(says(answer(PNG)))
    names.leads("pictures.example", ("127.0.0.1", upstream.port))
    monkeypatch.setattr(linked_pictures, "MAX_BYTES_IN_ALL", len(PNG) + 1)
    with pytest.raises(TooLarge) as raised:
        enriched(room, ImagePart(URL), ImagePart(URL + "?2"))
    assert raised.value.field == "messages[0].content[2].image_url.url"
    slow = secure(silent)
    names.leads("pictures.example", ("127.0.0.1", slow.port))
    monkeypatch.setattr(linked_pictures, "SECONDS_IN_ALL", 0.3)
    began = time.monotonic()
    assert isinstance(refusal(room), InvalidRequest)
    assert time.monotonic() - began < 1.0


def test_fault_2_16_too_many_addresses_are_400_before_any_is_asked(room: LinkedPictures, names: Names) -> None:
    with pytest.raises(InvalidRequest) as raised:
        enriched(room, *(ImagePart(f"{URL}?{number}") for number in range(21)))
    assert raised.value.field == "messages[0].content[21].image_url.url"
    assert names.asked == []


def test_one_that_fails_ends_the_others(room: LinkedPictures, names: Names, secure: Start) -> None:
    slow = secure(silent)
    names.leads("pictures.example", ("127.0.0.1", slow.port))
    with pytest.raises(InvalidRequest):
        enriched(room, ImagePart("https://127.0.0.2/"), ImagePart(URL))
    assert slow.saw_the_end()


def test_a_client_that_leaves_ends_the_fetching(room: LinkedPictures, names: Names, secure: Start) -> None:
    asked: list[bytes] = []

    def script(peer: Peer) -> None:
        asked.append(peer.request())
        raise Gone

    upstream = secure(script)
    names.leads("pictures.example", ("127.0.0.1", upstream.port))
    cancel = Cancel()
    chat = chat_of(ImagePart(URL))

    def run() -> object:
        with pytest.raises(Unavailable):
            list(room.enrich(chat, cancel))
        return "stopped"

    waiting = gevent.spawn(run)
    assert wait_for(lambda: bool(asked))
    cancel.cancel("client gone")
    assert waiting.get(timeout=2) == "stopped"


def test_closing_the_enrichment_ends_the_fetching(
    room: LinkedPictures, names: Names, secure: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrichment, "HEARTBEAT", 0.05)
    upstream = secure(silent)
    names.leads("pictures.example", ("127.0.0.1", upstream.port))
    events = room.enrich(chat_of(ImagePart(URL)), Cancel())
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert upstream.saw_the_end()
