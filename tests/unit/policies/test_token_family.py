"""A model's name tells the vocabulary that it counts by, or none where nobody publishes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.domain.policies.token_family import vocabulary_of
from app.domain.policies.tokens import estimate
from app.factories.seed_models import SEED_MODELS

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-6.1-sol", "o200k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("o3-mini", "o200k_base"),
        ("openai/gpt-oss-120b", "gpt_oss"),
        ("llama-3.3-70b-versatile", "llama3"),
        ("meta-llama/llama-4-scout-17b-16e-instruct", None),
        ("deepseek-r1-distill-llama-70b", "llama3"),
        ("moonshotai/kimi-k2-instruct", "kimi_k2"),
        ("mistral-saba-24b", "mistral_v3"),
        ("gemini-2.5-flash", "gemma3"),
        ("claude-opus-5-5", None),
        ("grok-4", None),
        ("my-own-model", None),
    ],
)
def test_a_models_name_tells_its_vocabulary(model: str, vocabulary: str | None) -> None:
    assert vocabulary_of(model) == vocabulary


def test_of_the_seeded_chat_models_only_those_without_a_published_vocabulary_are_estimated() -> None:
    estimated = {
        model.name.split("/")[-1].split("-")[0] for model in SEED_MODELS if model.chat and not vocabulary_of(model.name)
    }
    assert estimated == {"claude", "grok", "llama", "demo"}


def test_the_heuristic_is_within_a_third_of_the_recorded_counts() -> None:
    for sample in json.loads((ROOT / "bench" / "token_samples.json").read_text())["samples"]:
        for vocabulary in ("o200k_base", "llama3"):
            truth = sample["vocabulary"][vocabulary]
            assert abs(estimate(sample["text"]) / truth - 1) < 1 / 3, (sample["name"], vocabulary)
