"""A whole search: a scripted engine, real hosts under guard, real children that read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gevent
import pytest

from app.domain.errors import ProviderFault, Unavailable, UpstreamFailed, UpstreamTimeout
from app.domain.search import Hit
from app.services.search.pages import PageReader
from app.services.search.service import Found, WebSearch
from app.stores.embedder import WordLlamaEmbedder
from app.transport.fetcher import GuardedFetcher
from app.transport.guarded import Guard
from app.transport.resolver import Resolver
from app.utils.cancel import Cancel
from app.utils.children import Children, Limits
from tests.unit.transport.fixtures import Start, start, wait_for, within_time  # noqa: F401
from tests.unit.transport.hostile import answer, says, silent
from tests.unit.transport.names import Names, loopback_is_public

ROOM = 20_000


class Scripted:
    """An engine that gives what it was told for a query, or raises it. asked: queries, in order."""

    name = "Scripted"

    def __init__(self) -> None:
        self.gives: dict[str, Sequence[Hit] | Exception | float] = {}
        self.asked: list[str] = []

    def search(self, query: str, seconds: float, cancel: Cancel) -> tuple[Hit, ...]:
        self.asked.append(query)
        found = self.gives.get(query, ())
        if isinstance(found, float):
            gevent.sleep(found)
            return ()
        if isinstance(found, Exception):
            raise found
        return tuple(found)


class Away:
    """An embedder that is not there, or takes its time."""

    name, dimensions = "away", None

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def embed(self, texts: Sequence[str]) -> list[Any]:
        gevent.sleep(self.seconds)
        raise Unavailable("not now")


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    folder: Path = tmp_path_factory.mktemp("pages")
    made = Children("app.jobs.web_pages", Limits(seconds=4, memory_mb=768), folder, size=2)
    yield made
    pids = made.pids
    made.close()
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert not list(folder.glob("*"))


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def engine() -> Scripted:
    return Scripted()


@pytest.fixture
def search(children: Children, names: Names, engine: Scripted) -> WebSearch:
    return searching(children, names, engine)


def searching(
    children: Children, names: Names, engine: Scripted, embedder: Any = None, *, seconds: float = 8.0
) -> WebSearch:
    guard = Guard(resolver=Resolver(ttl=0, getaddrinfo=names), allowed=loopback_is_public)
    reader = PageReader(GuardedFetcher(guard), children)
    return WebSearch(engine, reader, embedder or WordLlamaEmbedder(), max_calls=3, seconds=seconds)


def look_up(search: WebSearch, *queries: str, question: str = "What is it?") -> Found:
    return search.look_up(queries or ("q",), question, ROOM, Cancel())


def page(body: str | bytes, content_type: bytes = b"text/html; charset=utf-8") -> Any:
    raw = body if isinstance(body, bytes) else body.encode()
    return says(answer(raw, b"Content-Type: " + content_type))


def at(start: Start, names: Names, host: str, script: Any) -> Hit:  # noqa: F811
    names.leads(host, ("127.0.0.1", start(script).port))
    return Hit(f"http://{host}/", host)


TEXTS = [
    ("<p>Grüße</p>".encode("latin-1"), b"text/html; charset=iso-8859-1", "Grüße"),
    ("<meta charset=shift_jis><p>東京</p>".encode("shift_jis"), b"text/html", "東京"),
    (
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Привет</p>'.encode("cp1251"),
        b"text/html",
        "Привет",
    ),
    ("plain <b>words</b>", b"text/plain", "plain <b>words</b>"),
    ("# Title", b"text/markdown", "# Title"),
    ("<html><p>unlabelled", b"", "unlabelled"),
]


@pytest.mark.parametrize(("body", "content_type", "text"), TEXTS, ids=[text for *_, text in TEXTS])
def test_a_page_is_read_in_its_own_letters(
    body: str | bytes,
    content_type: bytes,
    text: str,
    search: WebSearch,
    engine: Scripted,
    names: Names,
    start: Start,  # noqa: F811
) -> None:
    engine.gives["q"] = [at(start, names, "a.example", page(body, content_type))]
    (found,) = look_up(search).pages
    assert found.text == text


def test_one_query_that_fails_takes_nothing_from_the_other(
    search: WebSearch,
    engine: Scripted,
    names: Names,
    start: Start,  # noqa: F811
) -> None:
    engine.gives = {"bad": ProviderFault("cut", "no"), "good": [at(start, names, "a.example", page("<p>A"))]}
    assert [found.text for found in look_up(search, "bad", "good").pages] == ["A"]
    assert search.trouble == ""


def test_hits_of_several_queries_come_in_turn_and_once(search: WebSearch, engine: Scripted) -> None:
    def hits(*hosts: str) -> list[Hit]:
        return [Hit(f"http://{host}.invalid", host, host) for host in hosts]

    engine.gives = {"x": hits("a", "b", "c", "d", "e"), "y": hits("f", "a", "g")}
    assert [found.text for found in look_up(search, "x", "y").pages] == ["a", "f", "b", "c", "g"]


def test_more_queries_than_are_allowed_are_not_asked(search: WebSearch, engine: Scripted) -> None:
    look_up(search, "1", "2", "3", "4", "5")
    assert sorted(engine.asked) == ["1", "2", "3"]


@pytest.mark.parametrize("kind", ["stalled", "connect"])
def test_fault_9_08_where_all_queries_fail_it_is_told(kind: str, search: WebSearch, engine: Scripted) -> None:
    engine.gives["q"] = ProviderFault(kind, "it sleeps")
    with pytest.raises(UpstreamTimeout if kind == "stalled" else UpstreamFailed, match="Scripted: it sleeps"):
        look_up(search)
    assert search.trouble == "it sleeps"
    engine.gives["q"] = []
    assert look_up(search).pages == ()
    assert search.trouble == ""


def test_fault_9_08_all_of_it_is_bounded_in_time(
    children: Children,
    names: Names,
    engine: Scripted,
    start: Start,  # noqa: F811
) -> None:
    slow = [at(start, names, f"{n}.example", silent) for n in range(3)]
    quick = at(start, names, "q.example", page("<p>Quick"))
    engine.gives["q"] = [*slow, quick]
    began = time.monotonic()
    found = look_up(searching(children, names, engine, Away(30), seconds=2.0))
    assert time.monotonic() - began < 2.5
    assert ([page.text for page in found.pages], found.unread) == (["Quick"], 3)
    engine.gives["q"] = 30.0
    with pytest.raises(UpstreamTimeout):
        look_up(searching(children, names, engine, seconds=0.3))


def test_without_an_embedder_words_decide(
    children: Children,
    names: Names,
    engine: Scripted,
    start: Start,  # noqa: F811
) -> None:
    filler = "".join(f"<p>{'Sheep eat grass. ' * 50}</p>" for _ in range(40))
    engine.gives["q"] = [at(start, names, "a.example", page(f"{filler}<p>Halley comes in 2061.</p>{filler}"))]
    found = look_up(searching(children, names, engine, Away()), question="When does Halley come?")
    assert "Halley comes in 2061." in found.pages[0].text
    assert len(found.pages[0].text) < 2_000


BAD = [
    answer(b"\x00\x01" * 500, b"Content-Type: text/plain"),
    answer(b"PK\x03\x04" + bytes(100), b"Content-Type: application/zip"),
    answer(b"<p></p>", b"Content-Type: text/html"),
    answer(b"<p>x</p>", b"Content-Type: text/html", status=b"500 No"),
    answer(b"%PDF-1.7 broken", b"Content-Type: application/pdf"),
    answer(b"<![x" * 1_000, b"Content-Type: text/html"),
    answer(b"<div>" * 200_000, b"Content-Type: text/html"),
]


@pytest.mark.parametrize("reply", BAD, ids=["nul", "zip", "empty", "500", "pdf", "section", "deep"])
def test_fault_9_08_a_page_that_is_none_leaves_the_engines_words_and_the_next_is_read(
    reply: bytes,
    search: WebSearch,
    engine: Scripted,
    names: Names,
    start: Start,  # noqa: F811
) -> None:
    bad = at(start, names, "bad.example", says(reply))
    engine.gives["q"] = [Hit(bad.url, "bad", "summary"), at(start, names, "a.example", page("<p>A"))]
    found = look_up(search)
    assert [page.text for page in found.pages] in (["summary", "A"], ["A"])
    assert found.pages[-1].text == "A"
