"""Limits as the scripts hold them, the same on Redis and on the embedded server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from app.domain.caller import Bound, Limits
from app.domain.errors import DomainError, InvalidRequest, RateLimited
from app.domain.hot import Admission, Admitted, HotSettlement
from app.stores.chat_state import ChatState
from app.stores.scripts import ScriptRunner
from tests.stores.redis_support import KINDS, runner_of


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[ScriptRunner]:
    made = runner_of(request.param)
    yield made
    made.close()


@pytest.fixture
def door(runner: ScriptRunner) -> Door:
    return Door(runner)


class Door:
    """Lets chats in past bounds whose ids nobody else has; shifts what is counted back in time."""

    def __init__(self, runner: ScriptRunner) -> None:
        self.runner = runner
        self.state = ChatState(runner, ttl=60, max_messages=40, max_tokens=8000)
        self._ids: dict[str, str] = {}

    def bound(self, scope: str, **limits: int) -> Bound:
        name = self._ids.setdefault(scope, uuid.uuid4().hex)
        return Bound(scope, name, Limits(**limits))  # type: ignore[arg-type]

    def let_in(self, *bounds: Bound, prompt: str | None = None, **asked: Any) -> tuple[str, Admitted]:
        prompt = prompt or uuid.uuid4().hex
        asked = {"lease_ms": 60_000, **asked}
        return prompt, self.state.admit(Admission(prompt, "u", None, "m", None, bounds=bounds, **asked))

    def refusal(self, *bounds: Bound, **asked: Any) -> DomainError:
        with pytest.raises(DomainError) as refused:
            self.let_in(*bounds, **asked)
        return refused.value

    def settle(
        self, prompt: str, *bounds: Bound, held: int = 0, used: int = 0, void: bool = False, alone: bool = False
    ) -> None:
        self.state.settle(
            HotSettlement(
                prompt,
                "u",
                None,
                None,
                None,
                -1,
                (),
                None,
                "m",
                bounds=bounds,
                held_tokens=held,
                used_tokens=used,
                void=void,
                alone=alone,
            )
        )

    def key(self, kind: str, bound: Bound) -> str:
        return f"v1:{kind}:{bound.scope}:{bound.id}"

    def age(self, kind: str, bound: Bound, ms: int) -> None:
        """As if so much time had gone by since all that is counted."""
        key = self.key(kind, bound)
        flat = self.runner.command("ZRANGE", key, 0, -1, "WITHSCORES")
        for member, score in zip(flat[::2], flat[1::2], strict=True):
            if score != b"inf":
                self.runner.command("ZADD", key, str(int(float(score)) - ms), member)

    def everything(self, *bounds: Bound) -> list[Any]:
        keys = [self.key(kind, bound) for kind in ("rl", "rt", "cc") for bound in bounds]
        return [self.runner.command("ZRANGE", key, 0, -1, "WITHSCORES") for key in keys]


def test_a_limit_of_n_requests_a_minute_admits_exactly_n(door: Door) -> None:
    user = door.bound("user", rpm=3)
    left = [door.let_in(user)[1].standing.requests.left for _ in range(3)]  # type: ignore[union-attr]
    refused = door.refusal(user)
    assert left == [2, 1, 0]
    assert isinstance(refused, RateLimited)
    assert refused.details == {"limit": "user", "reason": "requests"}
    assert 59 < (refused.retry_after or 0) <= 60


def test_a_window_is_any_sixty_seconds(door: Door) -> None:
    user = door.bound("user", rpm=2)
    door.let_in(user)
    door.age("rl", user, 30_000)
    door.let_in(user)
    assert 29 < (door.refusal(user).retry_after or 0) <= 30
    door.age("rl", user, 30_000)
    standing = door.let_in(user)[1].standing
    assert standing is not None
    assert standing.requests is not None
    assert 29 < standing.requests.reset <= 30
    door.refusal(user)


def test_fault_5_04_a_refusal_uses_up_nothing_anywhere_and_names_the_limit_that_bit(door: Door) -> None:
    key, user = door.bound("key", rpm=5, tpm=1000, concurrency=9), door.bound("user", rpm=9, concurrency=9)
    model = door.bound("model", rpm=2, tpm=1000)
    for _ in range(2):
        door.let_in(key, user, model, prompt_tokens=10)
    before = door.everything(key, user, model)
    assert door.refusal(key, user, model, prompt_tokens=10).details == {"limit": "model", "reason": "requests"}
    assert door.everything(key, user, model) == before
    for _ in range(3):
        door.let_in(key, user, prompt_tokens=10)
    assert door.refusal(key, user, model).details == {"limit": "key", "reason": "requests"}


def test_fault_5_04_a_thousand_at_once_on_a_limit_of_sixty(door: Door) -> None:
    key = door.bound("key", rpm=60)

    def knock() -> int:
        try:
            door.let_in(key)
        except RateLimited:
            return 0
        return 1

    knocks = [gevent.spawn(knock) for _ in range(1000)]
    gevent.joinall(knocks, raise_error=True)
    assert sum(greenlet.value for greenlet in knocks) == 60


def test_requests_at_once_are_counted_until_they_settle_or_their_lease_ends(door: Door) -> None:
    user = door.bound("user", concurrency=2)
    first, _ = door.let_in(user)
    door.let_in(user)
    refused = door.refusal(user)
    assert (refused.details, refused.retry_after) == ({"limit": "user", "reason": "concurrency"}, 1.0)
    door.settle(first, user)
    door.let_in(user)
    door.refusal(user)
    door.age("cc", user, 60_000)
    door.let_in(user)


def test_tokens_that_were_too_many_go_back_at_settle_and_the_rest_leaves_with_its_minute(door: Door) -> None:
    user = door.bound("user", tpm=1000)
    first, admitted = door.let_in(user, prompt_tokens=100, answer_tokens=800)
    assert admitted.tokens == 900
    assert door.refusal(user, prompt_tokens=101).details == {"limit": "user", "reason": "tokens"}
    door.settle(first, user, held=900, used=400)
    standing = door.let_in(user, prompt_tokens=600)[1].standing
    assert standing is not None
    assert (standing.tokens.limit, standing.tokens.left) == (1000, 0)  # type: ignore[union-attr]
    door.age("rt", user, 60_000)
    door.let_in(user, prompt_tokens=1000)


def test_tokens_on_top_count_from_the_settle_on(door: Door) -> None:
    user = door.bound("user", tpm=1000)
    first, _ = door.let_in(user, prompt_tokens=100)
    door.age("rt", user, 59_000)
    door.settle(first, user, held=100, used=700)
    assert door.let_in(user, prompt_tokens=300)[0]
    door.age("rt", user, 2_000)
    refused = door.refusal(user, prompt_tokens=200)
    assert 55 < (refused.retry_after or 0) <= 58
    door.let_in(user, prompt_tokens=100)


def test_a_settle_told_twice_gives_back_once(door: Door) -> None:
    user = door.bound("user", tpm=1000)
    first, _ = door.let_in(user, prompt_tokens=500)
    for _ in range(2):
        door.settle(first, user, held=500, used=100)
    door.refusal(user, prompt_tokens=901)
    door.let_in(user, prompt_tokens=900)


def test_a_request_larger_than_the_whole_limit_is_told_so_at_once(door: Door) -> None:
    user = door.bound("user", tpm=100)
    for asked in ({"prompt_tokens": 101}, {"prompt_tokens": 50, "answer_tokens": 51, "answer_capped": True}):
        refused = door.refusal(user, **asked)
        assert isinstance(refused, InvalidRequest)
        assert refused.details == {"limit": "user", "reason": "tokens"}
    assert door.let_in(user, prompt_tokens=50, answer_tokens=512)[1].tokens == 100


def test_what_was_never_accepted_is_not_counted(door: Door) -> None:
    user = door.bound("user", rpm=1, tpm=100, concurrency=1)
    for _ in range(3):
        prompt, admitted = door.let_in(user, prompt_tokens=10)
        door.settle(prompt, user, held=admitted.tokens, void=True)


def test_the_standing_is_that_of_the_limit_with_the_least_left(door: Door) -> None:
    key, user = door.bound("key", rpm=100, tpm=50), door.bound("user", rpm=7, tpm=5000)
    standing = door.let_in(key, user, prompt_tokens=20)[1].standing
    assert standing is not None
    assert (standing.requests.limit, standing.requests.left) == (7, 6)  # type: ignore[union-attr]
    assert (standing.tokens.limit, standing.tokens.left) == (50, 30)  # type: ignore[union-attr]
    assert standing.requests.reset == 60  # type: ignore[union-attr]


def test_without_limits_there_is_no_standing(door: Door) -> None:
    standing = door.let_in()[1].standing
    assert standing is not None
    assert (standing.requests, standing.tokens) == (None, None)


def test_a_lowered_limit_waits_until_as_many_have_left(door: Door) -> None:
    user = door.bound("user", rpm=3)
    for _ in range(3):
        door.let_in(user)
        door.age("rl", user, 10_000)
    assert 49 < (door.refusal(door.bound("user", rpm=1)).retry_after or 0) <= 50


@pytest.mark.parametrize("kind", ["rl", "rt", "cc"])
def test_a_key_of_another_type_is_thrown_away(door: Door, kind: str) -> None:
    user = door.bound("user", rpm=1, tpm=100, concurrency=1)
    door.runner.command("SET", door.key(kind, user), "planted")
    door.let_in(user, prompt_tokens=100)
    refused = door.refusal(user, prompt_tokens=100)
    assert refused.details["limit"] == "user"


def test_what_was_let_in_while_redis_was_away_counts_once_it_is_told(door: Door) -> None:
    user = door.bound("user", rpm=2, concurrency=1)
    for _ in range(2):
        door.settle("told twice", user, alone=True)
    door.let_in(user)
    assert door.refusal(user).details == {"limit": "user", "reason": "requests"}
