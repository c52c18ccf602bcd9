"""The page's own files: how they are handed out, and that every word of the page stands in one place."""

from __future__ import annotations

import re

import pytest
import requests

from tests.journeys.server import ROOT, LiveServer

APP = ROOT / "app" / "web" / "static" / "app"
FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def page(live_server: LiveServer) -> str:
    return requests.get(f"{live_server.url}/", headers={"Accept": "text/html"}, timeout=10).text


@pytest.fixture(scope="module")
def base(page: str) -> str:
    found = re.search(r'data-static="([^"]+)"', page)
    assert found
    return found[1]


def _get(server: LiveServer, path: str, encoding: str = "identity", **headers: str) -> requests.Response:
    return requests.get(server.url + path, headers={"Accept-Encoding": encoding, **headers}, timeout=10)


def test_files_under_the_present_word_are_kept_for_ever_and_others_are_asked_for_again(
    live_server: LiveServer, base: str
) -> None:
    kept = _get(live_server, f"{base}/app/main.js")
    assert kept.headers["cache-control"] == FOREVER
    for path in ("/static/app/main.js", "/static/~000000000000/app/main.js"):
        again = _get(live_server, path)
        assert (again.status_code, again.headers["cache-control"]) == (200, "no-cache")
        assert again.content == kept.content
        same = _get(live_server, path, **{"If-None-Match": again.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")


@pytest.mark.parametrize(
    ("takes", "gets"), [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None), ("br;q=0", None)]
)
def test_a_file_comes_packed_as_the_browser_takes_it(
    live_server: LiveServer, base: str, takes: str, gets: str | None
) -> None:
    plain = (APP / "main.js").read_bytes()
    reply = requests.get(
        f"{live_server.url}{base}/app/main.js", headers={"Accept-Encoding": takes}, stream=True, timeout=10
    )
    assert reply.headers.get("content-encoding") == gets
    assert "Accept-Encoding" in reply.headers["vary"]
    assert reply.content == plain
    packed = int(reply.headers["content-length"])
    assert packed == len(plain) if gets is None else packed < len(plain) * 0.6


def test_a_font_is_not_packed_twice(live_server: LiveServer, base: str) -> None:
    reply = _get(live_server, f"{base}/vendor/inter/inter-latin-wght-normal.woff2", "br, gzip")
    assert "content-encoding" not in reply.headers
    assert reply.headers["content-type"] == "font/woff2"


@pytest.mark.parametrize(
    "path", ["../index.html", "..%2findex.html", "%2e%2e/%2e%2e/bootstrap.py", "app", "app/", "", "~x"]
)
def test_nothing_else_is_reached_below_static(live_server: LiveServer, path: str) -> None:
    with requests.Session() as session:
        asked = requests.Request("GET", live_server.url).prepare()
        asked.url = f"{live_server.url}/static/{path}"
        reply = session.send(asked, timeout=10)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/json"


def test_the_page_names_every_module_that_it_needs_at_once(live_server: LiveServer, page: str, base: str) -> None:
    told = re.findall(r'rel="modulepreload" href="([^"]+)"', page)
    assert f"{base}/app/main.js" in told
    assert f"{base}/vendor/marked.esm.js" in told
    assert len(told) == len(set(told))
    later = {f"{base}/app/views/{name}.js" for name in ("templates", "analytics", "files", "settings", "admin")}
    assert not later & set(told)


def test_the_page_says_only_words_that_stand_in_its_lists_and_each_of_them() -> None:
    lists = [APP / "strings.js", APP / "strings-admin.js"]
    have = set(re.findall(r'(?:^|[\s{,])"?([A-Za-z][\w.-]*)"?: "', "".join(path.read_text() for path in lists)))
    used: set[str] = set()
    begun: set[str] = set()
    for path in [path for path in APP.rglob("*.js") if path not in lists]:
        source = path.read_text()
        calls = re.findall(r'\bt\(\s*(?:[^"`()]*\?\s*)?"([^"]+)"(?:\s*:\s*"([^"]+)")?', source)
        used |= {key for call in calls for key in call if key}
        used |= set(re.findall(r'\["((?:receipt|analytics)\.\w+)"', source))
        begun |= set(re.findall(r"\bt\(`([^`$]+)\$\{", source))
    assert used - have == set()
    assert {key for key in have - used if not key.startswith(tuple(begun))} == set()
