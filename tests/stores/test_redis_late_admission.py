"""An admission that Redis counted, whose reply came too late, and that was refused here: nothing of it stays."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import pytest

from app.domain.caller import Budget, Caller, Limits
from app.domain.catalogue import Candidate, Plan
from app.domain.errors import Unavailable
from app.domain.hot import Admission
from app.services.chat.entry import Entry
from app.services.chat.run import ChatRun
from app.services.ledger.away import Away
from app.services.ledger.bounds import BoundsBook
from app.services.ledger.treasury import Treasury
from app.stores.chat_state import FLY, ChatState
from app.stores.scripts import Argument, Reply, Script, ScriptRunner
from app.utils.clock import monotonic, utcnow
from tests.stores.redis_support import KINDS, runner_of
from tests.unit.chat.chat_house import ROWS, NothingSpent, request

ADMIT = Script.load("admit", "conversation", "gates", "budget")


class LateRunner:
    """While `late`, an admission is run and its reply is not heard; nothing else is run."""

    def __init__(self, runner: ScriptRunner) -> None:
        self.late = False
        self.command = runner.command
        self._runner = runner

    def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Reply:
        if not self.late:
            return self._runner.run(script, keys, args)
        if script.sha1 == ADMIT.sha1:
            self._runner.run(script, keys, args)
        raise Unavailable("no reply in time")


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[LateRunner]:
    made = runner_of(request.param)
    yield LateRunner(made)
    made.close()


@pytest.mark.parametrize("mode", ["closed", "open"])
def test_what_redis_counted_too_late_goes_back_before_the_next_admission(runner: LateRunner, mode: str) -> None:
    user = uuid.uuid4().hex
    caller = Caller(user, "ann", "user", limits=Limits(1, 10_000, 1), budget=Budget(10**12, "total"))
    asked: list[Admission] = []
    treasury = Treasury(
        ChatState(runner, ttl=60, max_messages=40, max_tokens=8_000), NothingSpent(), Away(mode, 1, NothingSpent())
    )
    entry = Entry(
        treasury,
        BoundsBook(60, lambda: None),
        lambda epochs: None,
        lease_ms=60_000,
        slice_tokens=8,
        intends=asked.append,
    )

    def admit() -> ChatRun:
        chat = ChatRun(request(caller=caller), Plan((Candidate(ROWS[0], (), "asked for"),)), monotonic(), utcnow())
        entry.admit(chat)
        return chat

    def held(prompt_id: str) -> tuple[bool, bool]:
        lease = runner.command("HEXISTS", f"v1:bud:user:{user}:total", f"l:{prompt_id}")
        return runner.command("ZSCORE", FLY, prompt_id) is not None, bool(lease)

    admit()  # builds the budget
    treasury.give_back(asked[-1])
    runner.late = True
    with pytest.raises(Unavailable):
        admit()
    refused = asked[-1].prompt_id
    assert held(refused) == (True, True)
    runner.late = False
    second = admit()  # one a minute, one at once: there is a place only where the refused one's is free again
    assert held(refused) == (False, False)
    assert held(second.request.prompt_id) == (True, True)
    treasury.give_back(asked[-1])
