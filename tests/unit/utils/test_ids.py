from __future__ import annotations

import subprocess
import sys

from app.utils.ids import new_id, new_public_id

_FORK = """
import os, sys
from app.utils.ids import new_id
new_id()
for _ in range(4):
    reader, writer = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writer, "w") as out:
            out.write("\\n".join(new_id() for _ in range(1_000_000)))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as ids:
        found = set(ids.read().split())
    assert len(found) == 1_000_000
    seen = globals().setdefault("seen", set())
    assert not seen & found
    seen |= found
print(len(seen))
"""


def test_fault_6_10_ids_of_four_forked_workers_all_differ() -> None:
    done = subprocess.run([sys.executable, "-c", _FORK], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "4000000\n"


def test_ids_of_one_process_are_in_order() -> None:
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(made)
    assert {len(one) for one in made} == {36}


def test_a_public_id_tells_no_time() -> None:
    assert len({new_public_id()[:8] for _ in range(1000)}) == 1000
