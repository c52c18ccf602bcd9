"""What keeps: SQL, Redis or its embedded stand-in, the spool, the journal, the logs."""

from __future__ import annotations

from functools import partial

from app.bootstrap.house import MB, Stores
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.durable import DurableCommits, Replay
from app.repositories.group_commit import GroupCommit
from app.repositories.spool import Spool
from app.services.ledger.journal import Journal
from app.services.ledger.recovery import Recovery
from app.services.ledger.tally import Tally
from app.settings import Settings
from app.stores.chat_state import ChatState
from app.stores.embedded import EmbeddedRedis
from app.stores.group_trip import GroupTrip
from app.stores.scripts import ScriptRunner
from app.utils import logs
from app.utils.afterwards import Afterwards
from app.utils.lifecycle import Lifecycle
from app.utils.metrics import Metrics

REPLAY_TIMEOUT = 3.0
"""Seconds for one group of what the database missed; nobody waits for it."""

AFTERWARDS_SECONDS = 2.0
"""What is owed after replies gets this long at a worker's end; the rest is found again from SQL."""


def logs_of(settings: Settings, lifecycle: Lifecycle) -> logs.Logs:
    folder = settings.root / settings.log_dir
    written = logs.configure(folder, settings.log_level, max_bytes=settings.log_max_mb * MB, keep=settings.log_keep)
    lifecycle.on_close("logs", written.close)
    return written


def stores_of(settings: Settings, lifecycle: Lifecycle) -> Stores:
    database = Database(settings.database_url)
    redis: ScriptRunner = GroupTrip(settings.redis_url) if settings.redis_url else EmbeddedRedis()
    spool = Spool(settings.instance / "spool", settings.spool_max_mb * MB)
    commits = DurableCommits(GroupCommit(database), spool)
    hot = ChatState(
        redis,
        ttl=settings.conversation_ttl,
        max_messages=settings.conversation_max_messages,
        max_tokens=settings.conversation_max_tokens,
    )
    lifecycle.on_close("database", database.close)
    lifecycle.on_close("redis", redis.close)
    lifecycle.on_close("commits", commits.close)
    replay = Replay(spool, GroupCommit(database, timeout=REPLAY_TIMEOUT), hot.forget_conversation)
    replay.start(commits)
    lifecycle.on_close("replay", replay.stop)
    # A crash may misjudge a slice: a quarter is told late, the rest is for what was still on its way to us.
    journal = Journal(settings.instance / "journal", max(1, settings.lease_tokens // 4))
    tally = Tally(Metrics())
    tally.start()
    lifecycle.on_close("metrics", tally.stop)
    recovery = Recovery(journal, commits, hot, lambda: not commits.pending, tally.recovered)
    recovery.start()
    lifecycle.on_close("journal", journal.close)
    afterwards = Afterwards(lost=tally.dropped)
    lifecycle.on_close("work after replies", partial(afterwards.drain, AFTERWARDS_SECONDS))
    lifecycle.on_close("recovery", recovery.stop)
    return Stores(database, redis, hot, commits, journal, tally, Conversations(database), afterwards)
