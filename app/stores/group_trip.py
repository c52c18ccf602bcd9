"""The two hot trips of a chat: scripts that wait together go to Redis in one write."""

from __future__ import annotations

import functools
import logging
import os
import time
import weakref
from collections.abc import Sequence

import hiredis

from app.domain.errors import Unavailable
from app.stores.link import Link, Lost
from app.stores.redis_address import RedisAddress
from app.stores.scripts import Argument, Reply, Script

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 1.0
UNFIT = frozenset({"LOADING", "READONLY", "NOAUTH", "WRONGPASS", "NOPERM", "MASTERDOWN", "CLUSTERDOWN"})
"""Replies of a server that will say the same to everything else: the connection is not kept."""


class GroupTrip:
    """A ScriptRunner over one connection a process, opened by the first call and again after it is lost.

    For the greenlets of one thread.

    timeout: seconds a call may take in all. After a failure calls fail at once for a while, 0.2 to 1 s, so that a
    Redis that is away costs its wait once and not once a chat.
    """

    def __init__(self, url: str, timeout: float = 0.05) -> None:
        self._address = RedisAddress.parse(url)
        self._timeout = timeout
        self._link: Link | None = None
        self._shut_until = 0.0
        self._pause = FIRST_PAUSE
        _trips.add(self)
        _follow_forks()

    def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Reply:
        deadline = time.monotonic() + self._timeout
        reply = self._ask(("EVALSHA", script.sha1, len(keys), *keys, *args), deadline)
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
            reply = self._ask(("EVAL", script.source, len(keys), *keys, *args), deadline)
        return self._checked(reply)

    def command(self, *words: Argument) -> Reply:
        return self._checked(self._ask(words, time.monotonic() + self._timeout))

    def close(self) -> None:
        """Close the connection; the next call opens one again."""
        if self._link is not None:
            self._link.close("closed")

    def disown(self) -> None:
        """In a forked child: the parent's connection stays the parent's."""
        link, self._link = self._link, None
        self._shut_until = 0.0
        if link is not None:
            link.disown()

    def _ask(self, words: tuple[Argument, ...], deadline: float) -> Reply:
        link = self._link
        if link is None:
            if time.monotonic() < self._shut_until:
                raise Unavailable("redis is away", retry_after=LONGEST_PAUSE)
            link = self._link = Link(self._address, self._over)
        elif link.late:
            raise Unavailable("redis does not answer", retry_after=LONGEST_PAUSE)
        return link.ask(hiredis.pack_command(words), deadline)

    def _checked(self, reply: Reply) -> Reply:
        if isinstance(reply, Lost):
            raise Unavailable(f"redis is away: {reply.reason}", retry_after=LONGEST_PAUSE)
        if isinstance(reply, hiredis.ReplyError):
            if self._link is not None and str(reply).partition(" ")[0] in UNFIT:
                self._link.close(str(reply), fault=True)
            raise Unavailable("redis refused a script", retry_after=LONGEST_PAUSE) from reply
        self._pause = FIRST_PAUSE
        return reply

    def _over(self, link: Link, reason: str, fault: bool) -> None:
        if self._link is link:
            self._link = None
        if fault:
            log.warning("redis is away: %s", reason)
            self._shut_until = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)


_trips: weakref.WeakSet[GroupTrip] = weakref.WeakSet()


@functools.cache
def _follow_forks() -> None:
    os.register_at_fork(after_in_child=_disown_all)


def _disown_all() -> None:
    for trip in tuple(_trips):
        trip.disown()
