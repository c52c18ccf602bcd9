"""What users say of answers."""

from __future__ import annotations

from app.bootstrap.house import House
from app.domain.ratings import Rated
from app.repositories.ratings import Ratings
from app.routes import ratings as routes
from app.services.ratings.service import Averages, RatingService


def ratings(house: House) -> None:
    rows = Ratings(house.stores.database)
    averages = Averages(rows)
    house.averages = averages.all

    def tell(rated: Rated) -> None:
        for listener in house.rated:
            house.stores.afterwards.put(listener, rated)

    house.doors.append(routes.blueprint(RatingService(rows, averages, [tell], lambda: house.stores.commits.pending)))
