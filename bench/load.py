"""Drive wrk at one URL; tell requests a second, latency, and the CPU and memory of a process and its descendants."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

_SCRIPT = """
local bodies = {}
for line in io.lines(os.getenv("BENCH_BODIES")) do bodies[#bodies + 1] = line end
local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")}
local requests, at = {}, 0
function init()
  for i, body in ipairs(bodies) do requests[i] = wrk.format("POST", nil, headers, body) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(s, l, r)
  local e = s.errors
  io.write(string.format("RES %d %d %d %f %f\\n", s.requests, s.duration,
    e.status + e.read + e.timeout + e.connect, l:percentile(50), l:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """rps: requests a second; cpu_us: user+sys microseconds a request; p50, p99: milliseconds; memory: MB."""

    name: str
    connections: int
    rps: float
    errors: int
    cpu_us: float
    p50: float
    p99: float
    memory: float


def load(name: str, pid: int, url: str, bodies: list[str], token: str, *, connections: int, seconds: int) -> Figures:
    """Load the URL and measure. pid: the server; its descendants count too. bodies: sent in turn."""
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder, "load.lua"), Path(folder, "bodies")
        script.write_text(_SCRIPT)
        lines.write_text("\n".join(bodies))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "30", "-s", str(script), url]
        environ = os.environ | {"BENCH_BODIES": str(lines), "BENCH_TOKEN": token}
        before, _ = usage(pid)
        told = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
        after, memory = usage(pid)
    found = re.search(r"RES (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)", told)
    if found is None:
        raise RuntimeError(f"wrk told nothing: {told}")
    count, micros, errors = (int(part) for part in found.groups()[:3])
    return Figures(
        name=name,
        connections=connections,
        rps=count / micros * 1e6,
        errors=errors,
        cpu_us=(after - before) * 1e6 / max(count, 1),
        p50=float(found[4]) / 1e3,
        p99=float(found[5]) / 1e3,
        memory=memory,
    )


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MB of a process and its descendants."""
    cpu = memory = 0.0
    for process in _family(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        cpu += (int(fields[11]) + int(fields[12])) / TICK
        memory += int(fields[21]) * PAGE / 1e6
    return cpu, memory


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry))
    found, waiting = [], [pid]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, [])
    return found


def body(**fields: object) -> str:
    return json.dumps(fields)
