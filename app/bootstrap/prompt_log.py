"""The log of prompts and answers."""

from __future__ import annotations

from functools import partial

from app.bootstrap.house import MB, House
from app.services.chat.prompt_log import PromptLog
from app.utils.afterwards import Afterwards

#: Rows that wait to be written down while the loop is busy.
MOST_WAITING = 10_000


def prompt_log(house: House) -> None:
    settings = house.settings
    if not settings.prompt_log:
        return
    folder = settings.root / settings.log_dir
    log = PromptLog(folder, max_bytes=settings.log_max_mb * MB, keep=settings.log_keep)
    # A lane of its own: what else is owed after replies may be slow, and a row that is dropped is in no other place.
    lane = Afterwards(1, MOST_WAITING, house.stores.tally.dropped)
    house.at_once.append(lambda ended: lane.put(log.finished, ended))
    house.rated.append(log.rated)
    house.stores.tally.watches("prompts", lambda: log.lost)
    house.lifecycle.on_close("prompt log", log.close)
    house.lifecycle.on_close("rows of the prompt log", partial(lane.drain, 1.0))
