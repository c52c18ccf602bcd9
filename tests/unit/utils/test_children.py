"""Children: warm, bounded, and gone when they misbehave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from app.utils.cancel import Cancel
from app.utils.children import Children, ChildrenBusyError, JobDiedError, JobRefusedError, Limits
from app.utils.pools import ThreadLane

ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits(seconds=2, memory_mb=256, file_mb=4)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Children]]:
    made: list[Children] = []
    before = set(_children())  # servers of other tests

    def new(limits: Limits = LIMITS, **more: Any) -> Children:
        made.append(Children("tests.unit.utils.rogue", limits, tmp_path / "jobs", **more))
        return made[-1]

    yield new
    for children in made:
        children.close()
    assert list((tmp_path / "jobs").glob("*")) == [], "a job's folder was left"
    _soon(lambda: set(_children()) <= before, "a child or a zombie was left")


def run(children: Children, do: str, **more: Any) -> dict[str, Any]:
    """What the child answered."""
    return children.run({"do": do, **more}, lambda answer, folder: answer)


def test_a_child_serves_one_job_after_the_other(make: Callable[..., Children]) -> None:
    children = make()
    first, second = run(children, "well"), run(children, "well")
    assert first["pid"] == second["pid"] != os.getpid()
    assert first["group"] == first["pid"], "a process group of its own"


def test_all_who_come_first_at_once_are_served(make: Callable[..., Children], monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_lane = ThreadLane.run

    def later(lane: ThreadLane, work: Callable[[], Any]) -> Any:
        gevent.sleep(0.01)  # others run while a thread works
        return in_the_lane(lane, work)

    monkeypatch.setattr(ThreadLane, "run", later)
    children = make(size=2)
    jobs = [gevent.spawn(run, children, "well") for _ in range(4)]
    gevent.joinall(jobs, timeout=20)
    assert all("pid" in (job.value or {}) for job in jobs)


def test_what_a_job_writes_is_collected_before_its_folder_goes(make: Callable[..., Children]) -> None:
    seen: list[Path] = []

    def collect(answer: dict[str, Any], folder: Path) -> str:
        seen.append(folder)
        return (folder / "result").read_text()

    assert make().run({"do": "well"}, collect) == "done"
    assert not seen[0].exists()


def test_a_job_finds_what_was_prepared_for_it(make: Callable[..., Children]) -> None:
    def prepare(folder: Path) -> None:
        (folder / "input").write_text("given")

    kept = make().run({"do": "well"}, lambda answer, folder: (folder / "input").read_text(), prepare=prepare)
    assert kept == "given"


def test_a_child_is_replaced_after_so_many_jobs(make: Callable[..., Children]) -> None:
    children = make(jobs=2)
    pids = [run(children, "well")["pid"] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_an_idle_child_is_ended(make: Callable[..., Children]) -> None:
    children = make(idle=0.05)
    pid = str(run(children, "well")["pid"])
    _soon(lambda: not children.pids and pid not in _children(), "the idle child lives on")
    assert run(children, "well")["did"] == "well"


def test_a_refusal_keeps_the_child_and_a_bug_does_not(make: Callable[..., Children]) -> None:
    children = make()
    pid = run(children, "well")["pid"]
    with pytest.raises(JobRefusedError) as refused:
        run(children, "refuse")
    assert (refused.value.kind, refused.value.message) == ("too_large", "more than is read")
    assert run(children, "well")["pid"] == pid
    with pytest.raises(JobRefusedError) as stumbled:
        run(children, "stumble")
    assert (stumbled.value.kind, stumbled.value.message) == ("unreadable", ""), "a library's words are not told"
    assert run(children, "well")["pid"] != pid


@pytest.mark.parametrize(
    ("do", "why"),
    [("hang", "time"), ("spin", "time crash"), ("crash", "crash"), ("eat", "memory"), ("babble", "crash")],
)
def test_fault_7_10_a_child_that_misbehaves_is_killed(make: Callable[..., Children], do: str, why: str) -> None:
    children = make()
    began = time.monotonic()
    with pytest.raises(JobDiedError) as died:
        run(children, do)
    assert died.value.why in why.split()
    assert time.monotonic() - began < 15
    assert run(children, "well")["did"] == "well", "the next job has a new one"


def test_fault_7_10_what_a_child_has_started_dies_with_it(make: Callable[..., Children], tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    with pytest.raises(JobDiedError):
        run(make(Limits(seconds=1, memory_mb=256, forks=True)), "fork", note=str(note))
    pid = int(note.read_text())
    _soon(lambda: not _lives(pid), "the grandchild lives on")


def test_fault_7_10_a_file_can_be_no_larger_than_its_limit(make: Callable[..., Children]) -> None:
    with pytest.raises(JobRefusedError):
        run(make(), "fill")


def test_fault_7_10_what_is_printed_goes_nowhere(make: Callable[..., Children]) -> None:
    assert run(make(), "shout")["did"] == "shout"


def test_fault_7_10_too_deep_is_an_answer(make: Callable[..., Children]) -> None:
    with pytest.raises(JobRefusedError) as refused:
        run(make(), "recurse")
    assert refused.value.kind == "unreadable"


def test_fault_7_10_its_environment_holds_no_secret(
    make: Callable[..., Children], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "canary-key")
    monkeypatch.setenv("DATABASE_URL", "postgresql://canary")
    answer = run(make(), "well")
    assert "canary" not in str(answer["environment"])
    assert set(answer["environment"]) <= {
        "PATH", "LANG", "HOME", "TMPDIR", "MALLOC_ARENA_MAX", "PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT", "LC_CTYPE",
    }  # fmt: skip


def test_its_limits_stand_before_it_reads_anything(make: Callable[..., Children]) -> None:
    limits = run(make(), "well")["limits"]
    assert limits["RLIMIT_AS"] == [256 * 2**20] * 2
    assert limits["RLIMIT_FSIZE"] == [4 * 2**20] * 2
    assert limits["RLIMIT_NPROC"] == [0, 0]
    assert limits["RLIMIT_CORE"] == [0, 0]
    assert 2 <= limits["RLIMIT_CPU"][0] <= 5


def test_where_too_many_wait_the_next_is_turned_away(make: Callable[..., Children]) -> None:
    children = make(Limits(seconds=1, memory_mb=256), waiting=1)
    running = [gevent.spawn(_outcome, children) for _ in range(3)]
    gevent.joinall(running)
    assert sorted(str(one.value) for one in running) == ["busy", "time", "time"]


def test_nobody_waits_for_ever(make: Callable[..., Children]) -> None:
    children = make(Limits(seconds=2, memory_mb=256), patience=0.1)
    first, second = gevent.spawn(_outcome, children), gevent.spawn(_outcome, children)
    gevent.joinall([first, second])
    assert [first.value, second.value] == ["time", "busy"]


def test_who_leaves_stops_the_work(make: Callable[..., Children]) -> None:
    children, cancel = make(Limits(seconds=60, memory_mb=256)), Cancel()
    run(children, "well")
    gevent.spawn_later(0.1, cancel.cancel, "client gone")
    began = time.monotonic()
    with pytest.raises(JobDiedError) as died:
        children.run({"do": "hang"}, lambda answer, folder: answer, cancel=cancel)
    assert died.value.why == "stopped"
    assert time.monotonic() - began < 10


def test_a_waiting_job_does_not_hold_the_loop(make: Callable[..., Children]) -> None:
    children = make(Limits(seconds=1, memory_mb=256))
    run(children, "well")
    late: list[float] = []

    def beat() -> None:
        while True:
            began = time.monotonic()
            gevent.sleep(0.02)
            late.append(time.monotonic() - began - 0.02)

    beating = gevent.spawn(beat)
    with pytest.raises(JobDiedError):
        run(children, "hang")
    beating.kill()
    assert len(late) > 10
    assert max(late) < 0.25


def test_what_a_dead_process_left_is_swept(make: Callable[..., Children], tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "jobs" / f"job-{dead.pid}-left").mkdir(parents=True)
    run(make(), "well")


def test_a_child_ends_with_its_worker(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from app.utils.children import Children, Limits;"
        f"c = Children('tests.unit.utils.rogue', Limits(2, 256), Path({str(tmp_path)!r}));"
        "print(c.run({'do': 'well'}, lambda a, f: a['pid']), flush=True); time.sleep(1000)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    assert _lives(pid)
    worker.kill()
    worker.wait()
    _soon(lambda: not _lives(pid), "the child outlives its worker")


def test_no_job_is_imported_in_a_worker() -> None:
    heavy = ("app.jobs", "av", "cv2", "PIL", "pypdfium2", "docx", "openpyxl", "pptx", "rapidocr")
    code = "import sys, app.bootstrap; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() for root in heavy if name == root or name.startswith(f"{root}.")}
    assert loaded == set()
    importers = [
        path.name
        for path in (ROOT / "app").rglob("*.py")
        if path.parent.name != "jobs" and any(word in path.read_text() for word in ("import app.jobs", "from app.jobs"))
    ]
    assert importers == []


def _outcome(children: Children) -> str:
    try:
        run(children, "hang")
    except ChildrenBusyError:
        return "busy"
    except JobDiedError as died:
        return died.why
    return "answered"


def _lives(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _children() -> list[str]:
    pid = os.getpid()
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _soon(look: Callable[[], bool], complaint: str, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, complaint
        gevent.sleep(0.01)
