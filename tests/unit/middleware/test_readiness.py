"""A node says that it takes no chat only where it takes none, and what ails it where it does."""

from __future__ import annotations

import pytest
from flask import Flask

from app.domain.errors import Unavailable
from app.middleware import doorway
from app.middleware.readiness import Readiness, State
from app.routes import docs, health


class House:
    """Two stores that can be taken away, a drain, and a clock."""

    def __init__(self, *, redis_required: bool = False) -> None:
        self.away: set[str] = set()
        self.draining = False
        self.now = 0.0
        self.asked = 0
        self.readiness = Readiness(
            {"database": self._probe("database"), "redis": self._probe("redis"), "memory": lambda: ("off", "no")},
            {"draining": lambda: self.draining},
            redis_required=redis_required,
            clock=lambda: self.now,
        )

    def _probe(self, name: str):  # type: ignore[no-untyped-def]
        def probe() -> tuple[State, str]:
            self.asked += 1
            if name in self.away:
                raise Unavailable(f"{name} does not answer")
            return "ok", "answers"

        return probe

    def at(self, now: float) -> tuple[str, str | None]:
        self.now = now
        report = self.readiness.report()
        return report.status, report.refusal


def test_all_well_is_ok_and_what_is_off_by_choice_degrades_nothing() -> None:
    assert House().at(0) == ("ok", None)


@pytest.mark.parametrize("store", ["database", "redis"])
def test_one_store_away_is_degraded_but_takes_chats(store: str) -> None:
    house = House()
    house.away = {store}
    assert house.at(1) == ("degraded", None)
    assert house.at(1000) == ("degraded", None)


def test_both_stores_away_takes_chats_for_60_seconds_and_again_when_one_is_back() -> None:
    house = House()
    house.at(0)
    house.away = {"database", "redis"}
    assert house.at(1) == ("degraded", None)
    assert house.at(59) == ("degraded", None)
    assert house.at(60) == ("degraded", "both stores are away")
    house.away = {"redis"}
    assert house.at(61) == ("degraded", None)
    house.away = {"database", "redis"}
    assert house.at(62) == ("degraded", None)


def test_redis_away_refuses_where_it_is_required() -> None:
    house = House(redis_required=True)
    house.away = {"redis"}
    assert house.at(1) == ("degraded", "redis is away")


def test_a_draining_node_refuses_at_once_though_its_stores_were_just_asked() -> None:
    house = House()
    house.at(1)
    house.draining = True
    assert house.at(1.1) == ("degraded", "draining")


def test_the_stores_are_asked_at_most_twice_a_second() -> None:
    house = House()
    for step in range(10):
        house.at(1 + step * 0.1)
    assert house.asked == 2 * 2


def test_ready_is_503_with_the_reason_where_no_chat_is_taken() -> None:
    house = House()
    app = Flask("ready", static_folder=None)
    docs.register(app, [health.blueprint(house.readiness)], "0")
    doorway.register(app)
    client = app.test_client()
    assert (client.get("/api/ready").status_code, client.get("/api/ready").get_json()["status"]) == (200, "ok")
    house.draining = True
    reply = client.get("/api/ready")
    shown = reply.get_json()
    assert (reply.status_code, shown["status"], shown["takes_chats"]) == (503, "degraded", False)
    assert shown["reason"] == "draining"
    assert {row["name"]: row["state"] for row in shown["dependencies"]} == {
        "database": "ok",
        "redis": "ok",
        "memory": "off",
    }
    assert client.get("/api/health").status_code == 200
