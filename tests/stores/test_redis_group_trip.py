"""One connection for all greenlets: each gets its own reply, whatever happens to the others."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gevent
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gevent import socket

from app.domain.errors import Unavailable
from app.stores.embedded import EmbeddedRedis
from app.stores.group_trip import GroupTrip
from app.stores.scripts import Script, ScriptRunner
from tests.stores.redis_support import KINDS, REDIS_URL, StandIn, always, real_redis, relay, runner_of, until


def script(source: str) -> Script:
    return Script("test", source, hashlib.sha1(source.encode()).hexdigest())


ECHO = script("return {KEYS[1], ARGV[1], {1, false, 'x'}}")


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[ScriptRunner]:
    runner = runner_of(request.param)
    yield runner
    runner.close()


def test_a_script_is_told_its_keys_and_arguments_as_bytes(runner: ScriptRunner) -> None:
    assert runner.run(ECHO, ["é"], [b"\x00\xff\r\n"]) == ["é".encode(), b"\x00\xff\r\n", [1, None, b"x"]]


def test_fault_5_07_a_script_that_redis_never_saw_runs_all_the_same(runner: ScriptRunner) -> None:
    unseen = script(f"return '{uuid.uuid4().hex}'")
    assert runner.run(unseen, [], []) == unseen.source[8:-1].encode()


def test_fault_5_07_scripts_that_were_flushed_in_a_pipeline_are_loaded_and_nobody_is_refused(
    runner: ScriptRunner,
) -> None:
    runner.run(ECHO, ["k"], ["v"])

    def ask(n: int) -> list[bytes]:
        if n % 7 == 0:
            runner.command("SCRIPT", "FLUSH")
        return [runner.run(ECHO, [f"k{n}"], [n])[1] for _ in range(3)]

    asked = [gevent.spawn(ask, n) for n in range(100)]
    gevent.joinall(asked, timeout=10, raise_error=True)
    assert [greenlet.value for greenlet in asked] == [[b"%d" % n] * 3 for n in range(100)]


def test_a_script_that_fails_is_unavailable_and_the_next_one_runs(runner: ScriptRunner) -> None:
    for source in ("return redis.call('GET')", "nonsense(", "return redis.error_reply('BUSY x')"):
        with pytest.raises(Unavailable):
            runner.run(script(source), [], [])
        assert runner.run(ECHO, ["k"], ["v"])[:2] == [b"k", b"v"]


def test_scripts_that_wait_share_one_connection(runner: ScriptRunner) -> None:
    if isinstance(runner, EmbeddedRedis):
        pytest.skip("it has no connections")
    asked = [gevent.spawn(runner.command, "CLIENT", "ID") for _ in range(50)]
    gevent.joinall(asked, timeout=5, raise_error=True)
    assert len({greenlet.value for greenlet in asked}) == 1


def test_fault_4_04_each_reply_reaches_its_own_asker_while_every_fifth_is_killed(runner: ScriptRunner) -> None:
    """10,000 mixed calls by 100 greenlets at a time, some killed before they send, some while they wait."""
    rnd = random.Random(4)
    answered = 0

    def ask(calls: int) -> int:
        for _ in range(calls):
            canary = uuid.uuid4().hex
            kind = rnd.randrange(3)
            if kind == 0:
                assert runner.run(ECHO, [canary], ["v"])[0] == canary.encode()
            elif kind == 1:
                assert runner.command("ECHO", canary) == canary.encode()
            else:
                assert runner.run(script("return tonumber(ARGV[1])"), [], [len(canary)]) == 32
        return calls

    for _ in range(20):
        crowd = [gevent.spawn(ask, 5) for _ in range(100)]
        victims = rnd.sample(crowd, 20)
        while not all(victim.dead for victim in victims):
            gevent.idle()
            for victim in rnd.sample(victims, 7):
                victim.kill(block=False)
        gevent.joinall(crowd, timeout=10)
        for greenlet in crowd:
            if greenlet not in victims:
                assert greenlet.get(block=False) == 5
                answered += 5
    assert answered == 20 * 80 * 5


def test_fault_4_04_one_that_gave_up_waiting_leaves_its_reply_to_nobody() -> None:
    slow = StandIn(relay(0.03))
    trip = GroupTrip(slow.url, timeout=2)
    for n in range(5):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.005):
            trip.command("ECHO", "left behind")
        assert trip.command("ECHO", f"mine {n}") == f"mine {n}".encode()
    assert slow.connections == 1
    trip.close()
    slow.stop()


def test_it_connects_again_after_it_was_closed() -> None:
    trip = real_redis()
    first = trip.command("CLIENT", "ID")
    trip.close()
    assert trip.command("CLIENT", "ID") != first
    trip.close()


def test_a_connection_that_redis_closed_is_replaced_by_the_next_call() -> None:
    trip, other = real_redis(), real_redis()
    client = trip.command("CLIENT", "ID")
    other.command("CLIENT", "KILL", "ID", client)
    until(lambda: trip._link is None)
    assert trip.command("CLIENT", "ID") != client
    trip.close()
    other.close()


def test_nothing_is_opened_before_the_first_call() -> None:
    server = StandIn(relay())
    trip = GroupTrip(server.url)
    gevent.sleep(0)
    assert server.connections == 0
    trip.close()
    server.stop()


def test_fault_6_10_a_forked_worker_shares_no_connection_with_its_parent() -> None:
    """In a process of its own, patched as the server is: parent and two children ask at once, each its own canary."""
    real_redis().close()
    code = """
        from gevent import monkey; monkey.patch_all()
        import os, sys, gevent
        from app.stores.group_trip import GroupTrip
        trip = GroupTrip(sys.argv[1], 2)
        parent = trip.command("CLIENT", "ID")
        read, write = os.pipe()
        def ask(name):
            def one(i):
                word = f"{name}-{i}"
                assert trip.command("ECHO", word) == word.encode(), word
            for _ in range(20):
                gevent.joinall([gevent.spawn(one, i) for i in range(20)], raise_error=True)
            os.write(write, b"%d " % trip.command("CLIENT", "ID"))
        children = []
        for n in range(2):
            pid = os.fork()
            if pid == 0:
                ask(f"child{n}")
                os._exit(0)
            children.append(pid)
        ask("parent")
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
        ids = os.read(read, 999).split()
        assert len(set(ids)) == 3 and b"%d" % parent in ids, (ids, parent)
        print("fine")
    """
    assert in_a_process(code, REDIS_URL) == "fine\n"


def test_user_password_and_database_number_are_those_of_the_url() -> None:
    owner = real_redis()
    user = f"t{uuid.uuid4().hex}"
    owner.command("ACL", "SETUSER", user, "on", ">p@ss:wörd", "~*", "+@all")
    host = REDIS_URL.split("@")[-1].removeprefix("redis://").partition("/")[0]
    try:
        trip = GroupTrip(f"redis://{user}:p%40ss%3Aw%C3%B6rd@{host}/9", 2)
        assert f"db=9 user={user}" in " ".join(
            word for word in trip.command("CLIENT", "INFO").decode().split() if word.startswith(("db=", "user="))
        )
        trip.close()
        with pytest.raises(Unavailable):
            GroupTrip(f"redis://{user}:wrong@{host}/9", 2).command("PING")
    finally:
        owner.command("ACL", "DELUSER", user)
        owner.close()


def test_tls_is_spoken_and_a_certificate_of_nobody_we_trust_is_refused(tmp_path: Path) -> None:
    real_redis().close()
    certificate, key = self_signed(tmp_path)
    server = StandIn(relay(), certfile=certificate, keyfile=key)
    trusting = GroupTrip(f"rediss://localhost:{server.port}/0?ssl_ca_certs={certificate}", 2)
    assert trusting.command("ECHO", "x" * 100_000) == b"x" * 100_000
    crowd = [gevent.spawn(trusting.run, ECHO, [f"k{n}"], [n]) for n in range(100)]
    gevent.joinall(crowd, timeout=10, raise_error=True)
    assert [greenlet.value[0] for greenlet in crowd] == [b"k%d" % n for n in range(100)]
    wary = GroupTrip(f"rediss://localhost:{server.port}/0", 2)
    with pytest.raises(Unavailable):
        wary.command("PING")
    trusting.close()
    wary.close()
    server.stop()


def self_signed(folder: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(pem), str(secret)


def test_fault_4_04_in_a_patched_process_no_greenlet_runs_into_another_ones_script() -> None:
    """The embedded server's locks are gevent's there, if nobody sees to it."""
    code = """
        from gevent import monkey; monkey.patch_all()
        import gevent
        from app.stores.embedded import EmbeddedRedis
        redis, turns = EmbeddedRedis(), [0]
        def others():
            while True:
                turns[0] += 1
                gevent.sleep(0)
        gevent.spawn(others)
        gevent.sleep(0)
        before = turns[0]
        for n in range(50):
            assert redis.command("ECHO", n) == b"%d" % n
        assert turns[0] == before, "a call let others run"
        print("fine")
    """
    assert in_a_process(code) == "fine\n"


def in_a_process(code: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_socket_file_serves_as_an_address_does(tmp_path: Path) -> None:
    path = str(tmp_path / "redis.sock")
    with pytest.raises(Unavailable):
        GroupTrip(f"unix://{path}", 1).command("PING")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    serving = gevent.spawn(lambda: always(b"+here\r\n")(listener.accept()[0]))
    trip = GroupTrip(f"unix://{path}", 1)
    assert trip.command("ECHO", "x") == b"here"
    trip.close()
    serving.kill()
    listener.close()
