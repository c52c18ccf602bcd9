"""The whole configuration as one file, for admins."""

from __future__ import annotations

from flask import Response

from app.middleware.caller import admins_only
from app.routes.admin_accounts import acting
from app.schemas import config_file as shapes
from app.schemas.base import success
from app.schemas.blueprint import Blueprint
from app.schemas.yaml_body import read_yaml, written
from app.services.catalogue.configuration import ConfigurationService

YAML = "application/yaml"
ABOUT = """\
# The configuration of this installation: what admins set beside the settings. No secret is in it: providers' keys are
# stored apart and stay where they are. PUT it to /api/admin/config to bring it back, all of it or nothing.
# A section that is left out stays as it is. models is all that admins made or edited: what it does not name goes, or
# is again as it was shipped. users and templates belong to people: what is not named stays.
"""


def blueprint(configuration: ConfigurationService) -> Blueprint:
    blp = Blueprint("admin_config", __name__, url_prefix="/api/admin", description="The whole configuration.")

    @blp.get("/config")
    @blp.doc(summary="Models, limits, budgets and shared templates as one YAML file, without secrets")
    @blp.response(200, description="The file.", content_type=YAML)
    @admins_only
    def export() -> Response:
        found = configuration.read()
        text = ABOUT + written(lambda: shapes.shown_configuration(found))
        headers = {"Content-Disposition": 'attachment; filename="config.yaml"', "Cache-Control": "no-store"}
        return Response(text, headers=headers, content_type=f"{YAML}; charset=utf-8")

    @blp.put("/config")
    @blp.doc(
        summary="Bring such a file back, all of it or nothing",
        requestBody={"required": True, "content": {YAML: {"schema": {"type": "string"}}}},
    )
    @blp.response(200, shapes.ImportedReply)
    @admins_only
    def bring_back() -> Response:
        wanted = read_yaml(shapes.configuration_of)
        return success(shapes.shown_imported(configuration.apply(wanted, acting())))

    return blp
