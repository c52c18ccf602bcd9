"""Ratings at the doors: given, replaced, shown in history, lists and numbers, refused."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway, soon
from tests.journeys.people import Person
from tests.journeys.server import LiveServer

UNKNOWN = "01a1fe7c-fd55-7522-b404-82245d7bd536"


@pytest.fixture
def person(live_server: LiveServer) -> Person:
    return Person(live_server.url)


def rate(person: Person, **body: Any) -> requests.Response:
    return person.call("POST", "/api/ratings", json=body)


def test_an_answer_is_rated_and_shows_so_in_the_history_and_the_numbers(person: Person) -> None:
    said = person.chat("Name a tree")
    reply = rate(person, prompt_id=said["prompt_id"], rating=4, feedback="a fine tree")
    assert reply.status_code == 200, reply.text
    data = reply.json()["data"]
    assert (data["prompt_id"], data["rating"], data["feedback"]) == (said["prompt_id"], 4, "a fine tree")
    assert (data["model"], data["provider"]) == (said["model"], said["provider"])
    history = person.get("/llm/get-conversation-history", conversation_id=said["conversation_id"]).json()["data"]
    assert [row["rating"] for row in history["messages"]] == [None, 4]
    told = person.get("/stats").json()
    assert (told["average_rating"], told["model_ratings"]) == (4.0, {said["model"]: 4.0})


def test_a_rating_at_the_short_door_replaces_one_of_the_app_door(person: Person) -> None:
    said = person.chat("Name a tree")
    rate(person, prompt_id=said["prompt_id"], rating=1, feedback="no tree")
    reply = person.call("POST", "/rate", json={"prompt_id": said["prompt_id"], "rating": 5, "model": said["model"]})
    assert reply.status_code == 200, reply.text
    assert (reply.json()["rating"], reply.json()["feedback"]) == (5, None)
    assert person.get("/stats").json()["average_rating"] == 5.0
    wrong = person.call("POST", "/rate", json={"prompt_id": said["prompt_id"], "rating": 5, "model": "another"})
    assert (wrong.status_code, wrong.json()["error"]["details"]["field"]) == (400, "model")


def test_an_answer_at_the_openai_door_is_rated_too(person: Person) -> None:
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    prompt_id = person.call("POST", "/v1/chat/completions", json=body).json()["id"]
    assert rate(person, prompt_id=prompt_id, rating=3).status_code == 200


@pytest.mark.parametrize(
    "rating", ["0", "6", "4.5", "5.0", "NaN", "true", '"5"', "null", "1e0", "99999999999999999999"]
)
def test_fault_9_10_what_is_no_rating_from_1_to_5_is_400(rating: str, person: Person) -> None:
    raw = f'{{"prompt_id": "{person.chat("Hi")["prompt_id"]}", "rating": {rating}}}'
    for path in ("/api/ratings", "/rate"):
        reply = person.call("POST", path, data=raw, headers={"Content-Type": "application/json"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_request"), reply.text


def test_fault_9_10_anothers_prompt_is_404_like_an_unknown_one(person: Person, live_server: LiveServer) -> None:
    prompt_id = Person(live_server.url).chat("Mine")["prompt_id"]
    foreign, unknown = rate(person, prompt_id=prompt_id, rating=1), rate(person, prompt_id=UNKNOWN, rating=1)
    assert (foreign.status_code, foreign.text) == (404, unknown.text)
    assert person.get("/stats").json()["average_rating"] is None


@pytest.mark.parametrize("size", [10_001, 9_000_000, 10 * 2**20])
def test_fault_9_10_a_feedback_of_10_mb_is_413(size: int, person: Person) -> None:
    reply = rate(person, prompt_id=person.chat("Hi")["prompt_id"], rating=5, feedback="x" * size)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")
    assert person.get("/stats").json()["average_rating"] is None


def test_a_chat_that_was_never_answered_cannot_be_rated(gateway: Gateway) -> None:
    gateway.all_providers("status-400")
    failed = gateway.post("/llm/chat", {"message": "Hi", "model": GROQ})
    prompt_id = failed.headers["x-request-id"]
    gateway.settled(prompt_id)
    reply = gateway.post("/api/ratings", {"prompt_id": prompt_id, "rating": 1})
    assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, "prompt_id")


def test_everybodys_average_shows_in_the_list_of_models_on_every_worker(any_gateway: Gateway) -> None:
    ratings = [5, 2]
    for rating in ratings:
        someone = any_gateway.user()
        body = {"message": "Hi", "model": "gemini-2.0-flash"}
        said = any_gateway.post("/llm/chat", body, headers=someone).json()["data"]
        reply = any_gateway.post("/api/ratings", {"prompt_id": said["prompt_id"], "rating": rating}, headers=someone)
        assert reply.status_code == 200, reply.text

    def shown() -> bool:
        with any_gateway.fresh_connections():
            rows = any_gateway.get("/models").json()["models"]
        (row,) = [row for row in rows if row["name"] == "gemini-2.0-flash"]
        return bool(row["average_rating"] == 3.5)

    for _ in range(4):  # whichever worker answers
        soon(shown, 5)
