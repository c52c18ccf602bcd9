"""How wrong the count of tokens is that is made before a call, against recorded ones.

    python bench/tokens.py                                     a table of errors
    python bench/tokens.py --record https://host/v1 MODEL      ask a provider for its own counts (its key in API_KEY)

The recorded counts are in token_samples.json: by the vocabularies their makers published, and what providers said
where somebody with a key has asked them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.domain.catalogue import Model
from app.domain.policies.tokens import estimate
from app.services.chat.counting import Counting
from app.utils.vocabularies import Vocabularies

SAMPLES = Path(__file__).with_name("token_samples.json")


def errors(data: dict[str, Any]) -> str:
    """A Markdown table: a row a text, the errors of bytes / 4, of the heuristic, and of what a model is counted by."""
    vocabularies = Vocabularies()
    names = list(data["samples"][0]["vocabulary"])
    asked = sorted({model for sample in data["samples"] for model in sample["provider"]})
    counting = Counting(vocabularies)
    lines = ["| text | " + " | ".join([*names, *asked]) + " |", "| --- |" + " --- |" * (len(names) + len(asked))]
    for sample in data["samples"]:
        text, size = sample["text"], len(sample["text"].encode())
        cells = []
        for name in names:
            truth, own = sample["vocabulary"][name], vocabularies.count(name)
            counted = "-" if own is None else _percent(own(text), truth)
            cells.append(f"{_percent(size / 4, truth)}, {_percent(estimate(text), truth)}, {counted}")
        for model in asked:
            truth = sample["provider"].get(model)
            count = counting.of(Model(model, "asked", model))
            cells.append(_percent(count(text), truth) if truth else "-")
        lines.append(f"| {sample['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _percent(counted: float, truth: int) -> str:
    return f"{100 * (counted / truth - 1):+.0f} %"


def record(data: dict[str, Any], base_url: str, model: str) -> None:
    """Write what the provider counts for each text, less what it counts for the frame around one."""
    frame = _asked(base_url, model, "a") - 1
    for sample in data["samples"]:
        sample["provider"][model] = _asked(base_url, model, sample["text"]) - frame
    SAMPLES.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def _asked(base_url: str, model: str, text: str) -> int:
    reply = requests.post(
        f"{base_url.rstrip('/')}/chat/completions",
        headers={"Authorization": f"Bearer {os.environ.get('API_KEY', '')}"},
        json={"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 1},
        timeout=60,
    )
    reply.raise_for_status()
    return int(reply.json()["usage"]["prompt_tokens"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", nargs=2, metavar=("BASE_URL", "MODEL"))
    asked = parser.parse_args()
    data = json.loads(SAMPLES.read_text())
    if asked.record:
        record(data, *asked.record)
    print("Each cell: the error of bytes / 4, of the heuristic, of the vocabulary's own count.\n")
    print(errors(data))


if __name__ == "__main__":
    main()
