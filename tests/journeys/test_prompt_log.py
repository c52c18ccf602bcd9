"""The prompt log of the running service: every door's answers, ratings behind them, two workers, off where so set."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

from tests.journeys.gateway import GROQ, Gateway, chunks, soon
from tests.providers.fixtures import EmulatedProviders


def rows(folder: Path) -> list[dict[str, Any]]:
    file = folder / "logs" / "prompts.json"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def row_of(gateway: Gateway, prompt_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        return next((row for row in rows(gateway.server.folder) if row["prompt_id"] == prompt_id), None)

    found = soon(look, 3, f"{prompt_id} is not in the prompt log")
    assert found is not None
    return found


def test_each_door_leaves_a_row_with_what_was_asked_and_answered(any_gateway: Gateway) -> None:
    said = any_gateway.say("From the app", model=GROQ)
    row = row_of(any_gateway, said["prompt_id"])
    assert (row["prompt"], row["response"], row["model"]) == ("From the app", said["text"], GROQ)
    assert (row["tokens"], row["latency_ms"]) == (said["tokens_used"], said["latency_ms"])
    whole = any_gateway.openai("From a client", model=GROQ).json()
    row = row_of(any_gateway, whole["id"])
    assert (row["prompt"], row["response"]) == ("From a client", whole["choices"][0]["message"]["content"])
    pieces = list(chunks(any_gateway.openai("As a stream", model=GROQ, stream=True)))
    assert row_of(any_gateway, pieces[0]["id"])["prompt"] == "As a stream"
    short = any_gateway.post(f"/chat?model={GROQ}", {"prompt": "From a script"}).json()
    assert row_of(any_gateway, short["prompt_id"])["response"] == short["response"]


def test_a_rating_is_a_further_row_in_both_files(any_gateway: Gateway) -> None:
    said = any_gateway.say("Rate me", model=GROQ)
    body = {"prompt_id": said["prompt_id"], "rating": 4, "feedback": "=HYPERLINK(1)"}
    any_gateway.post("/api/ratings", body)

    def look() -> list[dict[str, Any]]:
        found = [row for row in rows(any_gateway.server.folder) if row["prompt_id"] == said["prompt_id"]]
        return found if len(found) == 2 else []

    (rating,) = (row for row in soon(look, 5, "no row of the rating") if row["rating"] is not None)
    assert (rating["rating"], rating["feedback"], rating["response"]) == (4, "=HYPERLINK(1)", None)

    def cells() -> list[list[str]]:
        with (any_gateway.server.folder / "logs" / "prompts.csv").open(newline="") as file:
            return [row for row in csv.reader(file) if said["prompt_id"] in row and row[-2] == "4"]

    ((*_, told, feedback),) = soon(cells, 5)
    assert (told, feedback) == ("4", "'=HYPERLINK(1)")


def test_the_files_are_their_owners_alone(gateway: Gateway) -> None:
    row_of(gateway, gateway.say("Hi", model=GROQ)["prompt_id"])
    for name in ("prompts.json", "prompts.csv", "app.log"):
        assert (gateway.server.folder / "logs" / name).stat().st_mode & 0o777 == 0o600


def test_it_is_off_where_it_is_set_so(tmp_path: Path, upstream_process: EmulatedProviders) -> None:
    with Gateway(tmp_path, upstream_process, {"PROMPT_LOG": "false"}) as quiet:
        said = quiet.say("Between us", model=GROQ)
        # The access log is written by the same means: once its line is there, the prompt log's would be.
        soon(lambda: said["prompt_id"] in quiet.logs(), 3)
        assert quiet.get("/api/health").ok
    assert sorted(path.name for path in (tmp_path / "logs").iterdir() if path.name.startswith("prompts")) == []
    assert "Between us" not in quiet.logs()


def test_fault_11_08_what_cannot_be_written_is_counted_where_it_is_seen_and_harms_no_request(
    tmp_path: Path, upstream_process: EmulatedProviders
) -> None:
    with Gateway(tmp_path, upstream_process) as gateway:

        def lost() -> float:
            text = gateway.get("/metrics").text
            found = re.search(r'^log_lines_lost_total\{log="prompts"\} (\S+)$', text, re.M)
            return float(found[1]) if found else 0.0

        in_the_way = tmp_path / "logs" / "prompts.json"
        in_the_way.mkdir(parents=True, exist_ok=True)
        gateway.say("This goes into one of the two files alone", model=GROQ)
        soon(lambda: lost() >= 1, 5, "nobody is told of what was lost")
        in_the_way.rmdir()
        said = gateway.say("This goes into both", model=GROQ)
        assert row_of(gateway, said["prompt_id"])["prompt"] == "This goes into both"
