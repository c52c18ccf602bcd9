"""`make bench`: a bare server, ours, the bare one again, in one run; what they cost goes into bench/REPORT.md.

--seconds N: length of each load (5). --rounds N: of so many the one of median cost is told, load by load (1).
--only services|embedded: one pair of stores. --no-report: print only.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
import stage
from load import Figures, body, load

CONVERSATIONS = 256
STREAMS = 500
CHUNKS = 50


@dataclass
class Session:
    """One pair of stores: bare before and after, ours between."""

    stores: str
    bare: list[Figures] = field(default_factory=list)
    ours: list[Figures] = field(default_factory=list)
    direct_p50: float = 0.0


def main() -> None:
    options = _options()
    missing = [tool for tool in ("wrk", "gcc") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"make bench needs {' and '.join(missing)} (on Debian: apt-get install {' '.join(missing)})")
    sessions = list(_sessions(options.seconds, options.rounds, options.only))
    if not sessions:
        sys.exit("nothing was measured")
    told = report.render(sessions, options.seconds, options.rounds, CHUNKS)
    print("\n" + told)
    if options.report:
        (stage.HERE / "REPORT.md").write_text(told)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["services", "embedded"])
    parser.add_argument("--no-report", dest="report", action="store_false")
    return parser.parse_args()


def _sessions(seconds: int, rounds: int, only: str | None) -> Iterator[Session]:
    if only != "embedded":
        real = [found for _ in range(rounds) if (found := _on_real_stores(seconds)) is not None]
        if real:
            yield _median(real)
    if only != "services":
        yield _median([_measured(report.EMBEDDED, {}, seconds) for _ in range(rounds)])


def _on_real_stores(seconds: int) -> Session | None:
    with stage.real_stores() as stores:
        return None if stores is None else _measured("Redis and PostgreSQL", stores, seconds)


def _median(rounds: list[Session]) -> Session:
    """Of each load the figures whose CPU is the median over the rounds."""
    return Session(
        rounds[0].stores,
        [_middle(found) for found in zip(*(round_.bare for round_ in rounds), strict=True)],
        [_middle(found) for found in zip(*(round_.ours for round_ in rounds), strict=True)],
        sorted(round_.direct_p50 for round_ in rounds)[len(rounds) // 2],
    )


def _middle(found: Sequence[Figures]) -> Figures:
    return sorted(found, key=lambda figures: figures.cpu_us)[len(found) // 2]


def _measured(name: str, stores: Mapping[str, str], seconds: int) -> Session:
    session = Session(name)
    with stage.upstream() as json_port, stage.upstream(CHUNKS) as stream_port:
        direct = f"http://127.0.0.1:{json_port}/v1/chat/completions"
        session.direct_p50 = _json("upstream alone", stage.Server(1, direct), direct, 1, seconds).p50
        session.bare += _bare(json_port, stream_port, seconds)
        session.ours += _ours(json_port, stream_port, stores, seconds)
        session.bare += _bare(json_port, stream_port, seconds)
    return session


def _bare(json_port: int, stream_port: int, seconds: int) -> Iterator[Figures]:
    with stage.bare(json_port) as server:
        url = f"{server.base}/v1/chat/completions"
        yield _json("bare", server, url, 1, seconds)
        yield _json("bare", server, url, 32, seconds)
    with stage.bare(stream_port) as server:
        yield _streams("bare streams", server, f"{server.base}/v1/chat/completions", seconds)


def _ours(json_port: int, stream_port: int, stores: Mapping[str, str], seconds: int) -> Iterator[Figures]:
    with stage.server(json_port, stream_port, stores) as server:
        openai, app = f"{server.base}/v1/chat/completions", f"{server.base}/llm/chat"
        yield _json("/v1/chat/completions", server, openai, 1, seconds)
        yield _json("/v1/chat/completions", server, openai, 32, seconds)
        bodies = _conversations(server)
        yield _told(load("/llm/chat", server.pid, app, bodies, server.token, connections=1, seconds=seconds))
        yield _told(load("/llm/chat", server.pid, app, bodies, server.token, connections=32, seconds=seconds))
        yield _streams("/v1/chat/completions streams", server, openai, seconds)
        asked = [body(message="What is the capital of France?", model=stage.STREAM_MODEL, stream=True)]
        yield _told(
            load(
                "/llm/chat streams",
                server.pid,
                app,
                asked,
                server.token,
                connections=STREAMS,
                seconds=max(seconds, 5),
            )
        )


MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


def _json(name: str, server: stage.Server, url: str, connections: int, seconds: int) -> Figures:
    asked = [body(model=stage.JSON_MODEL, messages=MESSAGES)]
    return _told(load(name, server.pid, url, asked, server.token, connections=connections, seconds=seconds))


def _streams(name: str, server: stage.Server, url: str, seconds: int) -> Figures:
    asked = [body(model=stage.STREAM_MODEL, messages=MESSAGES, stream=True)]
    return _told(load(name, server.pid, url, asked, server.token, connections=STREAMS, seconds=max(seconds, 5)))


def _conversations(server: stage.Server) -> list[str]:
    """Many conversations, so that 32 callers seldom meet in one."""
    asked = {"message": "What is the capital of France?", "model": stage.JSON_MODEL, "ignore_cache": True}
    begun = (stage.post(f"{server.base}/llm/chat", asked, server.token) for _ in range(CONVERSATIONS))
    return [body(**asked, conversation_id=reply["data"]["conversation_id"]) for reply in begun]


def _told(figures: Figures) -> Figures:
    print(report.line(figures), flush=True)
    return figures


if __name__ == "__main__":
    main()
