"""What a run stands on: two upstreams, the bare server, the real one, its stores; each a child that ends with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PASSWORD = "Bench-horse-7"
JSON_MODEL = "llama-3.1-8b-instant"
STREAM_MODEL = "bench-stream"


@dataclass(frozen=True, slots=True)
class Server:
    pid: int
    base: str
    token: str = "none"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def built_upstream() -> Path:
    binary, source = HERE / "upstream", HERE / "upstream.c"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O2", "-o", str(binary), str(source)], check=True)
    return binary


@contextmanager
def child(command: list[str], environ: Mapping[str, str], ready: str) -> Iterator[int]:
    """A process in a group of its own, from the moment its URL answers until the block ends."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, env=dict(environ), cwd=ROOT, stdout=said, stderr=said, start_new_session=True
        )
        try:
            _await(process, ready, said)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await(process: subprocess.Popen[bytes], url: str, said: Any) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    said.seek(0)
    raise RuntimeError(f"{url} does not answer:\n{said.read()}")


@contextmanager
def upstream(chunks: int = 50, tick_ms: int = 20) -> Iterator[int]:
    """An OpenAI-compatible provider that costs next to nothing; its port."""
    port = free_port()
    command = [str(built_upstream()), str(port), "0", str(chunks), str(tick_ms)]
    with child(command, os.environ, f"http://127.0.0.1:{port}/count"):
        yield port


@contextmanager
def bare(upstream_port: int) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", "1", "--worker-connections", "2000"]
    command += ["--no-control-socket", "-b", f"127.0.0.1:{port}", "--chdir", str(HERE), "bare:app"]
    environ = os.environ | {"UPSTREAM_PORT": str(upstream_port)}
    base = f"http://127.0.0.1:{port}"
    with child(command, environ, base) as pid:
        yield Server(pid, base)


@contextmanager
def server(json_port: int, stream_port: int, stores: Mapping[str, str]) -> Iterator[Server]:
    """The real server, one worker, its limits out of the way, with an API key of the admin."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="onedoor-bench-") as root:
        environ = _plain_environ() | dict(stores) | {
            "PORT": str(port),
            "WEB_CONCURRENCY": "1",
            "ADMIN_PASSWORD": PASSWORD,
            "RATE_LIMIT_PER_MINUTE": "10000000",
            "CACHE": "off",  # what is measured is asking a provider
            "ROUTES_PER_MINUTE": "10000000",
            "GROQ_BASE_URL": f"http://127.0.0.1:{json_port}",
            "GROQ_API_KEY": "bench",
            "NGROK_BASE_URL": f"http://127.0.0.1:{stream_port}",
            "NGROK_MODEL": STREAM_MODEL,
        }  # fmt: skip
        command = [sys.executable, "run.py", "--root", root]
        with child(command, environ, f"{base}/api/health") as pid:
            yield Server(pid, base, _api_key(base))


def _plain_environ() -> dict[str, str]:
    """Our own environment without what would be a setting."""
    sys.path.insert(0, str(ROOT))
    from app.settings.load import is_known

    return {name: value for name, value in os.environ.items() if not is_known(name)}


def _api_key(base: str) -> str:
    login = post(f"{base}/api/auth/login", {"username": "admin", "password": PASSWORD})
    key = post(f"{base}/api/keys", {"name": "bench"}, login["data"]["access_token"])
    made: str = key["data"]["key"]
    return made


def post(url: str, fields: Mapping[str, object], token: str = "none") -> Any:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(fields).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


@contextmanager
def real_stores() -> Iterator[Mapping[str, str] | None]:
    """A database of our own on PostgreSQL and a Redis, or None where one of them is not there."""
    redis_url = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
    admin_url = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    import psycopg
    import redis

    name = f"onedoor_bench_{os.getpid()}"
    try:
        redis.Redis.from_url(redis_url, socket_connect_timeout=2).ping()
        with psycopg.connect(admin_url, autocommit=True, connect_timeout=2) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    except (redis.RedisError, psycopg.Error) as error:
        print(f"no real stores: {error}", file=sys.stderr)
        yield None
        return
    try:
        yield {"REDIS_URL": redis_url, "DATABASE_URL": f"{admin_url.rpartition('/')[0]}/{name}"}
    finally:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
