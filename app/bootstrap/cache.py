"""Answers that are given again."""

from __future__ import annotations

from app.bootstrap.house import MB, House
from app.domain.chat import Door
from app.repositories.cache import CacheRows
from app.services.chat.cache_keeping import CacheKeeping
from app.services.chat.cache_writing import CacheWriter
from app.services.chat.caching import ChatCache
from app.services.chat.nearness import Nearness
from app.stores.cache import HotCache
from app.utils.clock import utcnow

UNASKED: dict[str, frozenset[Door]] = {
    "off": frozenset(),
    "app": frozenset({"app", "short"}),
    "all": frozenset({"app", "short", "openai"}),
}
"""The doors at which each word of CACHE serves whoever does not ask for it."""


def cache(house: House) -> None:
    settings, stores = house.settings, house.stores
    most = settings.cache_max_mb * MB
    hot, rows = HotCache(stores.redis, most), CacheRows(stores.database)
    near = Nearness(rows, house.embedder, unasked=settings.cache_semantic, threshold=settings.cache_semantic_threshold)
    built = ChatCache(
        hot,
        rows,
        CacheWriter(hot, rows, near, ttl=settings.cache_ttl, later=stores.afterwards.put),
        near,
        unasked=UNASKED[settings.cache],
        later=stores.afterwards.put,
        looked=stores.tally.looked,
    )
    keeping = CacheKeeping(hot, rows, most)
    built.start()
    keeping.start()
    house.lifecycle.on_close("cache", built.stop)
    house.lifecycle.on_close("keeping of the cache", keeping.stop)
    house.forgetters.append(keeping.forget)
    house.cache = built
    house.kept_answers = lambda user_id: rows.count(user_id, utcnow())
