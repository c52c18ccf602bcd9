"""Whatever happens to chats, the window that Redis hands out is what SQL says, or none."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.domain.errors import Unavailable
from app.domain.hot import Admission, HotSettlement
from app.domain.ledger import StoredMessage
from app.domain.policies.window import cut
from app.stores.chat_state import ChatState
from app.stores.embedded import EmbeddedRedis
from app.stores.scripts import Argument, Reply, Script, ScriptRunner
from tests.stores.redis_support import real_redis

MAX_MESSAGES, MAX_TOKENS = 6, 30
NOW = datetime(2026, 11, 21, tzinfo=UTC)
FAULTS = st.sampled_from(["none"] * 6 + ["away", "reply lost"])


@dataclass
class Chat:
    """known: Redis holds that it is in flight. owed: its settle failed, and its worker remembers that."""

    prompt: str
    worker: int
    version: int
    rebuilt: tuple[StoredMessage, ...] | None
    is_new: bool
    life: int
    known: bool
    replaces: str | None = None
    committed: bool = False
    exchange: tuple[StoredMessage, ...] = ()
    owed: bool = False


class Cut:
    """Fails the next trip before or after it ran."""

    def __init__(self, runner: ScriptRunner) -> None:
        self.runner, self.fault = runner, "none"

    def run(self, script: Script, keys: list[Argument], args: list[Argument]) -> Reply:
        fault, self.fault = self.fault, "none"
        if fault == "away":
            raise Unavailable("cut")
        reply = self.runner.run(script, keys, args)
        if fault == "reply lost":
            raise Unavailable("cut")
        return reply

    def command(self, *words: Argument) -> Reply:
        return self.runner.command(*words)

    def close(self) -> None:
        self.runner.close()


class Conversation(RuleBasedStateMachine):
    """Chats of two workers in one conversation, against a list that plays SQL."""

    def make(self) -> ScriptRunner:
        return EmbeddedRedis()

    @initialize()
    def begin(self) -> None:
        self.runner = Cut(self.make())
        self.user = uuid.uuid4().hex
        self.key = f"v1:conv:{self.user}:c"
        limits = {"ttl": 60, "max_messages": MAX_MESSAGES, "max_tokens": MAX_TOKENS}
        self.workers = [ChatState(self.runner, **limits) for _ in range(2)]
        self.onlooker = ChatState(self.runner, **limits)
        self.sql: dict[str, tuple[StoredMessage, ...]] = {}
        self.chats: list[Chat] = []
        self.life = 0
        self.unforgotten: set[int] = set()
        self.count = 0

    # What SQL does ---------------------------------------------------------------------------------------------

    def rows(self) -> tuple[StoredMessage, ...]:
        return tuple(message for _, exchange in sorted(self.sql.items()) for message in exchange)

    def commit(self, chat: Chat) -> None:
        chat.committed = True
        if not chat.exchange or (chat.life != self.life and not chat.is_new):
            return  # a deletion wins
        if chat.replaces is not None:
            for prompt in [prompt for prompt in self.sql if prompt >= chat.replaces]:
                del self.sql[prompt]
        self.sql[chat.prompt] = chat.exchange

    # What chats do ---------------------------------------------------------------------------------------------

    @rule(worker=st.integers(0, 1), fault=FAULTS, replace=st.integers(0, 7).map(lambda n: n == 7))
    def admit(self, worker: int, fault: str, replace: bool) -> None:
        self.count += 1
        prompt = f"{self.user[:8]}-{self.count:06d}"
        owed = any(chat.owed and chat.worker == worker for chat in self.chats) or worker in self.unforgotten
        self.runner.fault = "none" if owed else fault  # else it would hit the cleaning, which comes first
        version, messages = -1, None
        try:
            admission = Admission(prompt, self.user, None, "m", "c", 60_000, f"row-{prompt}")
            window = self.workers[worker].admit(admission).window
            assert window is not None
            version, messages = window.version, window.messages
            self.cleaned(worker)
            self.check(messages)
        except Unavailable:
            pass
        rows = self.rows()
        chat = Chat(prompt, worker, version, None, not rows, self.life, known=fault != "away")
        if replace and self.sql:
            chat.replaces = sorted(self.sql)[len(self.sql) // 2]
        if messages is None or chat.replaces:
            chat.rebuilt = rows[-MAX_MESSAGES:]
        self.chats.append(chat)

    def check(self, messages: tuple[StoredMessage, ...] | None) -> None:
        """A chat that Redis knows nothing of shows only once it has settled: until then it has not ended."""
        hidden = any(chat.committed and (not chat.known or chat.owed) for chat in self.chats) or self.unforgotten
        if messages is not None and not hidden:
            assert cut(messages, MAX_MESSAGES, MAX_TOKENS) == cut(self.rows(), MAX_MESSAGES, MAX_TOKENS)

    def running(self) -> list[Chat]:
        return [chat for chat in self.chats if not chat.committed]

    @precondition(lambda self: self.running())
    @rule(pick=st.integers(0, 99), tokens=st.integers(0, 18), stored=st.sampled_from([True, True, True, False]))
    def store(self, pick: int, tokens: int, stored: bool) -> None:
        chat = self.running()[pick % len(self.running())]
        if stored:
            text = f"{chat.prompt} {tokens}"
            chat.exchange = (
                StoredMessage(chat.prompt, "user", text, tokens // 2, NOW),
                StoredMessage(chat.prompt, "assistant", text, tokens - tokens // 2, NOW, "m", "complete"),
            )
        self.commit(chat)

    def stored(self) -> list[Chat]:
        return [chat for chat in self.chats if chat.committed and not chat.owed]

    @precondition(lambda self: self.stored())
    @rule(pick=st.integers(0, 99), fault=FAULTS, twice=st.booleans())
    def settle(self, pick: int, fault: str, twice: bool) -> None:
        chat = self.stored()[pick % len(self.stored())]
        settlement = HotSettlement(
            prompt_id=chat.prompt,
            user_id=self.user,
            key_id=None,
            conversation="c",
            conversation_row="row",
            version=chat.version,
            exchange=chat.exchange,
            rebuilt=chat.rebuilt,
            model="m",
            drop=bool(chat.replaces and chat.exchange),
        )
        self.runner.fault = fault
        try:
            self.workers[chat.worker].settle(settlement)
            if twice:
                self.workers[chat.worker].settle(settlement)
            self.chats.remove(chat)
        except Unavailable:
            chat.owed = True

    def cleaned(self, worker: int) -> None:
        self.unforgotten.discard(worker)
        self.chats = [chat for chat in self.chats if not (chat.owed and chat.worker == worker)]

    @precondition(lambda self: self.running())
    @rule(pick=st.integers(0, 99), tokens=st.integers(0, 18))
    def finish(self, pick: int, tokens: int) -> None:
        """Most end without trouble."""
        chat = self.running()[pick % len(self.running())]
        self.store(self.running().index(chat), tokens, stored=True)
        self.settle(self.stored().index(chat), "none", twice=False)

    # What befalls them -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.count > 2)
    @rule(
        what=st.sampled_from(["flush", "lapse", "crash", "evict", "delete"]),
        pick=st.integers(0, 99),
        worker=st.integers(0, 1),
        fault=FAULTS,
    )
    def trouble(self, what: str, pick: int, worker: int, fault: str) -> None:
        if what == "flush":
            self.workers[worker].flush_dirty()
            self.cleaned(worker)
        elif what == "evict":
            self.runner.command("DEL", self.key)
            for chat in self.chats:
                chat.known = False
        elif what == "delete":
            self.delete(worker, fault)
        elif what == "lapse" and self.chats:
            self.lapse(self.chats[pick % len(self.chats)])
        elif what == "crash" and self.running():
            self.crash(self.running()[pick % len(self.running())], committed=bool(worker))

    def lapse(self, chat: Chat) -> None:
        """The lease of one ends."""
        for kind in "ox":
            if self.runner.command("HEXISTS", self.key, f"{kind}:{chat.prompt}"):
                self.runner.command("HSET", self.key, f"{kind}:{chat.prompt}", 1)
        chat.known = False

    def crash(self, chat: Chat, committed: bool) -> None:
        """One is killed before or after its commit; Redis never hears of it again but by its lease.

        (After its commit only where Redis knows of it: killed within a ms of it, and lost by Redis too, is two
        faults.)
        """
        if committed and chat.known:
            chat.exchange = (StoredMessage(chat.prompt, "user", "killed", 1, NOW),)
            self.commit(chat)
        self.lapse(chat)
        self.chats.remove(chat)

    def delete(self, worker: int, fault: str) -> None:
        self.sql.clear()
        self.life += 1
        self.runner.fault = fault
        try:
            self.workers[worker].forget_conversation(self.user, "c")
        except Unavailable:
            self.unforgotten.add(worker)

    # What must hold --------------------------------------------------------------------------------------------

    @invariant()
    def a_chat_of_another_worker_would_be_given_what_sql_says_or_nothing(self) -> None:
        if not getattr(self, "count", 0):
            return
        copy = self.key[:-1] + "copy"
        self.runner.fault = "none"
        if fields := self.runner.command("HGETALL", self.key):
            self.runner.command("HSET", copy, *fields)  # COPY of the embedded server shares the hash itself
            window = self.onlooker.admit(Admission("onlooker", self.user, None, "m", "copy", 60_000)).window
            self.runner.command("DEL", copy)
            assert window is not None
            self.check(window.messages)

    def teardown(self) -> None:
        """Once all is quiet, one chat is enough to make the conversation hot again."""
        if not getattr(self, "count", 0):
            return
        for worker in (0, 1):
            self.runner.fault = "none"
            self.workers[worker].flush_dirty()
            self.cleaned(worker)
        while self.running():
            self.finish(0, 3)
        while self.stored():
            self.settle(0, "none", twice=False)
        for _ in range(2):
            self.admit(0, "none", replace=False)
            self.finish(0, 3)
        window = self.onlooker.admit(Admission("last", self.user, None, "m", "c", 60_000)).window
        assert window is not None
        assert window.messages is not None
        self.check(window.messages)
        self.runner.command("DEL", self.key)
        self.runner.close()


class ConversationOnRedis(Conversation):
    def make(self) -> ScriptRunner:
        return real_redis()


_FEW = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TestWindowOnTheEmbeddedServer = Conversation.TestCase
TestWindowOnTheEmbeddedServer.settings = _FEW
TestWindowOnRedis = ConversationOnRedis.TestCase
TestWindowOnRedis.settings = _FEW
