from tests.unit.transport.certificates import authority  # noqa: F401
from tests.unit.transport.fixtures import start, transport, within_time  # noqa: F401
