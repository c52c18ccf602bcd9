"""The embedded model's pictures: others are served while one is drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# A process of its own: gevent patches the whole of it.
DRAWN_BESIDE_A_BEAT = """
from gevent import monkey
monkey.patch_all()
import time
import gevent
from app.domain.chat import Message, ProviderCall
from app.services.llm.demo_pictures import DemoPictures
from app.utils.cancel import Cancel
from app.utils.patience import Patience

beats = 0
def beat():
    global beats
    while True:
        gevent.sleep(0.001)
        beats += 1

gevent.spawn(beat)
gevent.sleep(0)
end = time.monotonic() + 60
call = ProviderCall("demo", "", None, (Message("user", "a fox"),), stream=False, params={"size": "2048x2048"})
events = list(DemoPictures().chat(call, Patience(deadline=end, first=60, stall=60), Cancel()))
print(beats, [type(event).__name__ for event in events])
"""


def test_a_large_picture_is_drawn_beside_the_loop() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRAWN_BESIDE_A_BEAT], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    beats, _, drawn = done.stdout.partition(" ")
    assert drawn.strip() == "['Delta', 'Picture', 'UsageReport', 'Finish']"
    assert int(beats) >= 5
