"""The learned strategy in the running service: chats and ratings become beliefs that all workers go by."""

from __future__ import annotations

from typing import Any

from tests.journeys.gateway import Gateway, soon

CODE = "Write a function in Python that reverses a list"


def learned(gateway: Gateway) -> list[dict[str, Any]]:
    return gateway.sql("SELECT model, samples, ratings FROM bandit WHERE kind = 'code'")


def test_a_learned_choice_and_its_rating_become_evidence(any_gateway: Gateway) -> None:
    before = sum(row["samples"] for row in learned(any_gateway))
    said = any_gateway.say(CODE, strategy="learned")
    receipt = any_gateway.receipt(said["prompt_id"])
    assert receipt["attempts"][0]["reason"] == "learned"
    any_gateway.post("/api/ratings", {"prompt_id": said["prompt_id"], "rating": 5})
    name = f"{said['provider']}/{said['model']}"
    rows = soon(
        lambda: [row for row in learned(any_gateway) if row["model"] == name and row["ratings"] > 0], 10, "not learned"
    )
    assert rows
    assert sum(row["samples"] for row in learned(any_gateway)) >= before + 2


def test_every_door_takes_the_strategy(gateway: Gateway) -> None:
    reply = gateway.openai(CODE, strategy="learned")
    assert reply.status_code == 200, reply.text
    assert gateway.receipt(reply.json()["id"])["attempts"][0]["reason"] == "learned"


def test_an_answer_that_is_asked_anew_is_held_against_its_model(gateway: Gateway) -> None:
    said = gateway.say(CODE, strategy="learned")
    again = gateway.say(CODE, strategy="learned", conversation_id=said["conversation_id"], replaces=said["prompt_id"])

    def weight() -> bool:
        query = "SELECT good, weight FROM bandit WHERE kind = 'code' AND model = :model"
        (row,) = gateway.sql(query, model=f"{said['provider']}/{said['model']}") or [{"good": 0, "weight": 0}]
        return bool(row["weight"] - row["good"] > 1)

    soon(weight, 10, "nothing is held against it")
    assert again["prompt_id"] != said["prompt_id"]


def test_an_admin_is_shown_what_is_believed_and_why(gateway: Gateway) -> None:
    gateway.say(CODE, strategy="learned")

    def code() -> dict[str, Any] | None:
        data = gateway.get("/api/admin/routing").json()["data"]
        (found,) = [kind for kind in data["kinds"] if kind["kind"] == "code"]
        return found if any(model["samples"] for model in found["models"]) else None

    found = soon(code, 10, "nothing is believed")
    assert found is not None
    seen = next(model for model in found["models"] if model["samples"])
    assert 0 <= seen["low"] <= seen["mean"] <= seen["high"] <= 1
    assert seen["latency_ms"] >= 0
    assert "seen" in seen["why"]
    data = gateway.get("/api/admin/routing").json()["data"]
    assert data["weights"] == {"cost": 0.2, "latency": 0.1}
    assert gateway.get("/api/admin/routing", headers=gateway.user()).status_code == 403
