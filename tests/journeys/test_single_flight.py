"""Equal requests in flight share one call of a provider, and nothing else: fault 9.5."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway, events, soon, text_of
from tests.journeys.people import Person
from tests.journeys.raw_client import RawClient
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import EmulatedProviders


@pytest.fixture(scope="module")
def embedded_shared(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("shared"), upstream_process, {"CACHE": "app"}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def real_shared(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with own_redis() as redis_url, own_postgres() as database_url:
        env = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "2", "CACHE": "app"}
        with Gateway(tmp_path_factory.mktemp("shared-real"), upstream_process, env) as gateway:
            soon(lambda: len(gateway.workers()) == 2)
            yield gateway


@pytest.fixture
def shared(embedded_shared: Gateway, upstream: EmulatedProviders) -> Iterator[Gateway]:
    yield embedded_shared
    embedded_shared.recover()


@pytest.fixture
def workers(real_shared: Gateway, upstream: EmulatedProviders) -> Iterator[Gateway]:
    yield real_shared
    real_shared.recover()


def fresh() -> str:
    return f"all of us ask this {uuid.uuid4().hex}"


@dataclass
class Asker:
    """One who asks on a thread of its own. told: its events, status: of the reply."""

    gateway: Gateway
    question: str
    stream: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    told: list[tuple[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    head: dict[str, str] = field(default_factory=dict)
    began: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def begin(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            self._ask()
        except Exception as error:
            self.error = error

    def _ask(self) -> None:
        body = {"message": self.question, "model": GROQ, "stream": self.stream}
        headers = {"Authorization": f"Bearer {self.gateway.key}", **self.headers}
        url = f"{self.gateway.url}/llm/chat"
        with requests.post(url, json=body, headers=headers, stream=self.stream, timeout=40) as reply:
            self.status, self.head = reply.status_code, dict(reply.headers.lower_items())  # type: ignore[attr-defined]
            self.began.set()
            if reply.status_code != 200:
                self.data = reply.json()["error"]
            elif self.stream:
                for name, data in events(reply):
                    if name:
                        self.told.append((name, data))
                self.data = self.told[-1][1]
            else:
                self.data = reply.json()["data"]

    @property
    def text(self) -> str:
        return text_of(self.told) if self.stream else self.data["text"]

    @property
    def whole(self) -> bool:
        return self.error is None and self.status == 200 and (not self.stream or self.told[-1][0] == "end")


def together(askers: list[Asker]) -> list[Asker]:
    threads = [asker.begin() for asker in askers]
    for thread in threads:
        thread.join(60)
    return askers


def calls(gateway: Gateway) -> list[dict[str, Any]]:
    return [entry for entry in gateway.upstream.log() if entry["method"] == "POST"]


def rows_of(gateway: Gateway, askers: list[Asker]) -> list[dict[str, Any]]:
    return [gateway.settled(asker.data["prompt_id"]) for asker in askers]


def after_some(gateway: Gateway, asker: Asker, deltas: int = 3) -> None:
    soon(lambda: sum(name == "delta" for name, _ in asker.told) >= deltas, 10, "nothing was heard")


@pytest.mark.parametrize("house", ["embedded_shared", "real_shared"])
def test_fault_9_05_a_hundred_equal_requests_are_one_call(
    house: str, request: pytest.FixtureRequest, upstream: EmulatedProviders
) -> None:
    gateway: Gateway = request.getfixturevalue(house)
    upstream.behave("tick-60+chunks-30-of-20", model=GROQ)
    question = fresh()
    askers = together([Asker(gateway, question, stream=n % 4 != 0) for n in range(100)])
    assert [asker.error for asker in askers if not asker.whole] == []
    assert all(asker.whole for asker in askers)
    assert len({asker.text for asker in askers}) == 1
    assert len(calls(gateway)) == 1
    assert len({asker.data["prompt_id"] for asker in askers}) == 100
    rows = rows_of(gateway, askers)
    assert [row["state"] for row in rows] == ["complete"] * 100
    paid = [row for row in rows if row["charge"]]
    assert len(paid) == 1
    assert not paid[0]["cached"]
    assert sum(bool(row["cached"]) for row in rows) == 99
    assert len({asker.data["conversation_id"] for asker in askers}) == 100


def test_one_who_joins_late_hears_it_from_its_beginning(shared: Gateway) -> None:
    shared.behave("tick-80+chunks-20-of-20")
    question = fresh()
    first = Asker(shared, question)
    thread = first.begin()
    after_some(shared, first, 5)
    second = Asker(shared, question)
    other = second.begin()
    after_some(shared, second, 3)
    assert first.told[-1][0] != "end", "it was told as it came, not once all was there"
    thread.join(20)
    other.join(20)
    assert second.text == first.text
    assert len(calls(shared)) == 1


def test_fault_9_05_the_first_may_leave_without_ending_it_for_the_rest(shared: Gateway) -> None:
    shared.behave("tick-80+chunks-30-of-20")
    question = fresh()
    with RawClient(shared, "/llm/chat", {"message": question, "model": GROQ, "stream": True}) as first:
        first.read_until(b"event: delta")
        rest = [Asker(shared, question) for _ in range(9)]
        threads = [asker.begin() for asker in rest]
        for asker in rest:
            after_some(shared, asker)
        prompt_id = first.prompt_id
        first.reset()
    left = shared.settled(prompt_id)
    assert left["state"] == "client_gone"
    assert any(asker.told[-1][0] != "end" for asker in rest), "its row waited for the others' end"
    for thread in threads:
        thread.join(30)
    assert all(asker.whole for asker in rest)
    assert len(calls(shared)) == 1
    rows = rows_of(shared, rest)
    assert [row["state"] for row in rows] == ["complete"] * 9
    assert (left["charge"], sum(bool(row["charge"]) for row in rows)) == (0, 1)


def in_flight(gateway: Gateway) -> int:
    found = re.search(r"^requests_in_flight (\d+)", gateway.get("/metrics").text, re.M)
    assert found
    return int(found[1])


def test_who_joined_and_pays_in_the_end_is_not_told_of_a_hit(shared: Gateway) -> None:
    shared.behave("tick-80+chunks-40-of-20")
    question = fresh()
    soon(lambda: in_flight(shared) == 0)
    with RawClient(shared, "/llm/chat", {"message": question, "model": GROQ, "stream": True}) as first:
        first.read_until(b"event: delta")
        joined = Asker(shared, question, stream=False)
        thread = joined.begin()
        soon(lambda: in_flight(shared) == 2)
        first.reset()
    thread.join(30)
    row = shared.settled(joined.data["prompt_id"])
    assert (row["cached"], joined.data["cached"]) == (False, False)
    assert len(calls(shared)) == 1
    assert joined.head["x-cache"] == "miss"
    assert float(joined.head["x-cost-usd"]) == row["charge"] / 10**9


def test_a_call_that_nobody_hears_any_more_ends(shared: Gateway) -> None:
    shared.behave("tick-80+chunks-200-of-20")
    question = fresh()
    clients = [RawClient(shared, "/llm/chat", {"message": question, "model": GROQ, "stream": True}) for _ in range(3)]
    for client in clients:
        client.read_until(b"event: delta")
    for client in clients:
        client.reset()
    rows = [shared.settled(client.prompt_id) for client in clients]
    assert {row["state"] for row in rows} == {"client_gone"}
    assert sum(bool(row["charge"]) for row in rows) == 1
    soon(lambda: calls(shared)[0]["left"], 3, "the provider was not let go")


def test_fault_9_05_the_first_may_run_out_of_money(shared: Gateway) -> None:
    shared.behave("tick-20+chunks-100-of-40")
    person = Person(shared.url)

    def key(**limits: Any) -> dict[str, str]:
        made = person.call("POST", "/api/keys", json={"name": "k", "rpm": 100_000, **limits})
        return {"Authorization": f"Bearer {made.json()['data']['key']}"}

    question = fresh()
    poor = Asker(shared, question, headers=key(budget={"amount": 40_000 / 10**9, "period": "total"}))
    rich = [Asker(shared, question, headers=key()) for _ in range(5)]
    threads = [poor.begin()]
    after_some(shared, poor, 1)
    threads += [asker.begin() for asker in rich]
    for thread in threads:
        thread.join(30)
    assert poor.told[-1][0] == "error"
    assert poor.told[-1][1]["code"] == "budget_exceeded"
    assert all(asker.whole for asker in rich)
    assert len(calls(shared)) == 1
    assert sum(bool(row["charge"]) for row in rows_of(shared, rich)) == 1


def test_fault_9_05_one_without_money_or_rights_does_not_join(shared: Gateway) -> None:
    shared.behave("tick-80+chunks-20-of-20")
    person = Person(shared.url)

    def key(**limits: Any) -> dict[str, str]:
        made = person.call("POST", "/api/keys", json={"name": "k", "rpm": 100_000, **limits})
        return {"Authorization": f"Bearer {made.json()['data']['key']}"}

    question = fresh()
    first = Asker(shared, question, headers=key())
    thread = first.begin()
    after_some(shared, first, 1)
    poor = Asker(shared, question, headers=key(budget={"amount": 1 / 10**9, "period": "total"}))
    barred = Asker(shared, question, headers=key(models=["gemini-2.0-flash"]))
    stranger = Asker(shared, question, stream=False)
    together([poor, barred, stranger])
    thread.join(20)
    assert (poor.status, poor.data["code"]) == (402, "budget_exceeded")
    assert (barred.status, barred.data["code"]) == (403, "forbidden")
    assert first.whole
    assert stranger.data["cached"] is False
    assert len(calls(shared)) == 2


def test_fault_9_05_the_provider_may_fail_before_its_first_word(shared: Gateway) -> None:
    shared.behave("status-500")
    question = fresh()
    askers = together([Asker(shared, question, stream=n % 2 == 0) for n in range(20)])
    assert all(asker.whole for asker in askers)
    assert len({asker.text for asker in askers}) == 1
    assert {asker.data["fallback"] for asker in askers} == {True}
    assert len([call for call in calls(shared) if call["status"] == 200]) == 1


def test_fault_9_05_the_provider_may_break_off_before_all_ears(shared: Gateway) -> None:
    shared.behave("tick-150+chunks-40-of-20+cut-after-20")
    question = fresh()
    askers = together([Asker(shared, question, stream=n % 2 == 0) for n in range(12)])
    assert all(asker.whole for asker in askers)
    assert len({asker.text for asker in askers}) == 1
    assert len(calls(shared)) == 2


def test_fault_9_05_where_all_providers_fail_all_are_told_so(shared: Gateway) -> None:
    shared.all_providers("status-500")
    question = fresh()
    askers = together([Asker(shared, question, stream=n % 2 == 0) for n in range(10)])
    assert {(asker.status, asker.data["code"]) for asker in askers} == {(502, "upstream_failed")}


def test_fault_9_05_a_slow_reader_slows_nobody(shared: Gateway) -> None:
    shared.behave("tick-15+chunks-300-of-4096")
    question = fresh()
    body = {"message": question, "model": GROQ, "stream": True}
    with RawClient(shared, "/llm/chat", body, receive_buffer=4096) as slow:
        soon(lambda: calls(shared))
        began = time.monotonic()
        rest = together([Asker(shared, question) for _ in range(5)])
        took = time.monotonic() - began
        assert all(asker.whole for asker in rest)
        assert len({asker.text for asker in rest}) == 1
        assert took < 20
        assert len(calls(shared)) == 1
        assert slow.read_reply(20)


def test_a_stream_that_joins_one_in_a_single_piece_gets_pieces_at_its_end(shared: Gateway) -> None:
    shared.behave("slow-700+chunks-40-of-20")
    question = fresh()
    whole = Asker(shared, question, stream=False)
    thread = whole.begin()
    soon(lambda: calls(shared))
    streamed = Asker(shared, question)
    other = streamed.begin()
    thread.join(20)
    other.join(20)
    assert streamed.text == whole.text
    assert sum(name == "delta" for name, _ in streamed.told) > 5
    assert len(calls(shared)) == 1


def worker_of(gateway: Gateway, asker: Asker) -> int:
    """The worker that serves this one: the one with the most sockets is no proof, so its journal is looked at."""
    prompt_id = asker.told[0][1]["prompt_id"]
    folder = gateway.server.folder / "instance" / "journal"
    for file in folder.iterdir():
        if prompt_id.encode() in file.read_bytes():
            for pid in gateway.workers():
                links = os.listdir(f"/proc/{pid}/fd")
                if any(_target(pid, link) == str(file) for link in links):
                    return pid
    raise AssertionError("nobody serves it")


def _target(pid: int, link: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{link}")
    except OSError:
        return ""


def test_fault_9_05_the_firsts_worker_may_be_killed(workers: Gateway) -> None:
    workers.behave("tick-100+chunks-60-of-20", to_leavers=True)
    question = fresh()
    first = Asker(workers, question)
    thread = first.begin()
    after_some(workers, first)
    pid = worker_of(workers, first)
    others = [Asker(workers, question, stream=n % 2 == 0) for n in range(12)]
    threads = [asker.begin() for asker in others]
    soon(lambda: _admitted(workers, 13), 10, "they did not all come in")
    os.kill(pid, signal.SIGKILL)
    for one in (thread, *threads):
        one.join(60)
    there = [asker for asker in others if asker.error is None]
    assert there, "all of them were at the worker that died"
    assert all(asker.whole for asker in there)
    assert len({asker.text for asker in there}) == 1
    assert len(calls(workers)) == 2


def _admitted(gateway: Gateway, n: int) -> bool:
    client = gateway.redis()
    assert client is not None
    return bool(client.zcard("v1:fly") >= n)


def test_a_worker_waits_for_what_the_other_is_asking(workers: Gateway) -> None:
    workers.behave("tick-40+chunks-20-of-20")
    question = fresh()
    askers = together([Asker(workers, question, stream=n % 2 == 0) for n in range(30)])
    assert all(asker.whole for asker in askers)
    assert len(calls(workers)) == 1
    client = workers.redis()
    assert client is not None
    soon(lambda: not client.keys("v1:flight:*"), 3, "a claim was left")
