"""Chats against a provider that fails at random, with a healthy one behind it; `make chaos` asks a thousand."""

from __future__ import annotations

import pytest

from bench.chaos import run
from tests.journeys.failing import failing_gateway, wait_for_spares
from tests.providers.fixtures import EmulatedProviders


def test_no_answer_is_dropped_cut_or_hung_while_a_third_of_the_calls_fail(
    tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders, upstream: EmulatedProviders
) -> None:
    with failing_gateway(tmp_path_factory.mktemp("chaos"), upstream_process) as gateway:
        wait_for_spares(gateway)
        upstream.forget()
        tally = run(gateway, 200)
    assert tally.kept, str(tally)
    assert tally.attempts.keys() >= {"whole", "server_error", "rate_limited"}, str(tally)
