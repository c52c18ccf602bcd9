"""What a chat keeps in Redis: that it is in flight, what it takes of its limits, and the window of its conversation.

SQL is the truth. A window here is either what SQL says or it is not handed out: whatever could have parted the two
(a settle that failed, a lease that lapsed, a chat that Redis never heard of) throws it away, and recall reads SQL.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Literal

import orjson

from app.domain.errors import Unavailable
from app.domain.hot import Admission, Admitted, Epochs, Grant, HotSettlement, HotWindow, Renewal, Unbuilt
from app.domain.ledger import StoredMessage
from app.domain.money import FREE
from app.domain.policies.window import cut
from app.stores.gates import GateBook, budget_key, grant_of, standing_of
from app.stores.scripts import Argument, Reply, Script, ScriptRunner
from app.stores.window_codec import pack, pack_all, unpack
from app.utils.clock import monotonic

log = logging.getLogger(__name__)

FLY = "v1:fly"
EPOCH_KEYS = ("v1:epoch:auth", "v1:epoch:catalogue", "v1:epoch:health")
FORGOTTEN_AFTER_MS = 3_600_000
MOST_OWED = 20_000

Conversation = tuple[str, str]
"""user id, public id"""


class ChatState:
    """ttl: seconds that an idle conversation is kept; max_messages, max_tokens: what its window may hold.

    Every method but `flush_dirty` raises Unavailable where Redis does not answer.
    """

    def __init__(self, runner: ScriptRunner, *, ttl: int, max_messages: int, max_tokens: int) -> None:
        self._runner = runner
        self._ttl = ttl
        self._max_messages = max_messages
        self._max_tokens = max_tokens
        self._admit = Script.load("admit", "conversation", "gates", "budget")
        self._settle = Script.load("settle", "conversation", "gates", "budget")
        self._renew = Script.load("renew", "conversation", "gates", "budget")
        self._rebuild = Script.load("rebuild", "gates")
        self._forget = Script.load("forget", "conversation")
        self._bump = Script.load("bump")
        self._in_flight = Script.load("in_flight")
        self._gates = GateBook()
        self._dirty: dict[Conversation, dict[str, HotSettlement | None]] = {}
        self._owed: dict[str, HotSettlement] = {}

    def admit(self, admission: Admission) -> Admitted:
        """Trip 1: let the chat in by all its limits or none; record it as in flight; hand back the epochs and the
        conversation's window.

        Raises RateLimited for the first limit that is reached, InvalidRequest for more tokens than one allows at all,
        BudgetExceeded, and Unbuilt for a budget that must be built first.
        """
        conversation = None if admission.conversation is None else (admission.user_id, admission.conversation)
        if conversation in self._dirty:
            self._clean(conversation)
        if self._owed:
            self._pay()
        gates = self._gates.of(admission.bounds, admission.day)
        price = admission.price or FREE
        key = "" if conversation is None else _key(conversation)
        reply = self._runner.run(
            self._admit,
            (FLY, f"{FLY}:{admission.prompt_id}", *EPOCH_KEYS, key, *gates.keys),
            (
                admission.prompt_id,
                admission.lease_ms,
                _record(admission),
                admission.proposed_row or "",
                self._ttl,
                admission.prompt_tokens,
                admission.answer_tokens,
                int(admission.answer_capped),
                price.input,
                price.output,
                *gates.args,
            ),
        )
        verdict = reply[3]
        if verdict[0] != 1:
            raise gates.refusal(verdict)
        window = None if conversation is None else self._window(conversation, reply)
        return Admitted(_epochs(reply), window, standing_of(verdict), verdict[1], grant_of(verdict))

    def renew(self, renewal: Renewal) -> Grant:
        """Take more money, or another model's limits: all of it or nothing. Raises as `admit` does."""
        gates = self._gates.of(renewal.bounds, renewal.day)
        asked = (renewal.prompt_id, renewal.held, renewal.wanted, renewal.needed, renewal.tokens)
        verdict = self._runner.run(self._renew, gates.keys, (*asked, *gates.args))
        if verdict[0] != 1:
            raise gates.refusal(verdict)
        return Grant(int(verdict[1]), int(verdict[2]))

    def rebuild(self, unbuilt: Unbuilt, day: date, spent: int) -> bool:
        """Lay down what the ledger says was spent of it; False where that must be asked again."""
        budget = unbuilt.bound.budget
        args = (unbuilt.version, budget.amount if budget else 0, spent)
        return bool(self._runner.run(self._rebuild, (budget_key(unbuilt.bound, day),), args))

    def settle(self, settlement: HotSettlement) -> None:
        """Trip 2: let the in-flight record go and append to the window.

        Where Redis is away it is told once Redis is back, before anybody else is let in: of a conversation so that its
        window is thrown away, of budgets so that they are built anew.
        """
        try:
            self._run_settle(settlement)
        except Unavailable:
            if self._gates.of(settlement.bounds, settlement.day).held:
                self._owe(replace(settlement, conversation=None, exchange=(), rebuilt=None))
            if settlement.conversation is not None:
                conversation = (settlement.user_id, settlement.conversation)
                # Of those that Redis never admitted one stands for all: an outage must not fill the memory.
                name = settlement.prompt_id if settlement.version >= 0 else ""
                owed = replace(settlement, exchange=(), rebuilt=None, drop=True, bounds=())
                self._dirty.setdefault(conversation, {})[name] = owed
            raise

    def forget_conversation(self, user_id: str, public_id: str) -> None:
        """Drop what is kept of it, also for chats in flight; where Redis is away, once it is back."""
        conversation = (user_id, public_id)
        try:
            self._runner.run(self._forget, [_key(conversation)], [])
        except Unavailable:
            self._dirty.setdefault(conversation, {})["deleted"] = None
            raise

    def epochs(self) -> Epochs:
        return _epochs(self._runner.command("MGET", *EPOCH_KEYS))

    def bump(self, name: Literal["auth", "catalogue"]) -> None:
        """Tell every worker that callers, or the catalogue, have changed in SQL."""
        self._runner.run(self._bump, [f"v1:epoch:{name}"], [])

    def in_flight(self) -> int:
        """Chats in flight over all workers."""
        return int(self._runner.run(self._in_flight, [FLY], [FORGOTTEN_AFTER_MS]))

    def flush_dirty(self) -> None:
        """Settle what could not be told, and throw away its windows. Quietly leaves the rest for the next time."""
        try:
            self._pay()
            for conversation in tuple(self._dirty):
                self._clean(conversation)
        except Unavailable as fault:
            log.debug("windows stay to be thrown away: %s", fault.message)

    def _owe(self, settlement: HotSettlement) -> None:
        name = settlement.prompt_id
        if len(self._owed) >= MOST_OWED:
            # One stands for all of these bounds: their budgets are built anew from the ledger.
            name = f"{settlement.user_id} {settlement.key_id}"
            settlement = replace(settlement, committed_after=float("-inf"))
        self._owed[name] = settlement

    def _pay(self) -> None:
        while self._owed:
            name, settlement = self._owed.popitem()
            try:
                self._run_settle(settlement)
            except BaseException:
                self._owed[name] = settlement
                raise

    def _clean(self, conversation: Conversation) -> None:
        # Taken out first: one that becomes dirty again while this waits is not lost.
        owed = self._dirty.pop(conversation, {})
        while owed:
            name, settlement = owed.popitem()
            try:
                if settlement is None:
                    self._runner.run(self._forget, [_key(conversation)], [])
                else:
                    self._run_settle(settlement)
            except BaseException:
                self._dirty.setdefault(conversation, {}).update({**owed, name: settlement})
                raise

    def _run_settle(self, settlement: HotSettlement) -> None:
        gates = self._gates.of(settlement.bounds, settlement.day)
        conversation = settlement.conversation
        key = "" if conversation is None else _key((settlement.user_id, conversation))
        keys, kinds = gates.held, gates.held_kinds
        if settlement.void or settlement.alone:
            keys, kinds = gates.keys, gates.kinds
        if not settlement.void:
            kinds = kinds.replace("r", "n")
        args: list[Argument] = [
            settlement.prompt_id,
            kinds,
            settlement.held_tokens,
            settlement.used_tokens,
            settlement.spent,
            _age_ms(settlement) if settlement.alone else "",
        ]
        if conversation is not None:
            args += self._window_args(settlement)
        self._runner.run(self._settle, (FLY, f"{FLY}:{settlement.prompt_id}", key, *keys), args)

    def _window_args(self, settlement: HotSettlement) -> list[Argument]:
        args: list[Argument] = [
            settlement.conversation_row or "",
            f"{settlement.model or ''}\n{settlement.model_key or ''}",
            settlement.version,
            int(settlement.drop),
            self._ttl,
            self._max_messages,
            self._max_tokens,
            pack(settlement.exchange) if settlement.exchange else "",
        ]
        return args if settlement.rebuilt is None else args + self._rebuilt_args(settlement.rebuilt)

    def _rebuilt_args(self, messages: Sequence[StoredMessage]) -> list[Argument]:
        kept = cut(messages, self._max_messages, self._max_tokens)
        left_out = messages[: len(messages) - len(kept)]
        args: list[Argument] = [1, left_out[-1].prompt_id if left_out else ""]
        for prompt_id, entry in pack_all(kept):
            args += [prompt_id, entry]
        return args

    def _window(self, conversation: Conversation, reply: Sequence[bytes]) -> HotWindow:
        row, version, served, trusted = reply[4:8]
        messages = self._unpacked(conversation, reply[8:]) if trusted else None
        model, _, key = served.decode().partition("\n")
        return HotWindow(row.decode() or None, messages, int(version), model or None, key or None)

    def _unpacked(self, conversation: Conversation, flat: Sequence[bytes]) -> tuple[StoredMessage, ...] | None:
        try:
            return unpack(flat)
        except ValueError:
            log.warning("a window that is not of this version is thrown away")
            self._dirty.setdefault(conversation, {})["deleted"] = None
            return None


def _age_ms(settlement: HotSettlement) -> int:
    """Since before its row was written, and the odd millisecond; an hour at most."""
    seconds = monotonic() - settlement.committed_after
    return int(min(seconds * 1000 + 1, FORGOTTEN_AFTER_MS))


def _key(conversation: Conversation) -> str:
    return f"v1:conv:{conversation[0]}:{conversation[1]}"


def _record(admission: Admission) -> bytes:
    return orjson.dumps((admission.user_id, admission.key_id, admission.model, admission.conversation))


def _epochs(reply: Reply) -> Epochs:
    return Epochs(_number(reply[0]), _number(reply[1]), _number(reply[2]))


def _number(value: bytes | None) -> int:
    """0 for an epoch that was never raised, or that somebody else wrote."""
    return int(value) if value is not None and value.isdigit() else 0
