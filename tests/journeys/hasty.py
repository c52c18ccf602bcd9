# ruff: noqa: E402 - gevent patches before anything else is imported

from gevent import monkey

monkey.patch_all()

import runpy
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import app.routes.exactly_once
import app.routes.streaming
import app.services.chat.idempotency as keyed
import app.services.chat.timing

app.services.chat.timing.Timeouts = partial(app.services.chat.timing.Timeouts, heartbeat=0.3)  # type: ignore[misc,assignment]
app.routes.streaming.WRITE_TIMEOUT = 0.8
app.routes.exactly_once.HEARTBEAT = 0.3
keyed.Idempotency = partial(keyed.Idempotency, lease=1.0, renew=0.2)  # type: ignore[misc,assignment]

runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
