"""`.env.example` is what the rows say, and copying it changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

from app.settings import Settings
from app.settings.example import example
from app.settings.table import PROVIDERS, rows

ROOT = Path(__file__).parents[2]
WRITTEN = (ROOT / ".env.example").read_text()


def test_it_is_made_from_the_rows() -> None:
    assert example() == WRITTEN, "run: make example"


def test_every_setting_stands_in_it_commented_out() -> None:
    named = set(re.findall(r"^#([A-Z0-9_]+)=", WRITTEN, re.M))
    providers = {f"{name.upper()}_{part}" for name in PROVIDERS for part in ("API_KEY", "BASE_URL", "MODEL")}
    assert named == set(rows()) | providers | {"XAI_API_KEY"}
    assert not re.findall(r"^[A-Z]", WRITTEN, re.M)


def test_a_copy_of_it_is_the_defaults(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(WRITTEN)
    assert Settings.load({}, copy, tmp_path) == Settings.load({}, None, tmp_path)


def test_each_default_taken_into_use_is_the_default(tmp_path: Path) -> None:
    taken = tmp_path / ".env"
    taken.write_text(re.sub(r"^#([A-Z0-9_]+=)", r"\1", WRITTEN, flags=re.M))
    used = Settings.load({}, taken, tmp_path)
    plain = Settings.load({}, None, tmp_path)
    differing = {name for name in rows() if getattr(used, name.lower()) != getattr(plain, name.lower())}
    assert not differing
