"""The figures of a run as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from load import Figures
    from measure import Session

_BARE_US = 232  # what a bare JSON chat and a bare chunk cost on the machine whose figures the goals are
_BARE_CHUNK_US = 42
_FINDINGS = Path(__file__).with_name("findings.md")
#: What bench/routing.py found last.
_ROUTING = Path(__file__).with_name("routing.md")
#: One person's pair of stores: measured, but nothing is promised of it.
EMBEDDED = "embedded (fakeredis, SQLite)"

_HEAD = """\
# What the server costs

Written by `make bench` on {day}: {machine}, one worker, {seconds} s a load, of {rounds}
round(s) the one of median cost. The machine was shared with the load, the upstreams and the stores.

`bare` is the least that Flask, gevent and geventhttpclient can do (no caller, limits or ledger), measured before and
after in the same run. **Read figures as multiples of bare**: µs differ from machine to machine and hour to hour. CPU
is user+sys of the server's processes, Redis and PostgreSQL not counted.
"""


def line(figures: Figures) -> str:
    wrong = f"  ERRORS {figures.errors}" if figures.errors else ""
    return (
        f"{figures.name:32} {figures.connections:4} conn  {figures.rps:8.0f} /s  {figures.cpu_us:8.0f} µs  "
        f"p50 {figures.p50:7.2f} ms  p99 {figures.p99:7.2f} ms  {figures.memory:5.0f} MB{wrong}"
    )


def render(sessions: Sequence[Session], seconds: int, rounds: int, chunks: int) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    parts = [_HEAD.format(day=datetime.now(UTC).date(), machine=machine, seconds=seconds, rounds=rounds)]
    for session in sessions:
        parts += _session(session, chunks)
    parts.append(_FINDINGS.read_text(encoding="utf-8"))
    parts.append(_ROUTING.read_text(encoding="utf-8"))
    return "\n".join(parts)


def _session(session: Session, chunks: int) -> Iterator[str]:
    yield f"## With {session.stores}\n"
    yield "| what | connections | requests/s | CPU µs a request | × bare | p50 ms | p99 ms | memory MB | errors |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for figures in (*session.bare, *session.ours):
        yield _row(figures, session)
    yield ""
    if session.stores != EMBEDDED:
        yield from _goals(session, chunks)


def _row(figures: Figures, session: Session) -> str:
    times = figures.cpu_us / _bare(session, figures.connections)
    return (
        f"| {figures.name} | {figures.connections} | {figures.rps:,.0f} | {figures.cpu_us:,.0f} | {times:.2f} "
        f"| {figures.p50:.2f} | {figures.p99:.2f} | {figures.memory:.0f} | {figures.errors} |"
    )


def _bare(session: Session, connections: int) -> float:
    return mean(figures.cpu_us for figures in session.bare if figures.connections == connections)


def _goals(session: Session, chunks: int) -> Iterator[str]:
    yield "| goal | allowed | measured | |"
    yield "| --- | --- | --- | --- |"
    base, stream = _bare(session, 32), _bare(session, 500)
    for name, micros in (("/v1/chat/completions", 450), ("/llm/chat", 550)):
        found = _of(session, name, 32).cpu_us / base
        yield _goal(f"CPU of {name} at 32 connections, × bare", micros / _BARE_US, found)
    for name in ("/v1/chat/completions streams", "/llm/chat streams"):
        found = _of(session, name, 500).cpu_us / stream
        yield _goal(f"CPU a chunk, {name} (500 × {chunks}), × bare", 45 / _BARE_CHUNK_US, found)
    added = _of(session, "/v1/chat/completions", 1).p50 - session.direct_p50
    yield _goal("median latency added to the upstream's, one connection, ms", 1.0, added)
    yield ""


def _of(session: Session, name: str, connections: int) -> Figures:
    return next(found for found in session.ours if (found.name, found.connections) == (name, connections))


def _goal(name: str, allowed: float, found: float) -> str:
    return f"| {name} | {allowed:.2f} | {found:.2f} | {'held' if found <= allowed else '**missed**'} |"
