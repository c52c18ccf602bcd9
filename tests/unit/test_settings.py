"""Every setting is checked at the start, every fault is told at once, and no secret is told at all."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import PROVIDERS, Settings, SettingsError
from app.settings.near import near
from app.settings.table import rows

CANARY = "canary-Zq81-do-not-tell"
GOOD_SECRET = "k3J9-dk2L_aa81.Zp0q7Rt5uV6wX8yZ1"


def load(**environ: str) -> Settings:
    return Settings.load(environ, None, Path("/srv/onedoor"))


def faults(dotenv: Path | None = None, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as told:
        Settings.load(environ, dotenv, Path("/srv/onedoor"))
    return told.value.faults


def test_with_nothing_set_the_service_runs_embedded() -> None:
    settings = load()
    assert settings.embedded
    assert settings.web_concurrency == 1
    assert settings.database_url == "sqlite:////srv/onedoor/instance/app.db"
    assert settings.files_url == "/srv/onedoor/instance/uploads"
    assert settings.log_dir == Path("/srv/onedoor/logs")
    assert settings.loopback
    assert settings.warnings() == ()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "0", 0),
        ("BODY_TIMEOUT", "2.5", 2.5),
        ("PROMPT_LOG", "No", False),
        ("CACHE_SEMANTIC", "on", True),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("DEFAULT_BUDGET", "0.000000001", 1),
        ("DEFAULT_BUDGET", "0", 0),
        ("DEFAULT_BUDGET", "9000000", 9_000_000 * 10**9),
        ("ALLOWED_HOSTS", "a.example, *.B.example,c:8080", ("a.example", "*.b.example", "c:8080")),
        ("CORS_ORIGINS", "https://app.example,http://localhost:3000", ("https://app.example", "http://localhost:3000")),
        ("DATABASE_URL", "postgres://u:p@db/x", "postgresql+psycopg://u:p@db/x"),
        ("REDIS_URL", "rediss://:pw@cache:6380/2", "rediss://:pw@cache:6380/2"),
        ("POLLINATIONS_BASE_URL", "", None),
        ("PORT", "", 5000),
        ("LOG_DIR", "/var/log/x", Path("/var/log/x")),
        ("SEARXNG_URL", "http://search/", "http://search"),
    ],
)
def test_a_value_becomes_its_type(name: str, value: str, expected: object) -> None:
    assert getattr(load(**{name: value}), name.lower()) == expected


def test_networks_of_trusted_proxies_are_networks() -> None:
    networks = load(TRUSTED_PROXIES="10.0.0.0/8, ::1").trusted_proxies
    assert [str(network) for network in networks] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "5_000"),
        ("PORT", "٥٠٠٠"),
        ("PORT", "5000.0"),
        ("MAX_STREAMS", "0"),
        ("WEB_CONCURRENCY", "-1"),
        ("BODY_TIMEOUT", "nan"),
        ("BODY_TIMEOUT", "1e3"),
        ("STALL_TIMEOUT", "inf"),
        ("PROMPT_LOG", "maybe"),
        ("REDIS_DOWN", "shut"),
        ("STRATEGY", "best"),
        ("LOG_LEVEL", "LOUD"),
        ("HOST", "not a host"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ALLOWED_HOSTS", "https://a.example"),
        ("ALLOWED_HOSTS", "a:99999"),
        ("CORS_ORIGINS", "app.example"),
        ("CORS_ORIGINS", "https://app.example/path"),
        ("CORS_ORIGINS", "https://u@app.example"),
        ("DATABASE_URL", "mysql://db/x"),
        ("DATABASE_URL", "sqlite://"),
        ("REDIS_URL", "http://cache"),
        ("REDIS_URL", "redis://cache:port"),
        ("CHROMA_URL", "chroma:8000"),
        ("FILES_URL", "s3://"),
        ("FILES_URL", "ftp://files/x"),
        ("FILES_URL", "s3://files?endpoint=ftp://x"),
        ("FILES_URL", "s3://files?region=x"),
        ("DEFAULT_BUDGET", "NaN"),
        ("DEFAULT_BUDGET", "-1"),
        ("DEFAULT_BUDGET", "1e400"),
        ("DEFAULT_BUDGET", "0.0000000001"),
        ("DEFAULT_BUDGET", "9000000.01"),
        ("ADMIN_USERNAME", "guest"),
        ("ADMIN_USERNAME", "a/b"),
        ("CACHE_SEMANTIC_THRESHOLD", "1.1"),
        ("SECRET_KEY", "changeme"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("JWT_SECRET_KEY", "a" * 40),
        ("GROQ_API_KEY", "your_groq_api_key"),
        ("GROQ_API_KEY", "<key>"),
        ("GEMINI_API_KEY", "schlüssel"),
        ("OPENAI_API_KEY_1", "two words"),
        ("OPENAI_BASE_URL", "ftp://api"),
        ("NGROK_BASE_URL", "http://user:pw@host"),
        ("OLLAMA_MODEL", "a model"),
        ("METRICS_TOKEN", "two\nlines"),
        ("EMBEDDINGS_MODEL", "another-256"),
        ("EMBEDDINGS_MODEL", "anthropic/embed"),
        ("EMBEDDINGS_MODEL", "openai/"),
    ],
)
def test_a_wrong_value_is_one_fault_that_names_its_setting(name: str, value: str) -> None:
    (fault,) = faults(**{name: value})
    assert fault.startswith(name)


def test_fault_11_02_all_faults_are_told_in_one_message() -> None:
    with pytest.raises(SettingsError) as told:
        load(PORT="x", MAX_STREAMS="0", REDIS_DOWN="?", SECRET_KEY="changeme", RATE_LIMT_PER_MINUTE="1")
    assert len(told.value.faults) == 5
    for name in ("PORT", "MAX_STREAMS", "REDIS_DOWN", "SECRET_KEY", "RATE_LIMIT_PER_MINUTE"):
        assert name in str(told.value)


def test_fault_11_02_several_workers_need_redis() -> None:
    assert any("REDIS_URL" in fault for fault in faults(WEB_CONCURRENCY="4"))
    assert load(WEB_CONCURRENCY="4", REDIS_URL="redis://cache").web_concurrency == 4


def test_s3_needs_its_keys() -> None:
    assert len(faults(FILES_URL="s3://bucket/prefix")) == 2


@pytest.mark.parametrize("name", [name for name, row in rows().items() if row.secret])
def test_no_secret_stands_in_a_message_or_a_repr(name: str) -> None:
    with pytest.raises(SettingsError) as told:
        load(**{name: f"{CANARY} \x00"}, PORT="x")
    assert CANARY not in str(told.value)
    assert CANARY not in repr(told.value)


def test_provider_keys_are_in_no_repr_and_no_message() -> None:
    settings = load(GROQ_API_KEY=CANARY, SECRET_KEY=GOOD_SECRET, REDIS_URL=f"redis://:{CANARY}@cache")
    assert settings.providers["groq"].api_keys == (CANARY,)
    assert CANARY not in repr(settings)
    assert GOOD_SECRET not in repr(settings)
    assert CANARY not in str(faults(OPENAI_BASE_URL=f"http://u:{CANARY}@host", SEARXNG_URL=f"http://u:{CANARY}@h"))


def test_settings_cannot_be_changed() -> None:
    settings = load()
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.providers["groq"] = settings.providers["grok"]  # type: ignore[index]


class TestNames:
    @pytest.mark.parametrize(
        "name", ["RATE_LIMT_PER_MINUTE", "REDIS_URI", "GROQ_APIKEY_7", "GROQ_API_KEY_0", "XAI_API_KEYS"]
    )
    def test_a_mistyped_name_in_the_environment_is_a_fault(self, name: str) -> None:
        (fault,) = faults(**{name: "1"})
        assert name in fault
        assert "environment" in fault

    @pytest.mark.parametrize(
        "name", ["HOME", "POST", "OLLAMA_MODELS", "OLLAMA_HOST", "LANGUAGE", "PATH", "TEST_REDIS_URL"]
    )
    def test_names_of_others_are_left_alone(self, name: str) -> None:
        load(**{name: "1"})

    def test_an_unknown_name_in_dotenv_is_a_fault(self, tmp_path: Path) -> None:
        written = tmp_path / ".env"
        written.write_text("HOME=/x\nPROT=1\nPORT=5001\n")
        found = faults(written)
        assert len(found) == 2
        assert all(".env" in fault for fault in found)

    @given(st.text("ABC_", max_size=6), st.text("ABC_", max_size=6))
    def test_near_is_the_edit_distance(self, one: str, other: str) -> None:
        for distance in (0, 1, 2):
            assert near(one, other, distance) == (_levenshtein(one, other) <= distance)


def _levenshtein(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row, last = [i], row
        for j, b in enumerate(other, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (a != b)))
    return row[-1]


class TestDotenv:
    def test_the_environment_wins(self, tmp_path: Path) -> None:
        written = tmp_path / ".env"
        written.write_text("PORT=5001\nexport HOST=0.0.0.0\n# a comment\nADMIN_PASSWORD='a ${HOME} b'\n")
        settings = Settings.load({"PORT": "5002"}, written, tmp_path)
        assert (settings.port, settings.host) == (5002, "0.0.0.0")
        assert settings.admin_password == "a ${HOME} b"

    @pytest.mark.parametrize("text", ["PORT", "=5", 'HOST="open', "a b c=1"])
    def test_what_is_no_assignment_is_a_fault(self, text: str, tmp_path: Path) -> None:
        written = tmp_path / ".env"
        written.write_text(text + "\n")
        assert faults(written)

    def test_a_file_that_is_no_text_is_a_fault(self, tmp_path: Path) -> None:
        written = tmp_path / ".env"
        written.write_bytes(b"PORT=\xff\n")
        (fault,) = faults(written)
        assert "UTF-8" in fault

    def test_a_missing_file_is_none(self, tmp_path: Path) -> None:
        assert Settings.load({}, tmp_path / ".env", tmp_path).port == 5000


class TestProviders:
    def test_a_pool_is_in_the_order_of_its_numbers_without_doubles(self) -> None:
        settings = load(
            GROQ_API_KEY_10="j", GROQ_API_KEY_2="b", GROQ_API_KEY="z", GROQ_API_KEY_1="b", GROQ_API_KEY_3=""
        )
        assert settings.providers["groq"].api_keys == ("z", "b", "j")

    def test_xai_means_grok(self) -> None:
        grok = load(XAI_API_KEY="x").providers["grok"]
        assert grok.api_keys == ("x",)
        assert grok.configured

    @pytest.mark.parametrize(
        ("provider", "given_url", "used"),
        [
            ("OPENAI", "http://host:7100", "http://host:7100/v1"),
            ("OPENAI", "http://host:7100/", "http://host:7100/v1"),
            ("OPENAI", "http://host/other/v2/", "http://host/other/v2"),
            ("GEMINI", "http://host:7100", "http://host:7100"),
            ("ANTHROPIC", "http://host:7100/", "http://host:7100"),
            ("NGROK", "", "http://localhost:8080/v1"),
        ],
    )
    def test_a_base_url_gets_v1_where_the_wire_is_openais(self, provider: str, given_url: str, used: str) -> None:
        settings = load(**{f"{provider}_BASE_URL": given_url})
        assert settings.providers[provider.lower()].base_url == used

    def test_without_a_key_nobody_is_configured(self) -> None:
        assert not any(provider.configured for provider in load().providers.values())
        assert set(load().providers) == set(PROVIDERS)

    @pytest.mark.parametrize("name", ["NGROK_BASE_URL", "NGROK_MODEL", "NGROK_API_KEY"])
    def test_ngrok_is_configured_by_any_of_its_settings(self, name: str) -> None:
        assert load(**{name: "http://host"}).providers["ngrok"].configured

    def test_ollama_waits_for_its_server(self) -> None:
        assert not load(OLLAMA_BASE_URL="http://host", OLLAMA_API_KEY="k").providers["ollama"].configured


def test_open_doors_to_paid_providers_are_warned_of() -> None:
    risky = {"HOST": "0.0.0.0", "GROQ_API_KEY": "k"}
    assert load(**risky).warnings()
    assert not load(**risky, DEFAULT_BUDGET="5").warnings()
    assert not load(**risky, REGISTRATION="closed").warnings()
    assert load(**risky, REGISTRATION="closed", ANONYMOUS_ACCESS="true").warnings()
    assert load(GROQ_API_KEY="k", TRUSTED_PROXIES="10.0.0.1").warnings()


def test_settings_are_light_to_import() -> None:
    heavy = "{'flask', 'gevent', 'sqlalchemy', 'redis', 'orjson', 'dotenv'}"
    code = f"import app.settings, sys; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert time.monotonic() - began < 3
