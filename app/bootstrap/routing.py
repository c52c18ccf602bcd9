"""What is learned of models, and the choice that goes by it."""

from __future__ import annotations

from app.bootstrap.house import House
from app.domain.policies.bandit import Weights
from app.repositories.beliefs import BeliefRows
from app.routes import admin_routing
from app.services.chat.learning import Learner

DAY = 86_400.0


def routing(house: House) -> None:
    settings = house.settings
    learner = Learner(
        BeliefRows(house.stores.database),
        Weights(settings.learned_weight_cost, settings.learned_weight_latency),
        settings.learned_half_life_days * DAY,
    )
    learner.start()
    house.lifecycle.on_close("what was learned", learner.stop)
    house.learner = learner
    house.at_once.append(learner.finished)
    house.rated.append(learner.rated)
    house.doors.append(admin_routing.blueprint(learner, house.shelves.catalogue, settings.strategy))
