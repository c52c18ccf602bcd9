"""Asks the providers in the background which models they have for the keys at hand."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing

import gevent

from app.adapters import model_lists
from app.domain.catalogue import Model, Provider
from app.domain.errors import ProviderFault
from app.domain.money import FREE
from app.factories.catalogue import row_of
from app.services.catalogue.catalogue import Catalogue
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.clock import monotonic
from app.utils.patience import Patience

log = logging.getLogger(__name__)

KEPT_SECONDS = 3_600.0
AGAIN_SECONDS = 30.0
REPLY_SECONDS = 15.0
MAX_LIST = 4 * 2**20
RANK = 100_000  # behind every row of the catalogue


class Discovery:
    """One greenlet a provider that can be asked: those with a key, and those that need none."""

    def __init__(self, transport: Transport, catalogue: Catalogue, providers: Iterable[Provider]) -> None:
        self._transport = transport
        self._catalogue = catalogue
        self._providers = [provider for provider in providers if _can_be_asked(provider)]
        self._loops: list[gevent.Greenlet] = []

    def start(self) -> None:
        """Begin to ask, in the process that serves."""
        self._loops = [gevent.spawn(self._keep_asking, provider) for provider in self._providers]

    def stop(self) -> None:
        gevent.killall(self._loops)

    def ask(self, provider: Provider) -> None:
        """Ask once and tell the catalogue. Raises ProviderFault."""
        wire = row_of(provider.integration).wire
        secret = provider.credentials[0].secret if provider.credentials else None
        url, headers = model_lists.request(wire, provider.base_url, secret)
        now = monotonic()
        patience = Patience(deadline=now + REPLY_SECONDS, first=REPLY_SECONDS, stall=REPLY_SECONDS)
        with closing(self._transport.send(HttpRequest("GET", url, headers), patience, Cancel())) as reply:
            body = reply.read(MAX_LIST)
            if reply.status != 200:
                raise ProviderFault("bad_reply", f"the list of models was refused with {reply.status}")
        found = model_lists.read(wire, body)
        self._catalogue.listed(provider.integration, tuple(_models(provider.integration, found)))

    def _keep_asking(self, provider: Provider) -> None:
        while True:
            try:
                self.ask(provider)
            except ProviderFault as fault:
                log.debug("%s did not list its models: %s", provider.integration, fault.kind)
                gevent.sleep(AGAIN_SECONDS)
            else:
                gevent.sleep(KEPT_SECONDS)


def _can_be_asked(provider: Provider) -> bool:
    row = row_of(provider.integration)
    if row.wire not in model_lists.WIRES:
        return False
    return provider.unavailable is None or provider.integration == "ollama"


def _models(integration: str, found: Iterable[model_lists.Listed]) -> Iterable[Model]:
    """Rows of a list: their abilities are not told, and only what runs at home is known to be free."""
    free = not row_of(integration).needs_key
    for index, listed in enumerate(found):
        yield Model(
            f"{integration}/{listed.name}",
            integration,
            listed.name,
            context_window=listed.context_window,
            price=FREE if free else None,
            chat=listed.chats,
            abilities_known=False,
            rank=RANK + index,
            listed=True,
        )
