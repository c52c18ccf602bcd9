"""What tests of every room share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.server import LiveServer


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with no setting at all but its address: embedded, no provider keys. Shared, so make your own
    users and leave nothing that another test could trip over."""
    # Tests of one session make more users and chats a minute than one person does.
    env = {"RATE_LIMIT_PER_MINUTE": "100000", "ROUTES_PER_MINUTE": "100000"}
    with LiveServer(tmp_path_factory.mktemp("live"), env) as server:
        yield server
