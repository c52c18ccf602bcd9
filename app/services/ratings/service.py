"""Rates answers, and knows their averages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from app.domain.caller import Caller
from app.domain.errors import InvalidRequest, NotFound, TooLarge, Unavailable
from app.domain.ratings import Rated, Rating
from app.repositories.ratings import Ratings
from app.utils.clock import monotonic, utcnow

log = logging.getLogger(__name__)

LOWEST: Final = 1
HIGHEST: Final = 5
#: Characters of a feedback.
MOST_FEEDBACK: Final = 10_000
#: Seconds for which averages are not read again: a list of models asks for them each time.
FRESH_SECONDS: Final = 1.0

#: By (provider, model).
AverageRatings = Mapping[tuple[str, str], float]


class Averages:
    """Everybody's averages by model, kept in memory for a moment. What was rated here shows at once."""

    def __init__(self, ratings: Ratings, clock: Callable[[], float] = monotonic) -> None:
        self._ratings = ratings
        self._clock = clock
        self._kept: dict[tuple[str, str], float] = {}
        self._read_at = float("-inf")

    def changed(self) -> None:
        self._read_at = float("-inf")

    def all(self) -> AverageRatings:
        """What is known; while the database is away, what was known last."""
        now = self._clock()
        if now - self._read_at >= FRESH_SECONDS:
            before, self._read_at = self._read_at, now  # others that come meanwhile take what there is
            try:
                self._kept = {
                    (row.provider, row.model): round(row.total / row.ratings, 2)
                    for row in self._ratings.totals(None)
                    if row.ratings
                }
            except Unavailable as fault:
                log.debug("averages are those of before: %s", fault.message)
            except BaseException:
                self._read_at = before
                raise
        return self._kept


class RatingService:
    """listeners: told of each rating after it was kept; must not block. waits: whether rows of requests are still on
    their way to the database."""

    def __init__(
        self,
        ratings: Ratings,
        averages: Averages,
        listeners: Sequence[Callable[[Rated], None]] = (),
        waits: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = utcnow,
    ) -> None:
        self._ratings = ratings
        self._averages = averages
        self._listeners = listeners
        self._waits = waits
        self._now = now

    def rate(
        self, caller: Caller, prompt_id: str, rating: int, feedback: str | None, model: str | None = None
    ) -> Rating:
        """Keep it; a second one of the same answer takes the first one's place, feedback and all.

        model: that of which the caller thinks that it answered. Raises NotFound for what is not the caller's,
        InvalidRequest for what was never answered, another model or no rating, TooLarge for a long feedback, and
        Unavailable where the request may be there but cannot be seen yet.
        """
        if not LOWEST <= rating <= HIGHEST:
            raise InvalidRequest(f"A rating is a whole number from {LOWEST} to {HIGHEST}.", field="rating")
        if feedback is not None and len(feedback) > MOST_FEEDBACK:
            details = {"reason": "size", "max_characters": MOST_FEEDBACK}
            raise TooLarge(f"A feedback has at most {MOST_FEEDBACK} characters.", field="feedback", details=details)

        def check(answered_by: str, provider: str, state: str, completion_tokens: int) -> None:
            if state != "complete" and not completion_tokens:
                raise InvalidRequest("This was never answered, so there is nothing to rate.", field="prompt_id")
            if model is not None and model not in (answered_by, f"{provider}/{answered_by}"):
                raise InvalidRequest("Another model answered this.", field="model")

        kept = self._ratings.rate(caller.user_id, prompt_id, rating, feedback, self._now(), check)
        if kept is None and self._waits():
            raise Unavailable("What was asked of late is still on its way to the database.", retry_after=1.0)
        if kept is None:
            raise NotFound("There is no such request.", field="prompt_id")
        made, before = kept
        self._averages.changed()
        for listener in self._listeners:
            listener(Rated(made, caller.username, before))
        return made
