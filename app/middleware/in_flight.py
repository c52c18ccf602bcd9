"""The chats in flight in this process, each with the right to stop it.

WSGI tells nobody that a client left, so one greenlet polls all their sockets. It asks for RDHUP and not for
readability: a peek is blinded by one pipelined byte, a hang-up is not.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey

from app.utils.cancel import CLIENT_GONE, Cancel
from app.utils.lifecycle import Lifecycle

POLL_SECONDS = 0.4
GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL

_poll = monkey.get_original("select", "poll")


class InFlight:
    """Gives each chat a Cancel and stops it when its client leaves; the lifecycle stops all of them at the end."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._watched: dict[int, Chat] = {}
        self._watcher: gevent.Greenlet | None = None
        self._sockets = _poll()

    def begin(self, client: Any | None, *, drain: bool, wanted: Callable[[], bool] | None = None) -> Chat:
        """A chat that begins. client: the server's socket, None where there is none; drain: the caller wants the
        answer finished and stored though nobody reads it; wanted: whether somebody else does, asked once its client
        has left."""
        chat = Chat(self, -1 if client is None or drain else client.fileno(), wanted)
        self._lifecycle.enter(chat.cancel)
        if chat.fd >= 0:
            self._watched[chat.fd] = chat
            self._sockets.register(chat.fd, GONE)
            if self._watcher is None:
                self._watcher = gevent.spawn(self._watch)
        return chat

    def end(self, chat: Chat) -> None:
        self._lifecycle.leave(chat.cancel)
        if self._watched.get(chat.fd) is chat:
            del self._watched[chat.fd]
            self._sockets.unregister(chat.fd)

    def _watch(self) -> None:
        while True:
            gevent.sleep(POLL_SECONDS)
            for fd, _ in self._sockets.poll(0):
                chat = self._watched.pop(fd, None)
                self._sockets.unregister(fd)
                if chat is None:
                    continue
                if chat.wanted is None:
                    chat.cancel.cancel(CLIENT_GONE)
                else:
                    gevent.spawn(chat.left)


class Chat:
    """One chat in flight. End it, always; a second end does nothing."""

    __slots__ = ("_in_flight", "cancel", "fd", "wanted")

    def __init__(self, in_flight: InFlight, fd: int, wanted: Callable[[], bool] | None) -> None:
        self.cancel = Cancel()
        self.fd = fd
        self.wanted = wanted
        self._in_flight = in_flight

    def end(self) -> None:
        self._in_flight.end(self)

    def left(self) -> None:
        """Its client is gone: stop it, unless somebody else waits for it."""
        if self.wanted is None or not self.wanted():
            self.cancel.cancel(CLIENT_GONE)
