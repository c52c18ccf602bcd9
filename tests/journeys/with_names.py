"""run.py with names of the tests' own: TEST_NAMES is JSON, a name to [address, port]; those addresses are the
internet, whatever they are."""

# ruff: noqa: E402 - gevent patches before anything else is imported

from gevent import monkey

monkey.patch_all()

import json
import os
import runpy
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.transport import guarded
from app.transport.resolver import Resolver

NAMES: dict[str, list[Any]] = json.loads(os.environ["TEST_NAMES"])
PUBLIC = {tuple(place) for place in NAMES.values()}


def look_up(host: str, port: int, *_: Any) -> list[Any]:
    if host in NAMES:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", tuple(NAMES[host]))]
    found: list[Any] = monkey.get_original("socket", "getaddrinfo")(
        host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST
    )
    return found


def allowed(address: Any) -> bool:
    return address[1] in PUBLIC or guarded.is_elsewhere(address)


guarded.Guard = partial(  # type: ignore[misc,assignment]
    guarded.Guard, resolver=Resolver(ttl=0, getaddrinfo=look_up), allowed=allowed
)

runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
