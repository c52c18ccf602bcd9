"""A look-up of the tests' own: names lead where a test says, numbers where the system's look-up takes them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

Answer = list[tuple[str, int]]


class Names:
    """answers: (address, port) pairs by name, several lists in turn where a name changes. asked: names, in order."""

    def __init__(self, **answers: Answer | list[Answer] | Callable[[], Answer]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): answer for name, answer in answers.items()}

    def leads(self, name: str, *answer: tuple[str, int]) -> None:
        self._answers[name] = list(answer)

    def __call__(self, host: str, port: int, *_: Any) -> list[Any]:
        self.asked.append(host)
        answer: Any = self._answers.get(host)
        if answer is None:
            return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        if callable(answer):
            answer = answer()
        elif answer and isinstance(answer[0], list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return [info(address, to) for address, to in answer]


def info(address: str, port: int) -> tuple[Any, ...]:
    """As getaddrinfo has it."""
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)


def loopback_is_public(address: tuple[int, tuple[Any, ...]]) -> bool:
    """For tests whose upstreams stand on this machine: 127.0.0.1 is the internet, all else is judged as it is."""
    from app.transport.guarded import is_elsewhere

    return address[1][0] == "127.0.0.1" or is_elsewhere(address)
