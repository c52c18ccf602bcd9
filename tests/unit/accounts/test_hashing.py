from __future__ import annotations

import subprocess
import sys

import pytest

from app.services.accounts.hashing import PasswordHasher
from app.utils.pools import ThreadLane


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher(ThreadLane(2))


def test_a_password_matches_its_own_hash_alone(hasher: PasswordHasher) -> None:
    stored = hasher.hash(b"Abcdefg1\0one")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hasher.matches(b"Abcdefg1\0one", stored)
    assert not hasher.matches(b"Abcdefg1\0two", stored)


def test_nobodys_password_matches_nothing(hasher: PasswordHasher) -> None:
    assert not hasher.matches(b"Abcdefg1", None)


def test_a_damaged_hash_matches_nothing(hasher: PasswordHasher) -> None:
    assert not hasher.matches(b"Abcdefg1", "not a hash")


_STORM = """
from gevent import monkey; monkey.patch_all()
import gevent, time
from app.domain.errors import Overloaded
from app.services.accounts.hashing import PasswordHasher
from app.utils.pools import ThreadLane

hasher = PasswordHasher(ThreadLane(2))
hasher.hash(b"warm")
outcomes = []
def sign_in():
    began = time.monotonic()
    try:
        hasher.matches(b"x", None); outcomes.append("checked")
    except Overloaded:
        assert time.monotonic() - began < 0.05
        outcomes.append("refused")
worst = 0.0
def beat():
    global worst
    while True:
        began = time.monotonic(); gevent.sleep(0.02); worst = max(worst, time.monotonic() - began - 0.02)
beating = gevent.spawn(beat)
gevent.joinall([gevent.spawn(sign_in) for _ in range(100)])
beating.kill()
print(outcomes.count("checked"), outcomes.count("refused"), worst)
"""


def test_of_a_storm_of_sign_ins_52_are_served_and_the_loop_goes_on() -> None:
    ran = subprocess.run([sys.executable, "-c", _STORM], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    checked, refused, worst = ran.stdout.split()
    assert (int(checked), int(refused)) == (52, 48)
    assert float(worst) < 0.25
