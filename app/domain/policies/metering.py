"""Whether a provider's own token numbers can be true. Pure.

A provider that reports nonsense must not be what a caller is charged by: what is beyond belief is counted here.
"""

from __future__ import annotations

from app.domain.usage import Usage

FACTOR = 4
SPARE_COMPLETION = 64
SPARE_PROMPT = 1_024


def believable(told: Usage, counted: Usage, *, max_tokens: int | None, max_output: int | None, reasons: bool) -> bool:
    """told: the provider's; counted: ours, of the same prompt and answer. max_tokens: the caller's cap, a choice's.

    Nothing is believed that counts nothing for a text that came, more than the cap, or far more than was counted;
    a model that reasons may think unseen up to its largest output.
    """
    if told.prompt > FACTOR * counted.prompt + SPARE_PROMPT:
        return False
    if told.completion == 0 and counted.completion > 0:
        return False
    if told.completion * FACTOR + SPARE_COMPLETION < counted.completion:
        return False  # an interim number of a stream that broke off
    if max_tokens is not None:
        return told.completion <= max_tokens
    if (reasons or told.reasoning) and max_output is not None:
        return told.completion <= max_output
    return reasons or told.completion <= FACTOR * counted.completion + SPARE_COMPLETION
