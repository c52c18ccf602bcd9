"""The hot state of chats, the same on Redis and on the embedded server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Unavailable
from app.domain.hot import Admission, Admitted, HotSettlement, HotWindow
from app.domain.ledger import StoredMessage
from app.stores.chat_state import ChatState
from app.stores.scripts import Argument, Reply, Script, ScriptRunner
from tests.stores.redis_support import KINDS, runner_of, until

AWKWARD = 'é\u202eשלום 👩‍👩‍👧 "\\ \x00 \n\r\t %d :1:2 ' + "x" * 3000
NOW = datetime(2026, 11, 21, 13, 52, 29, 123456, tzinfo=UTC)


class Flaky:
    """A runner whose trips can be cut: before the script ran, or after it, so that only the reply is lost."""

    def __init__(self, runner: ScriptRunner) -> None:
        self.runner = runner
        self.away = False
        self.lose_reply = False

    def run(self, script: Script, keys: list[Argument], args: list[Argument]) -> Reply:
        if self.away:
            raise Unavailable("cut")
        reply = self.runner.run(script, keys, args)
        if self.lose_reply:
            raise Unavailable("the reply was lost")
        return reply

    def command(self, *words: Argument) -> Reply:
        if self.away:
            raise Unavailable("cut")
        return self.runner.command(*words)

    def close(self) -> None:
        self.runner.close()


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[Flaky]:
    flaky = Flaky(runner_of(request.param))
    yield flaky
    flaky.close()


class Talk:
    """One user's conversation, spoken to as the orchestrator does."""

    def __init__(self, runner: ScriptRunner, **limits: int) -> None:
        self.runner = runner
        self.user = uuid.uuid4().hex
        self.public_id = "main"
        self.state = self.another_worker(**limits)
        self._count = 0

    def another_worker(self, **limits: int) -> ChatState:
        return ChatState(self.runner, **{"ttl": 60, "max_messages": 40, "max_tokens": 8000, **limits})

    def prompt(self) -> str:
        self._count += 1
        return f"{self.user[:8]}-{self._count:06d}"

    def admit(self, prompt: str, proposed: str | None = "row", lease_ms: int = 60_000) -> HotWindow:
        window = self.state.admit(Admission(prompt, self.user, None, "m", self.public_id, lease_ms, proposed)).window
        assert window is not None
        return window

    def settlement(self, prompt: str, version: int, **other: object) -> HotSettlement:
        said: dict[str, object] = {"exchange": exchange(prompt), "rebuilt": None, "model": "m", "drop": False} | other
        return HotSettlement(prompt, self.user, None, self.public_id, "row", version, **said)  # type: ignore[arg-type]

    def settle(self, prompt: str, version: int, **other: object) -> None:
        self.state.settle(self.settlement(prompt, version, **other))

    def begin(self) -> str:
        """A first exchange, so that the window stands."""
        prompt = self.prompt()
        self.settle(prompt, self.admit(prompt).version, rebuilt=())
        return prompt

    def outlast(self, prompt: str) -> None:
        """Wait until its lease is over."""
        until(lambda: self.runner.command("EXISTS", f"v1:fly:{prompt}") == 0)

    def look(self) -> HotWindow:
        """What a chat would be given now; it leaves without a word."""
        prompt = self.prompt()
        window = self.admit(prompt)
        self.settle(prompt, window.version, exchange=())
        return window


def exchange(prompt: str, text: str = "hello", tokens: int = 5) -> tuple[StoredMessage, StoredMessage]:
    return (
        StoredMessage(prompt, "user", text, tokens, NOW),
        StoredMessage(prompt, "assistant", text, tokens, NOW + timedelta(seconds=1), "m", "complete", "why"),
    )


@pytest.fixture
def talk(runner: Flaky) -> Talk:
    return Talk(runner)


def test_a_conversation_that_redis_does_not_know_is_left_to_sql(talk: Talk) -> None:
    window = talk.admit(talk.prompt(), proposed=None)
    assert window.id is None
    assert window.messages is None


def test_a_chat_without_a_conversation_has_no_window(talk: Talk) -> None:
    admitted = talk.state.admit(Admission(talk.prompt(), talk.user, "key", "m", None, 1000))
    assert isinstance(admitted, Admitted)
    assert admitted.window is None


def test_the_next_chat_reads_back_what_was_said_bit_for_bit(talk: Talk) -> None:
    prompt = talk.prompt()
    said = exchange(prompt, AWKWARD)
    talk.settle(prompt, talk.admit(prompt).version, exchange=said, rebuilt=())
    window = talk.look()
    assert (window.id, window.messages, window.model) == ("row", said, "m")


def test_a_window_from_sql_is_laid_before_the_new_exchange(talk: Talk) -> None:
    old, prompt = talk.prompt(), talk.prompt()
    talk.settle(prompt, talk.admit(prompt).version, rebuilt=exchange(old))
    assert talk.look().messages == exchange(old) + exchange(prompt)


def test_fault_6_11_two_first_messages_at_once_agree_on_one_row_and_both_land(talk: Talk) -> None:
    first, second = talk.prompt(), talk.prompt()
    one, two = talk.admit(first, proposed="row"), talk.admit(second, proposed="another")
    assert (one.id, two.id) == ("row", "row")
    talk.settle(second, two.version, rebuilt=())
    talk.settle(first, one.version, rebuilt=())
    assert talk.look().messages == exchange(first) + exchange(second)


def test_while_another_chat_is_in_flight_sql_is_read(talk: Talk) -> None:
    talk.begin()
    prompt = talk.prompt()
    talk.admit(prompt)
    assert talk.look().messages is None


def test_an_exchange_that_sql_already_gave_is_not_counted_twice(talk: Talk) -> None:
    first, second = talk.prompt(), talk.prompt()
    one, two = talk.admit(first), talk.admit(second)
    talk.settle(second, two.version, rebuilt=exchange(first))  # SQL had the first one's commit by then
    talk.settle(first, one.version, rebuilt=())
    assert talk.look().messages == exchange(first) + exchange(second)


def test_a_window_from_sql_is_not_laid_over_a_newer_one(talk: Talk) -> None:
    first, second = talk.prompt(), talk.prompt()
    one, two = talk.admit(first), talk.admit(second)
    talk.settle(first, one.version)  # it did not read SQL, so nothing is built, but SQL has moved on
    talk.settle(second, two.version, rebuilt=())
    assert talk.look().messages is None


def test_a_replaced_exchange_throws_the_window_away(talk: Talk) -> None:
    talk.begin()
    prompt = talk.prompt()
    talk.settle(prompt, talk.admit(prompt).version, drop=True)
    window = talk.look()
    assert window.messages is None
    assert window.id == "row"


def test_a_chat_that_was_in_flight_during_a_replacement_is_read_from_sql(talk: Talk) -> None:
    talk.begin()
    slow, replacing, third = talk.prompt(), talk.prompt(), talk.prompt()
    version = talk.admit(slow).version
    talk.settle(replacing, talk.admit(replacing).version, drop=True)
    talk.settle(third, talk.admit(third).version, rebuilt=())
    talk.settle(slow, version)
    assert talk.look().messages is None


def test_fault_6_11_a_deletion_during_a_chat_wins(talk: Talk) -> None:
    talk.begin()
    prompt = talk.prompt()
    version = talk.admit(prompt).version
    talk.state.forget_conversation(talk.user, talk.public_id)
    talk.settle(prompt, version, rebuilt=())
    window = talk.look()
    assert window.messages is None


def test_fault_6_11_what_was_in_flight_at_a_deletion_is_not_put_into_a_new_talk_of_that_name(talk: Talk) -> None:
    talk.begin()
    old, new = talk.prompt(), talk.prompt()
    version = talk.admit(old).version
    talk.state.forget_conversation(talk.user, talk.public_id)
    talk.settle(new, talk.admit(new).version, rebuilt=())
    talk.settle(old, version)
    assert talk.look().messages is None


def test_a_deleted_conversation_leaves_no_key(talk: Talk) -> None:
    talk.begin()
    talk.state.forget_conversation(talk.user, talk.public_id)
    assert talk.runner.command("EXISTS", f"v1:conv:{talk.user}:main") == 0


def test_asking_for_an_unknown_conversation_leaves_no_key(talk: Talk) -> None:
    prompt = talk.prompt()
    talk.settle(prompt, talk.admit(prompt, proposed=None).version, exchange=())
    assert talk.runner.command("EXISTS", f"v1:conv:{talk.user}:main") == 0


def test_a_chat_that_stored_nothing_leaves_the_window_as_it_was(talk: Talk) -> None:
    prompt = talk.begin()
    assert talk.look().messages == talk.look().messages == exchange(prompt)


def test_a_chat_that_never_settled_costs_the_window(talk: Talk) -> None:
    talk.begin()
    prompt = talk.prompt()
    talk.admit(prompt, lease_ms=1)
    talk.outlast(prompt)
    assert talk.look().messages is None


def test_a_chat_that_settles_past_its_lease_costs_the_window_that_was_built_without_it(talk: Talk) -> None:
    talk.begin()
    slow, quick = talk.prompt(), talk.prompt()
    version = talk.admit(slow, lease_ms=1).version
    talk.outlast(slow)
    window = talk.admit(quick)
    assert window.messages is None
    talk.settle(quick, window.version, rebuilt=())
    talk.settle(slow, version)
    assert talk.look().messages is None


def test_fault_5_08_a_settle_told_twice_counts_once(talk: Talk) -> None:
    first = talk.begin()
    prompt = talk.prompt()
    version = talk.admit(prompt).version
    talk.settle(prompt, version)
    talk.settle(prompt, version)
    assert talk.look().messages == exchange(first) + exchange(prompt)


def test_fault_5_08_a_settle_whose_reply_was_lost_never_leaves_a_wrong_window(talk: Talk, runner: Flaky) -> None:
    talk.begin()
    prompt = talk.prompt()
    version = talk.admit(prompt).version
    runner.lose_reply = True
    with pytest.raises(Unavailable):
        talk.settle(prompt, version)
    runner.lose_reply = False
    talk.state.flush_dirty()
    assert talk.look().messages is None


def test_fault_5_08_an_admission_whose_reply_was_lost_still_settles(talk: Talk, runner: Flaky) -> None:
    first = talk.begin()
    prompt = talk.prompt()
    runner.lose_reply = True
    with pytest.raises(Unavailable):
        talk.admit(prompt)
    runner.lose_reply = False
    talk.settle(prompt, -1, rebuilt=exchange(first))
    assert talk.look().messages == exchange(first) + exchange(prompt)


def test_a_failed_settle_costs_the_window_at_the_next_admission_of_that_worker(talk: Talk, runner: Flaky) -> None:
    talk.begin()
    prompt = talk.prompt()
    version = talk.admit(prompt).version
    runner.away = True
    with pytest.raises(Unavailable):
        talk.settle(prompt, version)
    runner.away = False
    assert talk.look().messages is None


def test_a_chat_that_redis_never_heard_of_costs_the_window_in_every_worker(talk: Talk, runner: Flaky) -> None:
    talk.begin()
    runner.away = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            talk.settle(talk.prompt(), -1)
    talk.state.flush_dirty()
    runner.away = False
    talk.state.flush_dirty()
    talk.state = talk.another_worker()
    assert talk.look().messages is None


def test_a_worker_never_trusts_a_window_that_it_could_not_tell_of_its_own_chat(talk: Talk, runner: Flaky) -> None:
    talk.begin()
    runner.away = True
    with pytest.raises(Unavailable):
        talk.settle(talk.prompt(), -1)
    runner.away = False
    assert talk.look().messages is None


def test_a_chat_admitted_without_redis_that_settles_with_it_costs_the_window(talk: Talk) -> None:
    talk.begin()
    talk.settle(talk.prompt(), -1)
    assert talk.look().messages is None


def test_a_deletion_that_could_not_be_told_is_told_later(talk: Talk, runner: Flaky) -> None:
    talk.begin()
    runner.away = True
    with pytest.raises(Unavailable):
        talk.state.forget_conversation(talk.user, talk.public_id)
    runner.away = False
    talk.state.flush_dirty()
    assert talk.runner.command("EXISTS", f"v1:conv:{talk.user}:main") == 0


@pytest.mark.parametrize("limits", [{"max_messages": 4}, {"max_tokens": 20}])
def test_the_window_keeps_the_newest_whole_exchanges(runner: Flaky, limits: dict[str, int]) -> None:
    talk = Talk(runner, **limits)
    talk.begin()
    kept = [talk.begin(), talk.begin()]
    assert talk.look().messages == exchange(kept[0]) + exchange(kept[1])


def test_an_exchange_that_fits_no_window_is_not_kept_and_hides_what_is_older(runner: Flaky) -> None:
    talk = Talk(runner, max_tokens=20)
    late, huge = talk.prompt(), talk.prompt()
    version = talk.admit(late).version
    talk.settle(huge, talk.admit(huge).version, exchange=exchange(huge, tokens=1000), rebuilt=())
    talk.settle(late, version)
    assert talk.look().messages == ()


def test_what_a_window_from_sql_had_no_room_for_hides_what_is_older(runner: Flaky) -> None:
    talk = Talk(runner, max_tokens=20)
    late, huge, next_one = talk.prompt(), talk.prompt(), talk.prompt()
    version = talk.admit(late).version
    talk.settle(next_one, talk.admit(next_one).version, rebuilt=exchange(huge, tokens=1000))
    talk.settle(late, version)
    assert talk.look().messages == exchange(next_one)


def test_a_window_ends_with_its_time(runner: Flaky) -> None:
    talk = Talk(runner, ttl=1)
    talk.begin()
    key = f"v1:conv:{talk.user}:main"
    assert 0 < int(runner.command("PTTL", key)) <= 1000
    until(lambda: runner.command("EXISTS", key) == 0)


def test_fault_5_09_what_redis_lost_in_mid_chat_is_read_from_sql_again(talk: Talk) -> None:
    talk.begin()
    prompt = talk.prompt()
    version = talk.admit(prompt).version
    talk.runner.command("DEL", f"v1:conv:{talk.user}:main")
    talk.settle(prompt, version, rebuilt=())
    window = talk.look()
    assert window.messages is None
    assert window.version > version


@pytest.mark.parametrize("plant", [("SET", "x"), ("RPUSH", "x"), ("HSET", "built", "1"), ("SADD", "x")])
def test_fault_5_09_a_key_of_another_type_or_an_old_format_is_no_window(talk: Talk, plant: tuple[str, ...]) -> None:
    key = f"v1:conv:{talk.user}:main"
    talk.runner.command(plant[0], key, *plant[1:])
    prompt = talk.prompt()
    window = talk.admit(prompt)
    assert window.messages is None
    talk.runner.command("DEL", key)
    talk.runner.command(plant[0], key, *plant[1:])
    talk.settle(prompt, window.version, rebuilt=())


@pytest.mark.parametrize("entry", ["x", "2 10 []x", "2 10 [[1]]", "2 10 {}", '2 10 [["user","x",1,5,null,null,null]]'])
def test_fault_5_09_an_entry_of_another_version_is_no_message_and_goes(talk: Talk, entry: str) -> None:
    prompt = talk.begin()
    key = f"v1:conv:{talk.user}:main"
    talk.runner.command("HSET", key, f"w:{prompt}", entry)
    assert talk.look().messages is None
    talk.state.flush_dirty()
    assert talk.runner.command("EXISTS", key) == 0


def test_fault_5_09_a_wrong_type_under_the_set_of_chats_in_flight_stops_no_chat(talk: Talk) -> None:
    if not isinstance(talk.runner.runner, type(runner_of("embedded"))):  # type: ignore[attr-defined]
        pytest.skip("the key is shared by all who use this server")
    talk.runner.command("SET", "v1:fly", "x")
    talk.begin()
    assert talk.state.in_flight() == 0


def test_in_flight_counts_those_admitted_and_not_settled(talk: Talk) -> None:
    one, two = talk.prompt(), talk.prompt()
    before = talk.state.in_flight()
    version = talk.admit(one).version
    talk.admit(two, lease_ms=1)
    talk.outlast(two)
    assert talk.state.in_flight() == before + 1
    assert talk.runner.command("EXISTS", f"v1:fly:{one}") == 1
    talk.settle(one, version, exchange=())
    assert talk.state.in_flight() == before
    assert talk.runner.command("EXISTS", f"v1:fly:{one}", f"v1:fly:{two}") == 0
    talk.settle(two, version, exchange=())


def test_an_epoch_that_was_raised_comes_back_with_every_admission(talk: Talk) -> None:
    before = talk.state.epochs()
    talk.state.bump("auth")
    after = talk.state.admit(Admission(talk.prompt(), talk.user, None, "m", None, 1)).epochs
    assert after.auth > before.auth
    assert after.catalogue == before.catalogue
    talk.state.bump("catalogue")
    assert talk.state.epochs().catalogue > before.catalogue


def test_fault_5_09_an_epoch_that_redis_lost_never_says_an_old_number_again(talk: Talk) -> None:
    seen = set()
    for _ in range(3):
        talk.state.bump("auth")
        seen.add(talk.state.epochs().auth)
        talk.runner.command("DEL", "v1:epoch:auth")
    assert len(seen) == 3


@pytest.mark.parametrize("planted", ["x", "-1", "7"])
def test_fault_5_09_an_epoch_that_somebody_else_wrote_is_raised_all_the_same(talk: Talk, planted: str) -> None:
    talk.runner.command("SET", "v1:epoch:auth", planted)
    talk.state.bump("auth")
    assert talk.state.epochs().auth > 10**15


def test_users_with_the_same_name_for_a_conversation_do_not_meet(runner: Flaky) -> None:
    one, two = Talk(runner), Talk(runner)
    one.begin()
    assert two.look().messages is None
