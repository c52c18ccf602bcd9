"""Run by test_patched_process: the transport in a process that gevent has patched, as the server's workers are."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import os
import sys
import tempfile
from pathlib import Path

import gevent

from app.transport.pooled import PooledTransport
from app.transport.resolver import Resolver
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import ask, local_names
from tests.unit.transport.hostile import CHUNKED, LAST, Upstream, answer, chunk, says

READ, _ = os.pipe()


def look_up(name: str, *rest: object) -> list[object]:
    if name == "stuck.test":
        monkey.get_original("os", "read")(READ, 1)
    return local_names(name, *rest)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        os.environ["SSL_CERT_FILE"] = str(authority.roots)
        transport = PooledTransport(connect_timeout=0.3, pool_size=8, resolver=Resolver(getaddrinfo=look_up))
        plain = Upstream(says(CHUNKED, chunk(b"o"), chunk(b"k"), LAST, pause=0.01))
        secured = Upstream(says(answer(b"ok")), tls=authority.good("provider.test"))
        urls = [plain.url, plain.named("provider.test"), secured.named("provider.test", "https")]
        for _ in range(2):
            calls = [gevent.spawn(ask, transport, url) for url in urls]
            gevent.joinall(calls)
            assert [call.value.body for call in calls] == [b"ok"] * 3, [call.value for call in calls]
        assert len(plain.peers) == 2
        assert len(secured.peers) == 1
        assert ask(transport, "http://stuck.test/").kind == "connect"
    print("ok", flush=True)


if __name__ == "__main__":
    main()
    sys.exit(0)
