"""Long documents in pieces: nothing lost, nothing moved, none too long; and which of them are taken."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.media import TextPage
from app.domain.policies.pieces import LEAST_TOKENS, MARK_TOKENS, MOST_TOKENS, Piece, cut_up, runs, spread, taken
from app.domain.policies.tokens import estimate

#: What texts are made of, so that headings, tables, code and long lines come about.
bits = st.sampled_from(
    [
        "# Head\n",
        "## Part two\n",
        "\n",
        "\n\n",
        "```\n",
        "~~~\n",
        "a | b | c\n",
        "| x | y |\n",
        "k\tv\n",
        "\t",
        " ",
        "|",
        "word ",
        "One sentence. ",
        "字" * 40,
        "😀" * 50,
        "x" * 500,
        "# ",
        "A line of words that goes on and on\n" * 8,
    ]
)
texts = st.lists(bits, max_size=120).map("".join) | st.text(max_size=400)
documents = st.lists(texts, max_size=5)
ranked = st.integers(0, 40).flatmap(lambda count: st.tuples(st.just(count), st.permutations(list(range(count)))))


def pages(*texts: str) -> list[TextPage]:
    return [TextPage(text, f"page {number}", number) for number, text in enumerate(texts, 1)]


def of(text: str, **how: bool) -> list[str]:
    return [text[piece.start : piece.end] for piece in cut_up([TextPage(text)], **how)]


@given(documents, st.booleans())
def test_all_pieces_of_a_page_in_their_order_are_the_page(texts: list[str], rows: bool) -> None:
    pieces = cut_up(pages(*texts), rows=rows)
    assert [piece.page for piece in pieces] == sorted(piece.page for piece in pieces)
    for index, text in enumerate(texts):
        own = [piece for piece in pieces if piece.page == index]
        assert "".join(text[piece.start : piece.end] for piece in own) == text
        assert all(piece.start < piece.end for piece in own)


@given(documents, st.booleans())
def test_no_piece_is_longer_than_it_may_be_and_each_tells_its_tokens(texts: list[str], rows: bool) -> None:
    for piece in cut_up(pages(*texts), rows=rows):
        said = estimate(texts[piece.page][piece.start : piece.end])
        assert said <= MOST_TOKENS
        assert piece.tokens == said + estimate(piece.lead)
        assert len(piece.lead) <= 401


def test_prose_is_cut_after_a_paragraph_where_there_is_one() -> None:
    paragraph = "This is a sentence of a paragraph. " * 9 + "It ends here.\n\n"
    for piece in of(paragraph * 30)[:-1]:
        assert piece.endswith("It ends here.\n\n")
        assert estimate(piece) > MOST_TOKENS / 2


def test_a_paragraph_without_end_is_cut_after_a_sentence_and_one_without_sentences_after_a_word() -> None:
    assert all(piece.endswith(". ") for piece in of("So it is said and done. " * 400)[:-1])
    assert all(piece.endswith("word ") for piece in of("word " * 3000)[:-1])


def test_a_heading_begins_a_piece_and_is_told_to_those_after_it() -> None:
    text = "".join(f"## Chapter {number}\n" + "Some words of it. " * 100 + "\n\n" for number in range(5))
    pieces = cut_up([TextPage(text)])
    starts = [piece.start for piece in pieces]
    assert all(text.index(f"## Chapter {number}\n") in starts for number in range(5))
    for piece in pieces:
        said = piece.lead + text[piece.start : piece.end]
        assert said.count("## Chapter ") == 1
        assert f"## Chapter {text[: piece.end].count('## Chapter ') - 1}" in said


def test_short_chapters_stay_together() -> None:
    pieces = of("# One\nA few words.\n\n# Two\nSome more.\n\n")
    assert len(pieces) == 1
    assert all(estimate(piece) >= LEAST_TOKENS for piece in of("# Head\nA few words more or less.\n\n" * 100)[:-1])


def test_a_table_is_cut_between_its_rows_and_its_head_goes_along() -> None:
    head = "Name | Price. Net | Stock"
    text = "Before it.\n\n" + head + "\n" + "".join(f"Item {n}. Blue | {n}.50 | {n * 3}\n" for n in range(200))
    pieces = cut_up([TextPage(text)])
    assert len(pieces) > 3
    for piece in pieces[1:]:
        assert piece.lead == head
        assert text[piece.start : piece.end].startswith("Item ")
        assert text[piece.start - 1] == "\n"


def test_of_a_file_of_rows_the_first_is_the_head() -> None:
    text = "id,name\n" + "".join(f"{n},somebody number {n}\n" for n in range(400))
    pieces = cut_up([TextPage(text)], rows=True)
    assert {piece.lead for piece in pieces[1:]} == {"id,name"}
    assert all(text[piece.start - 1] == "\n" for piece in pieces[1:])


def test_code_is_cut_at_lines_and_its_comments_are_no_headings() -> None:
    text = "# Real\n\n```\n" + "# not one. Really\nvalue = compute(1)\n\n" * 150 + "```\nAfter. " + "More of it. " * 150
    pieces = cut_up([TextPage(text)])
    end = text.index("```\nAfter")
    inside = [piece for piece in pieces if 0 < piece.start < end]
    assert len(inside) > 3
    assert all(text[piece.start - 1] == "\n" for piece in inside)
    assert {piece.lead for piece in pieces[1:]} == {"# Real"}


@pytest.mark.parametrize(
    "bit",
    [
        "The quick brown fox jumps. It was late.\n",
        "\n",
        "a\n",
        "x",
        " ",
        "# a\n",
        "a | b | 5\n",
        "|",
        "```\n",
        "字",
        "😀",
        "a\t" * 500 + "\n",
        "|" * 999 + "\n",
        "! ",
        "#" * 50 + "\n",
        "\n\n# heading\n\ntext",
        "a|b\nc|d\n\n",
    ],
)
def test_a_megabyte_is_cut_in_a_moment_whatever_it_is(bit: str) -> None:
    text = bit * (1_000_000 // len(bit.encode()))
    begun = time.process_time()
    pieces = cut_up([TextPage(text)])
    assert time.process_time() - begun < 0.3
    assert pieces[-1].end == len(text)


def small(count: int, *, tokens: int = 100, page: int = 0) -> list[Piece]:
    return [Piece(page, index, index + 1, tokens) for index in range(count)]


@given(ranked, st.integers(0, 5_000), st.integers(0, 30))
def test_what_is_taken_is_in_order_and_within_the_budget(asked: tuple[int, list[int]], budget: int, most: int) -> None:
    pieces = small(asked[0])
    kept, hits = taken(pieces, asked[1], budget, most)
    assert kept == sorted(set(kept))
    assert sum(pieces[index].tokens + MARK_TOKENS for index in kept) <= budget
    assert hits <= set(kept)
    assert len(hits) <= most


def test_the_best_come_with_their_neighbours_and_the_documents_beginning() -> None:
    kept, hits = taken(small(20), [10, 15, 3], 650)
    assert kept == [0, 9, 10, 11, 15, 16]
    assert hits == {10, 15}


def test_neighbours_are_of_the_same_page() -> None:
    pieces = [*small(3, page=0), *small(1, page=1), *small(3, page=2)]
    kept, hits = taken(pieces, [3], 1_000)
    assert (kept, hits) == ([0, 3], {3})


def test_one_that_is_too_long_leaves_its_place_to_the_next() -> None:
    pieces = [*small(2), *small(1, tokens=500), *small(3)]
    assert taken(pieces, [2, 5], 330) == ([0, 4, 5], {5})


@given(st.integers(0, 500), st.integers(1, 40))
def test_where_nothing_tells_they_are_spread_over_all(count: int, most: int) -> None:
    places = spread(count, most)
    assert len(places) == min(count, most)
    assert places == sorted(set(places))
    assert all(0 <= place < count for place in places)
    if count > 4 * most:
        gaps = [later - sooner for sooner, later in itertools.pairwise(places)]
        assert max(gaps, default=0) <= 2 * count / most


@given(st.lists(st.integers(0, 30), unique=True).map(sorted), st.lists(st.integers(0, 3), min_size=31, max_size=31))
def test_runs_are_neighbours_of_one_page_and_lose_nothing(chosen: list[int], steps: list[int]) -> None:
    page, pieces = 0, []
    for step in steps:
        page += step == 0
        pieces.append(Piece(page, 0, 1, 1))
    found = [list(run) for run in runs(chosen, pieces)]
    assert [index for run in found for index in run] == chosen
    for run in found:
        assert run == list(range(run[0], run[-1] + 1))
        assert len({pieces[index].page for index in run}) == 1
