"""What the learned strategy believes."""

from __future__ import annotations

from flask import Response

from app.middleware.caller import admins_only
from app.schemas.admin_routing import RoutingReply, shown_routing
from app.schemas.base import success
from app.schemas.blueprint import Blueprint
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.snapshot import AUTO
from app.services.chat.learning import Learner
from app.services.chat.routing_report import report


def blueprint(learner: Learner, catalogue: Catalogue, strategy: str) -> Blueprint:
    """strategy: what `auto` goes by where too little is known."""
    blp = Blueprint("admin_routing", __name__, url_prefix="/api/admin", description="What was learned of models.")

    @blp.get("/routing")
    @blp.doc(summary="What the learned strategy believes of each model at each kind of task, and why")
    @blp.response(200, RoutingReply)
    @admins_only
    def routing() -> Response:
        models = [model for model in catalogue.snapshot().find(AUTO) if model.available]
        return success(shown_routing(strategy, learner.weights, report(learner, models)))

    return blp
