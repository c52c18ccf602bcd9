from tests.providers.fixtures import *  # noqa: F403
