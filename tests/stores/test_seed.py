from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import seed
from app.domain.errors import Conflict
from app.factories.seed_models import SEED_MODELS
from app.repositories.api_keys import ApiKeys
from app.repositories.database import Database
from app.repositories.model_rows import ModelRows
from app.repositories.secret_fingerprints import SecretFingerprints
from app.repositories.users import Users
from app.services.catalogue import seeding
from app.settings import Settings
from app.utils.clock import utcnow

SECRET, OTHER = "s" * 40 + "1a", "t" * 40 + "2b"


def settings(root: Path, url: str, **environ: str) -> Settings:
    (root / "instance").mkdir(exist_ok=True)
    return Settings.load({"DATABASE_URL": url, **environ}, None, root)


def test_an_empty_database_is_filled_and_the_password_shown_once(
    empty_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(tmp_path, empty_url)
    seed.prepare(given)
    shown = capsys.readouterr().out
    seed.prepare(given)
    assert "the password is " in shown
    assert capsys.readouterr().out == ""
    database = Database(empty_url)
    admin = Users(database).by_name("admin")
    assert admin is not None
    assert admin.role == "admin"
    assert {model.id for model in SEED_MODELS} <= {model.id for model in ModelRows(database).all()}
    key = (given.instance / "first-key").read_text().strip()
    found = ApiKeys(database).by_hash(hashlib.sha256(key.encode()).digest())
    assert found is not None
    assert found[1].id == admin.id
    assert len(ApiKeys(database).page(admin.id, 10, None)) == 1
    assert stat.S_IMODE(os.stat(given.instance / "first-key").st_mode) == 0o600
    database.close()


def test_a_password_that_is_set_is_not_shown(
    empty_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed.prepare(settings(tmp_path, empty_url, ADMIN_USERNAME="boss", ADMIN_PASSWORD="Very-Secret-9"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("environ", [{"HOST": "0.0.0.0"}, {"REDIS_URL": "redis://127.0.0.1"}])
def test_no_key_is_left_where_others_could_come_in(empty_url: str, tmp_path: Path, environ: dict[str, str]) -> None:
    given = settings(tmp_path, empty_url, **environ)
    seed.prepare(given)
    assert not (given.instance / "first-key").exists()


def test_a_first_key_of_another_database_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = settings(tmp_path, f"sqlite:///{tmp_path / 'a.db'}")
    seed.prepare(given)
    before = (given.instance / "first-key").read_text()
    seed.prepare(settings(tmp_path, f"sqlite:///{tmp_path / 'b.db'}"))
    assert (given.instance / "first-key").read_text() != before


def test_a_start_goes_on_where_no_key_can_be_made(tmp_path: Path) -> None:
    class Full:
        def known(self, key: str) -> bool:
            return False

        def make(self) -> str:
            raise Conflict("A user has at most 100 keys.")

        def forget(self, key: str) -> None:
            raise AssertionError

    seeding.first_key(tmp_path / "first-key", Full())
    assert not (tmp_path / "first-key").exists()


def test_the_model_of_a_setting_is_in_the_catalogue(empty_url: str, tmp_path: Path) -> None:
    seed.prepare(settings(tmp_path, empty_url, NGROK_MODEL="one", GROQ_MODEL="quite-new"))
    seed.prepare(settings(tmp_path, empty_url, NGROK_MODEL="two", GROQ_MODEL="quite-new"))
    database = Database(empty_url)
    found = {model.id: model for model in ModelRows(database).all()}
    database.close()
    assert "ngrok/two" in found
    assert "ngrok/one" not in found
    assert found["groq/quite-new"].price is None
    assert found["ngrok/two"].price is not None


def test_two_nodes_that_start_at_once_fill_one_database(empty_url: str, tmp_path: Path) -> None:
    script = Path(seed.__file__)
    environ = {**os.environ, "DATABASE_URL": empty_url, "REDIS_URL": "redis://127.0.0.1", "ADMIN_PASSWORD": "Aa-345678"}
    code = f"import sys; sys.path.insert(0, {str(script.parent)!r}); import seed; seed.main()"
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=environ, stderr=subprocess.PIPE, cwd=script.parent)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], errors
    database = Database(empty_url)
    assert len(ModelRows(database).all()) == len({(m.integration, m.name) for m in ModelRows(database).all()})
    database.close()


def test_a_generated_secret_that_differs_stops_the_start_and_a_set_one_does_not(
    empty_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = replace(settings(tmp_path, empty_url), secret_key=SECRET)
    (given.instance / "secret_key").write_text(SECRET)
    seed.prepare(given)
    rotated = replace(given, secret_key=OTHER)
    seed.prepare(rotated)
    assert [record.getMessage() for record in caplog.records if "SECRET_KEY" in record.getMessage()] != []
    caplog.clear()
    seed.prepare(rotated)
    assert not [record for record in caplog.records if "SECRET_KEY" in record.getMessage()]
    with pytest.raises(seed.CannotStart, match="SECRET_KEY was generated here"):
        seed.prepare(given)


def test_a_fingerprint_tells_nothing_of_the_secret(database: Database) -> None:
    seeding.check_secrets(SecretFingerprints(database), {"SECRET_KEY": SECRET}, lambda name: False, utcnow())
    kept = SecretFingerprints(database).get("SECRET_KEY")
    assert kept is not None
    assert SECRET not in kept
    assert len(kept) == 64


def test_a_database_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(seed.CannotStart) as fault:
        seed.prepare(settings(tmp_path, f"sqlite:///{tmp_path / 'none' / 'a.db'}"))
    assert "\n" not in str(fault.value)
