"""The README is followed word by word: its commands exist, its first chats answer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.server import ROOT, LiveServer

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CURLS = [text for language, text in BLOCKS if language == "sh" and "curl " in text]
PYTHON = [text for language, text in BLOCKS if language == "python"]


def at(server: LiveServer, text: str) -> str:
    return text.replace("http://127.0.0.1:5000", server.url)


@pytest.mark.parametrize("command", CURLS)
def test_a_curl_line_answers_as_it_stands(command: str, live_server: LiveServer) -> None:
    line = at(live_server, command)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=live_server.folder, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert '"error"' not in ran.stdout
    if '"stream"' in command:
        assert "event: start\n" in ran.stdout
        assert "event: end\n" in ran.stdout
    else:
        assert ran.stdout.startswith("{"), ran.stdout


@pytest.mark.parametrize("program", PYTHON)
def test_the_sdk_program_prints_an_answer(program: str, live_server: LiveServer) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", at(live_server, program)],
        cwd=live_server.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_there_are_such_blocks_and_so_the_tests_above_can_fail() -> None:
    assert len(CURLS) == 9
    assert len(PYTHON) == 1


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_make_target_and_every_file_that_is_named_exists(text: str) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"^make (\w+)|`make (\w+)", text, re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }
    named = re.findall(r"`((?:app|tests|docs|requests|migrations|bench)/[\w/.-]*|[A-Z]+\.md|\.[a-z]+/[a-z]+)`", text)
    assert named
    missing = [name for name in named if not (ROOT / name).exists() and Path(name).parts[0] not in ("logs", "instance")]
    assert missing == []


def test_every_setting_that_the_readme_names_is_one() -> None:
    from app.settings.load import is_known

    table = README.partition("## Settings")[2].partition("## To add a provider")[0]
    names = re.findall(r"`([A-Z][A-Z_]{3,})`", table)
    assert names
    assert [name for name in names if name != "INFO" and not is_known(name)] == []
