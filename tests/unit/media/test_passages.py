"""The parts of a long document that have to do with a question, by the embedder that needs nobody."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import Unavailable
from app.domain.media import TextPage
from app.services.media.passages import TOGETHER, Passage, Passages
from app.stores.embedder import WordLlamaEmbedder

if TYPE_CHECKING:
    from app.domain.embedding import Vector

ABOUT = {
    "bread": "Knead flour, water and yeast into a dough, let it rise and bake the loaf in a hot oven. ",
    "trains": "The railway line was opened in the spring, and steam engines pulled coaches along its track. ",
    "cats": "A kitten sleeps most of the day, purrs when it is stroked and hunts mice at night. ",
    "tax": "Income from capital is taxed at the flat rate unless the allowance is used up by then. ",
}


class Watched(WordLlamaEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        self.asked.append(len(texts))
        return super().embed(texts)


@pytest.fixture(scope="module")
def loaded() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.close()


@pytest.fixture
def embedder(loaded: Watched) -> Watched:
    loaded.asked.clear()
    return loaded


def book(**more: str) -> list[TextPage]:
    chapters = {name: text * 60 for name, text in ABOUT.items()} | more
    return [TextPage(text, f"page {number}", number) for number, text in enumerate(chapters.values(), 1)]


def found(passages: Sequence[Passage]) -> list[int | None]:
    """Pages of what was looked for."""
    return [passage.page.number for passage in passages if passage.found]


@pytest.mark.parametrize(
    ("question", "page"),
    [("How do I bake a loaf?", 1), ("when did the steam railway begin", 2), ("Why is my kitten asleep?", 3)],
)
def test_what_a_question_is_about_is_found_and_the_beginning_goes_along(
    embedder: Watched, question: str, page: int
) -> None:
    passages = Passages(embedder).of(book(), question, 1_300, owner="me")
    assert set(found(passages)) == {page}
    assert passages[0].page.number == 1
    assert not passages[0].skips
    assert passages[-1].more


def test_a_number_is_found_by_its_letters_where_meaning_says_nothing(embedder: Watched) -> None:
    pages = book(rest=ABOUT["tax"] * 30 + "Clause 17.3 binds the tenant. " + ABOUT["tax"] * 30)
    passages = Passages(embedder).of(pages, "What does clause 17.3 say?", 1_000, owner="me")
    assert any("Clause 17.3 binds" in text for passage in passages for text in passage.found)


def test_passages_stand_in_the_documents_order_and_within_the_budget(embedder: Watched) -> None:
    passages = Passages(embedder).of(book(), "kitten, loaf, railway and tax", 4_000, owner="me")
    numbers = [passage.page.number or 0 for passage in passages]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 1
    assert sum(len(passage.text) for passage in passages) < 4_000 * 5


def test_a_question_that_says_nothing_gets_parts_from_all_over(embedder: Watched) -> None:
    for nothing in ("", "???"):
        passages = Passages(embedder).of(book(), nothing, 8_000, owner="me")
        assert set(found(passages)) == {1, 2, 3, 4}


def test_what_is_asked_about_again_is_not_embedded_again(embedder: Watched) -> None:
    passages = Passages(embedder)
    passages.of(book(), "loaf", 1_000, owner="me")
    assert max(embedder.asked) <= TOGETHER
    before = len(embedder.asked)
    passages.of(book(), "kitten", 1_000, owner="me")
    assert embedder.asked[before:] == [1]


def test_nobody_gains_by_what_others_have_sent(embedder: Watched) -> None:
    passages = Passages(embedder)
    for owner in ("me", "you", None, None):
        before = len(embedder.asked)
        passages.of(book(), "loaf", 1_000, owner=owner)
        assert len(embedder.asked) > before + 1, owner


def test_what_is_kept_is_bounded_and_the_longest_unused_goes_first(embedder: Watched) -> None:
    passages = Passages(embedder, most_kept=50)
    one, two, three = (book(more=f"number {n} " * 200) for n in range(3))
    for pages in (one, two, one, three, one):
        passages.of(pages, "loaf", 1_000, owner="me")
    before = len(embedder.asked)
    passages.of(one, "loaf", 1_000, owner="me")
    assert len(embedder.asked) == before + 1
    assert sum(len(kept.pieces) for kept in passages._kept.values()) <= 50
    passages.of(two, "loaf", 1_000, owner="me")
    assert len(embedder.asked) == before + 3, "it was dropped and is embedded again"


def test_a_document_of_nothing_has_no_passages(embedder: Watched) -> None:
    assert Passages(embedder).of([TextPage("")], "loaf", 1_000, owner="me") == ()
    assert Passages(embedder).of([TextPage("\n" * 5_000)], "loaf", 1_000, owner="me")


def test_an_embedder_that_is_away_says_so() -> None:
    class Away(Watched):
        def embed(self, texts: Sequence[str]) -> list[Vector | None]:
            raise Unavailable("nobody embeds now")

    with pytest.raises(Unavailable):
        Passages(Away()).of(book(), "loaf", 1_000, owner="me")


LOOP = """
    from gevent import monkey; monkey.patch_all()
    import time, gevent
    from app.domain.media import TextPage
    from app.services.media.passages import Passages
    from app.stores.embedder import WordLlamaEmbedder
    embedder = WordLlamaEmbedder()
    embedder.embed(["warm"])
    gaps, last = [], time.perf_counter()
    def beat():
        global last
        while True:
            gevent.sleep(0.005)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now
    gevent.spawn(beat)
    gevent.sleep(0.02)
    passages = Passages(embedder)
    passages.of([TextPage("Some words of a long document, and more of them.\\n" * 40_000)], "words?", 9_000, owner="me")
    print(max(gaps), len(gaps))
    passages.close()
    embedder.close()
"""


def test_the_loop_goes_on_while_two_megabytes_are_looked_into() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOOP)], capture_output=True, text=True, timeout=60, check=True
    )
    worst, beats = done.stdout.split()
    assert float(worst) < 0.25
    assert int(beats) > 10
