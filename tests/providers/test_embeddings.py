"""A provider's vectors for what is compared here: its keys in turn, its faults, texts with nothing in them."""

from __future__ import annotations

import numpy as np
import pytest

from app.domain.catalogue import Credential, Provider
from app.domain.errors import Unavailable
from app.services.llm.provider_embedder import BATCH, ProviderEmbedder
from tests.providers.asking import new_factory
from tests.providers.embedding import DIMENSIONS, vector
from tests.providers.fixtures import EmulatedProviders


def embedder(upstream: EmulatedProviders, model: str = "embed", *keys: str, seconds: float = 5.0) -> ProviderEmbedder:
    credentials = tuple(Credential(f"openai:{key}", "openai", key, "…") for key in keys or ("k1",))
    provider = Provider("openai", f"{upstream.url}/v1", credentials)
    return ProviderEmbedder(new_factory().service("openai", "embedding"), provider, model, seconds=seconds)


def test_each_text_has_its_vector_at_length_one_and_nothing_has_none(upstream: EmulatedProviders) -> None:
    made = embedder(upstream)
    assert (made.name, made.dimensions) == ("openai/embed", None)
    found = made.embed(["a", " ", "b", ""])
    assert [one is None for one in found] == [False, True, False, True]
    assert made.dimensions == DIMENSIONS
    for text, one in (("a", found[0]), ("b", found[2])):
        assert one is not None
        assert one.dtype == np.float32
        wanted = np.array(vector(text))
        np.testing.assert_allclose(one, wanted / np.linalg.norm(wanted), atol=1e-6)


def test_nothing_is_asked_for_nothing(upstream: EmulatedProviders) -> None:
    assert embedder(upstream).embed([]) == []
    assert embedder(upstream).embed(["", " "]) == [None, None]
    assert upstream.log() == []


def test_many_texts_go_in_several_calls(upstream: EmulatedProviders) -> None:
    found = embedder(upstream).embed([f"text {n}" for n in range(BATCH + 10)])
    assert all(one is not None for one in found)
    assert [len(entry["body"]["input"]) for entry in upstream.log()] == [BATCH, 10]


@pytest.mark.parametrize("words", ["status-429", "status-401"])
def test_the_next_key_is_asked_where_one_is_refused(upstream: EmulatedProviders, words: str) -> None:
    upstream.behave(words, key="k1")
    assert embedder(upstream, "embed", "k1", "k2").embed(["a"])[0] is not None
    assert len(upstream.log()) == 2


@pytest.mark.parametrize("words", ["status-500", "few-vectors", "nan-vector", "html-200", "silent"])
def test_what_it_cannot_have_is_unavailable(upstream: EmulatedProviders, words: str) -> None:
    with pytest.raises(Unavailable):
        embedder(upstream, words, seconds=0.5).embed(["a", "b"])


def test_a_text_that_is_too_long_keeps_nobody_elses_from_being_made(
    upstream: EmulatedProviders,
) -> None:
    found = embedder(upstream).embed(["a", "b", "记" * 20_000, "c"])
    assert all(one is not None for one in found), "of the long one its beginning"
    assert len(upstream.log()) < 12


def test_who_takes_no_text_at_all_makes_no_vectors_now(upstream: EmulatedProviders) -> None:
    with pytest.raises(Unavailable):
        embedder(upstream, "status-400").embed(["a", "b", "c"])
    assert len(upstream.log()) == 2
