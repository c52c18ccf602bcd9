"""The server's workers are patched by gevent, these tests are not: the transport must not care."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_patched_process_calls_streams_and_ends_though_a_look_up_hangs() -> None:
    began = time.monotonic()
    worker = [sys.executable, "-m", "tests.unit.transport.patched_worker"]
    done = subprocess.run(worker, capture_output=True, text=True, timeout=20, check=False, cwd=ROOT)
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr
    assert time.monotonic() - began < 15, "a look-up that hangs does not hold the process's end up"
