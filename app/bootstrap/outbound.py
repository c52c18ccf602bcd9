"""Calls to hosts that others name."""

from __future__ import annotations

from app.bootstrap.house import House
from app.routes import external
from app.services.chat.linked_pictures import LinkedPictures
from app.services.external.calls import ExternalCalls


def outbound(house: House) -> None:
    settings = house.settings
    calls = ExternalCalls(
        house.guard,
        allowed_hosts=settings.external_allowed_hosts,
        timeout=settings.external_api_timeout,
        max_retries=settings.external_api_max_retries,
    )
    house.doors.append(external.blueprint(calls))
    house.enrichments.append(LinkedPictures(house.fetcher))
