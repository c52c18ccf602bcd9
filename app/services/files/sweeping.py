"""What dead processes and failed deletions left behind, taken away at the start and now and then."""

from __future__ import annotations

import logging
from typing import Final

import gevent

from app.services.files.service import FileService
from app.utils.spooled import SpoolFolder

log = logging.getLogger(__name__)

EVERY: Final = 60.0
"""Seconds between two looks."""


class Sweeping:
    """One greenlet of a worker."""

    def __init__(self, files: FileService, spool: SpoolFolder) -> None:
        self._files = files
        self._spool = spool
        self._loop: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin, in the process that serves."""
        self._loop = gevent.spawn(self._forever)

    def stop(self) -> None:
        """End it, and take away what passes through here still."""
        if self._loop is not None:
            self._loop.kill()
        self._spool.close()

    def sweep(self) -> None:
        """Once."""
        left = self._spool.lane.run(self._spool.sweep)
        if left:
            log.info("%d files that a dead process was receiving were taken away", left)
        self._files.remove_unowned()

    def _forever(self) -> None:
        while True:
            try:
                self.sweep()
            except Exception:  # the next look may go well
                log.exception("files could not be swept")
            gevent.sleep(EVERY)
