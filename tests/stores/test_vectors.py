"""Vectors in a folder and in a real Chroma server: one user's are never another's, what is forgotten is gone."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.domain.errors import Unavailable
from app.stores.vectors import Collections, Entry, FolderCollections, ServerCollections, Vectors
from tests.journeys.gateway import soon


def send_to(base: str):  # type: ignore[no-untyped-def]
    def send(method: str, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        asked = urllib.request.Request(base + path, body, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=seconds) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()
        except OSError as fault:
            raise Unavailable("no server") from fault

    return send


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chroma = Path(sys.executable).with_name("chroma")
    folder = tmp_path_factory.mktemp("chroma-server")
    command = [chroma, "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        base = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                return send_to(base)("GET", "/api/v2/heartbeat", b"", 1)[0] == 200
            except Unavailable:
                return False

        soon(answers, 30, "the Chroma server did not start")
        yield base
        process.terminate()


@pytest.fixture(params=["folder", "server"])
def collections(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collections]:
    made: Collections
    if request.param == "folder":
        made = FolderCollections(tmp_path / "chroma")
    else:
        made = ServerCollections(send_to(request.getfixturevalue("server")))
    yield made
    made.close()


@pytest.fixture
def vectors(collections: Collections, request: pytest.FixtureRequest) -> Vectors:
    return Vectors(collections, request.node.name)


def pointing(*directions: float) -> np.ndarray:  # type: ignore[type-arg]
    vector = np.zeros(8, np.float32)
    vector[: len(directions)] = directions
    return vector / np.linalg.norm(vector)


def test_the_nearest_of_one_user_come_first(vectors: Vectors) -> None:
    vectors.add(
        [
            Entry("a", "anna", "c1", pointing(1, 0)),
            Entry("b", "anna", "c2", pointing(1, 1)),
            Entry("c", "anna", "c2", pointing(0, 1)),
            Entry("x", "bert", "c3", pointing(1, 0)),
        ]
    )
    found = vectors.nearest("anna", pointing(1, 0.1), 2)
    assert [near.id for near in found] == ["a", "b"]
    assert found[0].likeness == pytest.approx(1, abs=0.01)
    assert [near.id for near in vectors.nearest("anna", pointing(1, 0), 5, "c2")] == ["b", "c"]
    assert [near.id for near in vectors.nearest("bert", pointing(0, 1), 5)] == ["x"]
    assert vectors.nearest("nobody", pointing(1, 0), 5) == []


def test_what_is_forgotten_is_gone_and_nothing_else(vectors: Vectors) -> None:
    vectors.add([Entry(f"e{n}", "anna", f"c{n % 2}", pointing(1, n)) for n in range(6)])
    vectors.add([Entry("x", "bert", "c0", pointing(1, 0))])
    vectors.forget("anna", ["e0", "x"])
    assert {near.id for near in vectors.nearest("anna", pointing(1, 0), 10)} == {"e1", "e2", "e3", "e4", "e5"}
    vectors.forget("anna", conversation="c1")
    assert {near.id for near in vectors.nearest("anna", pointing(1, 0), 10)} == {"e2", "e4"}
    vectors.forget("anna")
    assert vectors.nearest("anna", pointing(1, 0), 10) == []
    assert [near.id for near in vectors.nearest("bert", pointing(1, 0), 10)] == ["x"]


def test_an_entry_that_is_written_twice_stands_once(vectors: Vectors) -> None:
    for _ in range(2):
        vectors.add([Entry("a", "anna", "c1", pointing(1, 0))])
    assert len(vectors.nearest("anna", pointing(1, 0), 5)) == 1


def test_fault_6_07_a_folder_of_another_process_is_not_touched(tmp_path: Path) -> None:
    first = FolderCollections(tmp_path / "chroma")
    Vectors(first, "m").add([Entry("a", "anna", "c", pointing(1))])
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from app.stores.vectors import FolderCollections, Vectors\n"
        "from app.domain.errors import Unavailable\n"
        "try:\n    Vectors(FolderCollections(Path(sys.argv[1])), 'm').nearest('anna', np.ones(8, np.float32), 1)\n"
        "except Unavailable as refused:\n    print(refused.message)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "chroma")], capture_output=True, text=True, timeout=60, check=True
    )
    assert "another process" in told.stdout
    first.close()


def test_fault_6_07_a_vector_of_another_length_is_refused_and_nothing_breaks(vectors: Vectors) -> None:
    vectors.add([Entry("a", "anna", "c", pointing(1))])
    with pytest.raises(Unavailable):
        vectors.nearest("anna", np.ones(3, np.float32), 1)
    assert [near.id for near in vectors.nearest("anna", pointing(1), 1)] == ["a"]


def test_fault_6_07_a_folder_that_is_spoiled_is_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    folder.mkdir()
    (folder / "chroma.sqlite3").write_bytes(b"this is no database" * 1000)
    broken = FolderCollections(folder)
    with pytest.raises(Unavailable):
        Vectors(broken, "m").nearest("anna", pointing(1), 1)
    broken.close()
