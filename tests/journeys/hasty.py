# ruff: noqa: E402 - gevent patches before anything else is imported

from gevent import monkey

monkey.patch_all()

import runpy
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import app.routes.streaming
import app.services.chat.failover

app.services.chat.failover.Timeouts = partial(app.services.chat.failover.Timeouts, heartbeat=0.3)  # type: ignore[misc,assignment]
app.routes.streaming.WRITE_TIMEOUT = 0.8

runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
