"""The OpenAPI document says what the service is: every route of it, and no other."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.domain.errors import DomainError
from app.schemas.document import PUBLIC, error_classes, operations
from tests.journeys.server import ROOT, LiveServer

STATIC = "/static/{filename}"
# In a process of its own: gevent patches it, as run.py does, and a test's process is to stay as it is.
LIST_ROUTES = """
from gevent import monkey; monkey.patch_all()
import json, os, sys
from dataclasses import replace
from pathlib import Path
from app import create_app
from app.settings import Settings
root = Path(sys.argv[1])
settings = replace(Settings.load({}, None, root), secret_key="k" * 40, jwt_secret_key="j" * 40)
app = create_app(settings)
print(json.dumps([[rule.rule, sorted(rule.methods)] for rule in app.url_map.iter_rules()]))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="session")
def document(live_server: LiveServer) -> dict[str, Any]:
    reply = requests.get(f"{live_server.url}/openapi.json", timeout=10)
    assert reply.status_code == 200
    made: dict[str, Any] = reply.json()
    return made


@pytest.fixture(scope="session")
def routes(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Every (method, path) of the app itself, paths as OpenAPI writes them."""
    root = tmp_path_factory.mktemp("routes")
    (root / "instance").mkdir(mode=0o700)
    ran = subprocess.run(
        [sys.executable, "-c", LIST_ROUTES, str(root)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    rules = json.loads(ran.stdout.strip().splitlines()[-1])
    return {
        (method.lower(), re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule))
        for rule, methods in rules
        for method in methods
        if method not in ("HEAD", "OPTIONS")
    }


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    faults = [
        f"{list(fault.absolute_path)}: {fault.message}" for fault in OpenAPIV31SpecValidator(document).iter_errors()
    ]
    assert faults == []


def test_every_route_is_in_the_document_and_nothing_else_is(
    document: dict[str, Any], routes: set[tuple[str, str]]
) -> None:
    told = {(method, path) for path, method, _ in operations(document)}
    assert routes - told == {("get", STATIC)}
    assert told - routes == set()


def test_every_operation_says_in_a_line_what_it_does(document: dict[str, Any]) -> None:
    silent = [f"{method} {path}" for path, method, operation in operations(document) if not operation.get("summary")]
    assert silent == []


def test_every_error_code_of_the_tree_is_in_the_document(document: dict[str, Any]) -> None:
    codes = {kind.code for kind in error_classes()}
    assert set(document["components"]["schemas"]["ErrorCode"]["enum"]) == codes
    for reply in document["components"]["responses"].values():
        assert all(f"| `{code}` |" in reply["description"] for code in codes)


def test_the_tree_of_errors_was_walked_to_its_leaves() -> None:
    def below(kind: type[DomainError]) -> set[str]:
        # Who narrows one for their own use, as a key that nobody gave out, shows the same code.
        leaves = [leaf for leaf in kind.__subclasses__() if leaf.__module__ == DomainError.__module__]
        return {leaf.__name__ for leaf in leaves} | {name for leaf in leaves for name in below(leaf)}

    assert {kind.__name__ for kind in error_classes()} == below(DomainError)


def test_both_kinds_of_token_open_every_operation_but_the_public_ones(document: dict[str, Any]) -> None:
    assert document["security"] == [{"jwt": []}, {"apiKey": []}]
    open_to_all = {
        (method, path) for path, method, operation in operations(document) if operation.get("security") == []
    }
    assert open_to_all == PUBLIC & {(method, path) for path, method, _ in operations(document)}
    assert {scheme["scheme"] for scheme in document["components"]["securitySchemes"].values()} == {"bearer"}


def test_what_needs_a_caller_is_401_without_one(document: dict[str, Any], live_server: LiveServer) -> None:
    for path, method, operation in operations(document):
        if operation.get("security") == [] or path == "/metrics":  # to strangers that is 404: journeys/test_metrics.py
            continue
        url = live_server.url + re.sub(r"\{[^}]+\}", "x", path)
        reply = requests.request(method, url, json={} if method != "get" else None, timeout=10)
        assert reply.status_code == 401, f"{method} {path}: {reply.status_code} {reply.text}"
        assert reply.headers["www-authenticate"] == "Bearer"
        assert "no-store" in reply.headers["cache-control"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/docs", "/", "/c/any", "/app/settings"])
def test_fault_10_04_pages_load_nothing_from_elsewhere_and_run_nothing_inline(
    path: str, live_server: LiveServer
) -> None:
    reply = requests.get(live_server.url + path, headers={"Accept": "text/html"}, timeout=10)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', reply.text)
    assert links
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", reply.text)
    for link in links:
        found = requests.get(live_server.url + link, timeout=10)
        assert found.status_code == 200, link
        assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("place", "ours"),
    [
        ("app/web/static/docs", {"init.js", "page.css"}),
        ("app/web/static/vendor", set()),
        ("tests/e2e/vendor", set()),
    ],
)
def test_vendored_files_are_what_their_list_says(place: str, ours: set[str]) -> None:
    folder = ROOT / place
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (folder / "VENDORED.md").read_text(), re.MULTILINE)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there - {name for name, _ in rows} == {"VENDORED.md", *ours}
    for name, checksum in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum, name


def test_no_file_of_ours_on_a_page_names_another_host() -> None:
    web = ROOT / "app" / "web"
    written = [path for path in (web / "static" / "app").rglob("*") if path.suffix in (".js", ".css")]
    ours = [*web.glob("*.html"), *written, *(web / "static" / "docs").glob("*.js")]
    for path in [path for path in ours if not path.name.startswith("swagger-ui")]:
        assert not re.search(r"https?://[a-z]", path.read_text()), path
    assert Path(web / "docs.html") in ours
