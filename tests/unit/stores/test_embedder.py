"""The embedder that needs nobody: offline, off the loop, alike for whoever asks."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator

import numpy as np
import pytest

from app.stores.embedder import DIMENSIONS, LONGEST, WordLlamaEmbedder, _loaded


@pytest.fixture(scope="module")
def embedder() -> Iterator[WordLlamaEmbedder]:
    made = WordLlamaEmbedder()
    yield made
    made.close()


def vector(embedder: WordLlamaEmbedder, text: str) -> np.ndarray:
    (found,) = embedder.embed([text])
    assert found is not None
    return found


def test_a_text_becomes_one_vector_of_length_one(embedder: WordLlamaEmbedder) -> None:
    found = vector(embedder, "How do I bake bread?")
    assert found.shape == (DIMENSIONS,)
    assert found.dtype == np.float32
    assert float(np.linalg.norm(found)) == pytest.approx(1.0, abs=1e-5)


def test_each_text_of_several_gets_the_vector_it_has_alone(embedder: WordLlamaEmbedder) -> None:
    texts = ["a cat", "", "a much longer text about the history of the railway in Saxony", " \n\t"]
    together = embedder.embed(texts)
    assert [found is None for found in together] == [False, True, False, True]
    for text, found in zip(texts, together, strict=True):
        if found is not None:
            np.testing.assert_allclose(found, vector(embedder, text), atol=1e-6)


def test_texts_of_one_subject_are_nearer_than_texts_of_two(embedder: WordLlamaEmbedder) -> None:
    bread, loaf, engine = (
        vector(embedder, text)
        for text in ("how do I bake bread", "baking a loaf of bread at home", "the engine of my car stalls")
    )
    assert bread @ loaf > bread @ engine + 0.2


def test_it_says_what_the_library_itself_would_say(embedder: WordLlamaEmbedder) -> None:
    text = "The quick brown fox jumps over the lazy dog."
    found = vector(embedder, text)
    np.testing.assert_allclose(found, _loaded().embed([text], norm=True)[0], atol=1e-5)


def test_nothing_to_embed_is_no_work() -> None:
    fresh = WordLlamaEmbedder()
    assert fresh.embed([]) == []
    fresh.close()


@pytest.mark.parametrize("text", ["\x00", "<s></s>", "\ud800 lone", "\u202eabc", "👩‍👩‍👧", "x" * 20_000, "字" * 20_000])
def test_no_text_is_too_odd_for_it(embedder: WordLlamaEmbedder, text: str) -> None:
    assert np.isfinite(vector(embedder, text)).all()


def test_what_is_past_the_longest_is_not_read(embedder: WordLlamaEmbedder) -> None:
    text = "word " * (LONGEST // 5 + 1)
    np.testing.assert_array_equal(vector(embedder, text), vector(embedder, text + "entirely different " * 1000))


def test_it_tells_the_tokens_it_read(embedder: WordLlamaEmbedder) -> None:
    counted = [tokens for _, tokens in embedder.measured(["hello", "", "hello hello hello"])]
    assert counted[1] == 0
    assert 0 < counted[0] < counted[2]


SERVER = """
    from gevent import monkey; monkey.patch_all()
    import sys, time, gevent, socket
    socket.getaddrinfo = None  # whoever asks the network fails
    from app.stores.embedder import WordLlamaEmbedder
    assert "wordllama" not in sys.modules and "numpy" not in sys.modules
    embedder = WordLlamaEmbedder()
    embedder.embed(["warm"])
    beats = []
    def beat():
        while True:
            beats.append(time.perf_counter())
            gevent.sleep(0.001)
    heart = gevent.spawn(beat)
    gevent.sleep(0.01)
    embedder.embed(["a long text of words " * 3000] * 4)
    gevent.sleep(0.002)
    gaps = [later - sooner for sooner, later in zip(beats, beats[1:])]
    print(max(gaps), len(beats))
    embedder.close()
"""


def test_a_patched_worker_embeds_offline_and_its_loop_goes_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SERVER)], capture_output=True, text=True, timeout=60, check=True
    )
    worst, beats = done.stdout.split()
    assert float(worst) < 0.25, "the loop stood still"
    assert int(beats) > 10
