"""Which published vocabulary a model counts its tokens by, told from its name."""

from __future__ import annotations

import re
from typing import Final

#: The first that fits counts; the names are those of the published vocabularies. Gemini counts by Gemma's, as Google's
#: own local tokenizer does. Nobody publishes Claude's and Grok's.
_FAMILIES: Final = tuple(
    (re.compile(pattern), vocabulary)
    for pattern, vocabulary in (
        (r"gpt-oss", "gpt_oss"),
        (r"(chatgpt-|gpt-(4o|4\.[1-9]|4\.5|[5-9])|o[1-9](-|$))", "o200k_base"),
        (r"(gpt-(3\.5|4)|text-embedding-)", "cl100k_base"),
        (r"(claude|grok)", None),
        (r"(gemini|gemma)", "gemma3"),
        (r"llama-?4", None),
        (r"llama-?(3|guard|prompt-guard)", "llama3"),
        (r"kimi", "kimi_k2"),
        (r"qwen|qwq", "qwen3"),
        (r"deepseek-r1-distill-(llama|qwen)", "llama3"),
        (r"deepseek", "deepseek_v3"),
        (r"(mistral|mixtral|ministral|codestral|pixtral|magistral|devstral)", "mistral_v3"),
    )
)


def vocabulary_of(model: str) -> str | None:
    """The vocabulary's name, None where none is published or the name tells nothing."""
    name = model.casefold()
    for pattern, vocabulary in _FAMILIES:
        if pattern.search(name):
            return vocabulary
    return None
