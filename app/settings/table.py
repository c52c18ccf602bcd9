"""Every setting of the service: a row is its name, type, default and help, and makes `.env.example`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from app.settings import kinds
from app.settings.kinds import Network, choice, flag, listed, number, text, url, whole


@dataclass(frozen=True, slots=True)
class Row:
    """shown: what `.env.example` tells of a default that is worked out at start.

    secret: the value is in no message and no repr. empty: a value of nothing means something, not "left out".
    """

    kind: kinds.Kind
    default: object
    help: str
    secret: bool = False
    shown: str = ""
    empty: bool = False


def row(default: object, kind: kinds.Kind, says: str, *, secret: bool = False, **more: Any) -> Any:
    return field(repr=not secret, metadata={"row": Row(kind, default, says, secret, **more)})


_UNGUARDED = (
    "Whoever reaches this address can spend money at your providers: "
    "set DEFAULT_BUDGET, or REGISTRATION=closed and ANONYMOUS_ACCESS=false."
)


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider where nothing is set. compatible: speaks OpenAI's wire, so a bare base URL gets /v1."""

    base_url: str
    model: str | None = None
    compatible: bool = True


PROVIDERS: Mapping[str, ProviderRow] = {
    "gemini": ProviderRow("https://generativelanguage.googleapis.com", "gemini-2.5-flash", compatible=False),
    "groq": ProviderRow("https://api.groq.com/openai/v1"),
    "grok": ProviderRow("https://api.x.ai/v1", "grok-beta"),
    "openai": ProviderRow("https://api.openai.com/v1"),
    "anthropic": ProviderRow("https://api.anthropic.com", compatible=False),
    "ngrok": ProviderRow("http://localhost:8080", "gemini-2.5-flash"),
    "ollama": ProviderRow("http://localhost:11434"),
}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """A provider as the environment knows it.

    base_url: without a slash at its end; of an OpenAI-compatible one with its path (`…/v1`).
    model: `P_MODEL`, or the provider's default, or None. model_set: whether `P_MODEL` was given.
    configured: a key is there (NGROK: a key, base URL or model is set). OLLAMA is never configured from here:
        its server's own list of models decides while the service runs.
    """

    base_url: str
    model: str | None
    model_set: bool
    configured: bool
    api_keys: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The rows. Attribute = the setting's name in lower case; MB = 2^20; times in seconds unless named."""

    # Where it listens
    host: str = row("127.0.0.1", kinds.bind_host, "address it listens at")
    port: int = row(5000, whole(0, 65535), "port it listens at; 0 takes a free one")
    web_concurrency: int = row(
        None,
        whole(1, 256),
        "worker processes; more than one needs REDIS_URL",
        shown="1 without REDIS_URL, else the number of cores",
    )
    max_streams: int = row(2000, whole(1, 100_000), "requests at once a worker; past it 503 overloaded at once")
    shutdown_timeout: float = row(30.0, number(0, 3600), "seconds that streams in flight may take to end at SIGTERM")
    body_timeout: float = row(30.0, number(1, 3600), "seconds for a request's body (and at most 10 s of silence)")
    trusted_proxies: tuple[Network, ...] = row((), listed(kinds.network), "addresses whose X-Forwarded-* is believed")
    allowed_hosts: tuple[str, ...] = row(
        (), listed(kinds.host_pattern), "hosts that are answered (name, *.name, name:port); none given: any"
    )
    cors_origins: tuple[str, ...] = row(
        (), listed(kinds.origin), "origins whose pages may call; * is allowed, without credentials"
    )
    # Secrets
    secret_key: str | None = row(
        None,
        kinds.signing_secret,
        "signs, and encrypts stored provider keys; 32 bytes or more",
        secret=True,
        shown="made once and kept in instance/",
    )
    secret_key_previous: str | None = row(
        None, kinds.signing_secret, "still opens what it encrypted, for a rotation", secret=True
    )
    jwt_secret_key: str | None = row(
        None,
        kinds.signing_secret,
        "signs access tokens; 32 bytes or more",
        secret=True,
        shown="made once and kept in instance/",
    )
    jwt_access_minutes: int = row(15, whole(1, 1440), "life of an access token")
    jwt_refresh_days: int = row(30, whole(1, 3650), "life of a refresh token")
    # Stores
    database_url: str = row(
        None,
        kinds.database_url,
        "sqlite:///… or postgresql://…",
        secret=True,
        shown="SQLite at instance/app.db",
    )
    redis_url: str | None = row(
        None,
        url("redis", "rediss", user=True),
        "redis://… or rediss://…",
        secret=True,
        shown="an embedded one, for a single process",
    )
    redis_down: str = row(
        "local",
        choice("local", "open", "closed"),
        "without Redis: closed: 503; open: no limits, 503 under a budget; local: each worker its share",
    )
    chroma_url: str | None = row(None, url("http", "https"), "a Chroma server", shown="embedded at instance/chroma")
    memory_enabled: bool = row(True, flag, "whether conversations are remembered")
    embeddings_model: str = row("wordllama-256", kinds.embedder, "what turns text into vectors")
    files_url: str = row(None, kinds.files_url, "a folder, or s3://bucket/prefix?endpoint=…", shown="instance/uploads")
    s3_access_key: str | None = row(None, kinds.api_key, "for FILES_URL=s3://…", secret=True)
    s3_secret_key: str | None = row(None, kinds.api_key, "for FILES_URL=s3://…", secret=True)
    s3_region: str | None = row(None, text, "for FILES_URL=s3://…")
    spool_max_mb: int = row(256, whole(1, 1_000_000), "rows that wait for the database; full: new chats 503")
    # Logs
    log_level: str = row(
        "INFO",
        choice("DEBUG", "INFO", "WARNING", "ERROR"),
        "least level that is logged: DEBUG, INFO, WARNING, ERROR",
    )
    log_dir: Path = row("logs", kinds.folder, "folder of the log files")  # noqa: RUF009
    log_max_mb: int = row(100, whole(1, 100_000), "size at which a log file is rotated")
    log_keep: int = row(5, whole(0, 1000), "rotated files that are kept")
    prompt_log: bool = row(True, flag, "logs/prompts.json and logs/prompts.csv: prompts in plain text")
    metrics_token: str | None = row(None, kinds.api_key, "bearer token that may read /metrics", secret=True)
    # Users
    admin_username: str = row("admin", kinds.user_name, "the admin that seed.py makes")
    admin_password: str | None = row(
        None, kinds.password, "the admin's first password", secret=True, shown="generated and shown once"
    )
    registration: str = row("open", choice("open", "closed"), "who may register: open or closed")
    default_budget: int | None = row(None, kinds.usd, "a new user's budget in USD a month", shown="none")
    anonymous_access: bool = row(False, flag, "whether a call without a token acts as guest")
    # Limits and money
    rate_limit_enabled: bool = row(True, flag, "whether requests a minute are limited")
    rate_limit_per_minute: int = row(60, whole(1, 10_000_000), "a caller's chats a minute")
    routes_per_minute: int = row(600, whole(1, 10_000_000), "a caller's calls a minute that are no chat")
    lease_tokens: int = row(
        64, whole(1, 100_000), "output tokens of one renewal of money, and what a crash may misjudge"
    )
    # Time
    request_timeout: float = row(
        120.0, number(1, 86_400), "a streamed chat until its first content, all candidates together"
    )
    stream_timeout: float = row(900.0, number(1, 86_400), "any chat in all")
    connect_timeout: float = row(5.0, number(0.1, 300), "look-up and connection to a provider")
    first_token_timeout: float = row(
        12.0, number(0.1, 3600), "silence before a provider's first content (a reasoning model: 60)"
    )
    stall_timeout: float = row(15.0, number(0.1, 3600), "silence between two pieces of content")
    reply_timeout: float = row(
        120.0,
        number(1, 86_400),
        "a provider's whole reply without streaming, and 1 s for each 25 of max_tokens past 3,000",
    )
    retry_budget: int = row(6, whole(1, 100), "tries a chat may spend over all candidates")
    retry_after_wait: float = row(3.0, number(0, 600), "longest wait for the model that was wished for")
    # Choice of a model
    strategy: str = row(
        "priority",
        choice("priority", "weighted", "round_robin", "least_latency", "lowest_cost", "learned"),
        "what auto uses: priority, weighted, round_robin, least_latency, lowest_cost, learned",
    )
    learned_weight_cost: float = row(0.2, number(0, 100), "what cost weighs for learned")
    learned_weight_latency: float = row(0.1, number(0, 100), "what latency weighs for learned")
    learned_half_life_days: float = row(7.0, number(0.01, 3650), "after how long a rating counts half")
    # Conversations and cache
    conversation_max_messages: int = row(40, whole(1, 10_000), "messages of a conversation that are sent")
    conversation_max_tokens: int = row(8000, whole(1, 10_000_000), "tokens of a conversation that are sent")
    conversation_ttl: int = row(86_400, whole(1, 31_536_000), "seconds that a conversation is kept hot")
    cache: str = row(
        "app",
        choice("app", "all", "off"),
        "where equal requests are answered from the cache unasked: app, all, off",
    )
    cache_ttl: int = row(86_400, whole(1, 31_536_000), "seconds that an answer is kept")
    cache_max_mb: int = row(256, whole(1, 1_000_000), "size of the cache")
    cache_semantic: bool = row(False, flag, "near-equal requests too")
    cache_semantic_threshold: float = row(0.95, number(0, 1), "how near")
    # Files
    max_upload_mb: int = row(64, whole(1, 100_000), "largest uploaded file")
    max_body_mb: int = row(10, whole(1, 10_000), "largest request body that is no upload")
    quota_mb: int = row(1024, whole(0, 100_000_000), "files a user may keep")
    video_max_frames: int = row(16, whole(1, 1000), "frames that are taken from a video")
    # Calls to elsewhere
    external_allowed_hosts: tuple[str, ...] = row(
        (), listed(kinds.host_pattern), "hosts that /api/external may call (name, *.name, name:port)"
    )
    external_api_timeout: float = row(10.0, number(0.1, 600), "seconds for such a call")
    external_api_max_retries: int = row(2, whole(0, 20), "how often it is repeated")
    searxng_url: str | None = row(None, url("http", "https"), "web search by a SearXNG server")
    tavily_api_key: str | None = row(None, kinds.api_key, "web search by Tavily", secret=True)
    search_max_calls: int = row(3, whole(0, 100), "searches in one chat")
    search_timeout: float = row(8.0, number(0.1, 600), "seconds for a search")
    pollinations_base_url: str | None = row(
        "https://image.pollinations.ai",
        url("http", "https"),
        "picture fallback, sends the prompt to a third party; empty turns it off",
        empty=True,
    )

    # Worked out at start
    root: Path
    providers: Mapping[str, ProviderSettings]

    @property
    def instance(self) -> Path:
        """What the service keeps: database, secrets, spool, journal."""
        return self.root / "instance"

    @property
    def embedded(self) -> bool:
        """Without Redis: one process with its own."""
        return self.redis_url is None

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def warnings(self) -> tuple[str, ...]:
        """What the start should say aloud."""
        unguarded = self.registration == "open" or self.anonymous_access
        if not unguarded or self.default_budget is not None or (self.loopback and not self.trusted_proxies):
            return ()
        if not any(provider.api_keys for provider in self.providers.values()):
            return ()
        return (_UNGUARDED,)


def rows() -> Mapping[str, Row]:
    """Name of each setting (upper case) to its row, in the order of the page."""
    return {item.name.upper(): _row(item) for item in fields(Values) if "row" in item.metadata}


def _row(item: Field[Any]) -> Row:
    found = item.metadata["row"]
    assert isinstance(found, Row)
    return found
