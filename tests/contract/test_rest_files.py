"""The .rest files are true: each request in them, in order, gets the status that stands above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.documented import Document
from tests.contract.rest_client import Call, Player, parse
from tests.journeys.server import LiveServer

FILES = sorted((Path(__file__).resolve().parents[2] / "requests").glob("*.rest"))


@pytest.fixture(scope="module")
def document(live_server: LiveServer) -> Document:
    return Document(live_server.url)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_request_of_the_file_gets_the_status_it_says_and_what_the_document_says(
    path: Path, live_server: LiveServer, document: Document
) -> None:
    rest = parse(path)
    player = Player(rest, live_server.url, admin=live_server.first_key())
    assert rest.calls
    for call in rest.calls:
        reply = player.play(call)
        where = f"{path.name}:{call.line} {call.title}: {reply.status_code} {reply.text[:500]}"
        assert _as_expected(call, reply.status_code), where
        assert reply.headers["x-request-id"], where
        assert not (faults := document.faults(reply)), f"{where}\n{faults}"


def _as_expected(call: Call, status: int) -> bool:
    return status == call.expect if call.expect else 200 <= status < 300


def test_requests_folder_holds_rest_files_only_so_that_the_library_of_that_name_is_found() -> None:
    import requests

    folder = FILES[0].parent
    assert {path.suffix for path in folder.iterdir()} == {".rest"}
    assert requests.get


@pytest.mark.parametrize(
    ("text", "fault"),
    [("FETCH http://x\n", "is no request"), ("### a\nGET\n", "is no request")],
)
def test_what_is_no_request_is_told_with_its_line(text: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.rest"
    file.write_text(text)
    with pytest.raises(ValueError, match=fault):
        parse(file)


def test_a_reference_to_what_never_came_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "early.rest"
    file.write_text("GET {{host}}/{{login.response.body.$.id}}\n")
    rest = parse(file)
    with pytest.raises(KeyError, match="refers to nothing"):
        Player(rest, "http://127.0.0.1:1").play(rest.calls[0])
