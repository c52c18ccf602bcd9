"""Pictures by their address at the OpenAI door, from the door to what a provider was shown."""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from tests.journeys.gateway import CLAUDE, GEMINI, OPENAI, Gateway, chunks
from tests.journeys.other_host import OtherHost, Page
from tests.journeys.seen import shown
from tests.providers.fixtures import EmulatedProviders
from tests.unit.transport.certificates import Authority

HOST = "pictures.example"


def png(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("roots"))


@pytest.fixture(scope="module")
def host(authority: Authority) -> Iterator[OtherHost]:
    authority.good(HOST)
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(authority.roots.with_name("server.pem"))
    with OtherHost(secured) as host:
        host.pages = {
            "/red.png": Page(png("red"), headers={"Content-Type": "text/plain"}),
            "/blue.png": Page(png("blue")),
            "/page": Page(b"<html>no picture</html>", headers={"Content-Type": "image/png"}),
            "/broken.png": Page(png("red")[:50]),
            "/large": Page(b"\x89PNG\r\n\x1a\n" + bytes(10 * 2**20)),
            "/metadata": Page(status=302, headers={"Location": "https://169.254.169.254/latest/"}),
            "/plain": Page(status=302, headers={"Location": f"http://{HOST}/red.png"}),
            "/onward": Page(status=302, headers={"Location": "/red.png"}),
        }
        yield host


@pytest.fixture(scope="module")
def linked(
    host: OtherHost, authority: Authority, tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders
) -> Iterator[Gateway]:
    env = {
        "TEST_NAMES": json.dumps({HOST: ["127.0.0.1", host.port], "other.example": ["127.0.0.1", host.port]}),
        "SSL_CERT_FILE": str(authority.roots),
    }
    script = Path(__file__).with_name("with_names.py")
    with Gateway(tmp_path_factory.mktemp("linked"), upstream_process, env, script=script) as gateway:
        yield gateway


@pytest.fixture
def gateway(linked: Gateway, upstream: EmulatedProviders, host: OtherHost) -> Gateway:
    host.asked.clear()
    return linked


def ask(gateway: Gateway, *urls: str, model: str = OPENAI, **fields: Any) -> requests.Response:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content = [{"type": "text", "text": "What is this?"}, *parts]
    body = {"model": model, "messages": [{"role": "user", "content": content}], **fields}
    return gateway.post("/v1/chat/completions", body, stream=bool(fields.get("stream")))


def colours(gateway: Gateway) -> list[tuple[int, ...]]:
    """The middle of each picture that the provider was shown."""
    found = []
    for picture in shown(gateway).pictures:
        with Image.open(io.BytesIO(picture)) as image:
            found.append(tuple(value // 64 for value in image.convert("RGB").getpixel((20, 15))))  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("model", [OPENAI, GEMINI, CLAUDE])
def test_the_provider_is_shown_the_pictures_themselves_on_every_wire(
    model: str, gateway: Gateway, host: OtherHost
) -> None:
    reply = ask(gateway, f"https://{HOST}/red.png", f"HTTPS://{HOST}:443/blue.png#top", model=model)
    assert reply.status_code == 200, reply.text
    assert colours(gateway) == [(3, 0, 0), (0, 0, 3)]
    assert HOST not in json.dumps(gateway.upstream.log()[-1]["body"])
    assert sorted(asked.path for asked in host.asked) == ["/blue.png", "/red.png"]
    assert all({"authorization", "cookie"}.isdisjoint(asked.headers) for asked in host.asked)


def test_a_stream_gets_them_as_well_and_a_redirect_within_the_host_is_followed(gateway: Gateway) -> None:
    with ask(gateway, f"https://{HOST}/onward", stream=True) as reply:
        assert list(chunks(reply))[-1] == "[DONE]"
    assert colours(gateway) == [(3, 0, 0)]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"http://{HOST}/red.png", 400),
        (f"https://{HOST}:8443/red.png", 400),
        (f"https://user:word@{HOST}/red.png", 400),
        (f"https://127.0.0.1\\@{HOST}/red.png", 400),
        ("https:red.png", 400),
        ("https://127.0.0.1/red.png", 400),
        ("https://[::ffff:127.0.0.1]/red.png", 400),
        ("https://2130706433/red.png", 400),
        ("https://①②⑦.⓪.⓪.①/red.png", 400),
        ("https://localhost/red.png", 400),
        ("https://metadata.google.internal/red.png", 400),
        ("https://169.254.169.254/latest/", 400),
        ("https://nowhere.example/red.png", 400),
        ("https://other.example/red.png", 400),  # its certificate is for another name
        (f"https://{HOST}/metadata", 400),
        (f"https://{HOST}/plain", 400),
        (f"https://{HOST}/missing", 400),
        (f"https://{HOST}/broken.png", 400),
        (f"https://{HOST}/page", 415),
        (f"https://{HOST}/large", 413),
    ],
)
def test_faults_2_16_and_8_what_cannot_be_fetched_is_refused_naming_the_part_and_no_provider_is_asked(
    url: str, status: int, gateway: Gateway
) -> None:
    before = len(gateway.upstream.log())
    for stream in (False, True):
        reply = ask(gateway, url, stream=stream)
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert error["param"] == "messages[0].content[1].image_url.url", error
        assert "127.0.0" not in error["message"]
    assert len(gateway.upstream.log()) == before
