from tests.unit.transport.fixtures import start, within_time  # noqa: F401
