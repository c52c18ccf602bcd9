"""The catalogue as it stood at one moment: what a name means, what can answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.domain.catalogue import Credential, Model, Provider
from app.domain.chat import Work
from app.domain.policies.addresses import origin
from app.domain.policies.mixing import MIX, is_mix, pairs
from app.domain.policies.selection import does

AUTO = "auto"
IMAGE = "image"
DEMO = "demo"
OLLAMA = "ollama"


class Snapshot:
    """Frozen after it is made; a change of the catalogue makes another.

    bound: keys that go to one address alone.
    models: every row in the catalogue's own order, each with the reason why it cannot answer, if any.
    """

    def __init__(
        self, rows: Iterable[Model], providers: Mapping[str, Provider], bound: Iterable[Credential] = ()
    ) -> None:
        self.providers = dict(providers)
        self._bound: dict[tuple[str, str], tuple[Credential, ...]] = {}
        for key in bound:
            name = (key.integration, key.origin or "")
            self._bound[name] = (*self._bound.get(name, ()), key)
        self.models = tuple(sorted((self._available(row) for row in rows), key=lambda model: model.rank))
        self.by_name: dict[str, tuple[Model, ...]] = {}
        for model in self.models:
            self.by_name[model.name] = (*self.by_name.get(model.name, ()), model)
        self.real = tuple(m for m in self.models if m.available and m.chat and _chosen_unasked(m))
        self.demo = tuple(m for m in self.models if m.integration == DEMO)

    @property
    def choices(self) -> frozenset[str]:
        """The words that leave the choice among several models to us."""
        return frozenset({AUTO, IMAGE, MIX})

    @property
    def aliases(self) -> tuple[str, ...]:
        """The words that stand for a choice and not for one row."""
        return (AUTO, *(name for name, p in self.providers.items() if p.real and p.chats), IMAGE, MIX)

    @property
    def pools(self) -> Mapping[str, tuple[Credential, ...]]:
        """Every provider's keys."""
        found = {name: provider.credentials for name, provider in self.providers.items()}
        for (name, _), keys in self._bound.items():
            found[name] = (*found.get(name, ()), *keys)
        return found

    def pool(self, model: Model) -> tuple[Credential, ...]:
        """The keys it may be asked with, one at least. A row with an address of its own has those given for it."""
        return self.keys_for(model.integration, model.base_url) or (keyless(model.integration),)

    def keys_for(self, integration: str, base_url: str | None) -> tuple[Credential, ...]:
        """The provider's keys that may go to this address, None for its own."""
        provider = self.providers.get(integration)
        if base_url is not None and (provider is None or origin(base_url) != origin(provider.base_url)):
            return self._bound.get((integration, origin(base_url)), ())
        return provider.credentials if provider else ()

    def shown_name(self, model: Model) -> str:
        """How lists name a row: the second row of a name bears its integration."""
        return model.name if self.by_name[model.name][0] is model else f"{model.integration}/{model.name}"

    def workers(self, work: Work) -> tuple[Model, ...]:
        """Those that can do this work now and need not be asked for by name, in the catalogue's own order; for a
        picture the embedded one is the last of them."""
        found = tuple(m for m in self.models if m.available and does(m, work) and _chosen_unasked(m))
        return found if work == "chat" else (*found, *(m for m in self.demo if does(m, work)))

    def draws(self, name: str) -> bool:
        """Whether a model that this name means makes pictures."""
        return any(does(model, "picture") for model in self.find(name, "picture"))

    def find(self, name: str, work: Work = "chat") -> tuple[Model, ...]:
        """The rows a name means, best first; empty for an unknown one.

        A bare name means its first row in the catalogue's order (the maker's own), then the others.
        """
        rows = self.by_name.get(name)
        if rows is not None:
            return rows
        if work != "chat" and (name in self.choices or is_mix(name)):
            return self.workers(work)
        if name == AUTO:
            return self.real or self.demo
        if name == IMAGE:
            return tuple(m for m in self.real if "image" in m.inputs)
        if is_mix(name):
            return self._of_mix(name)[1]
        integration, slash, rest = name.partition("/")
        if slash:
            return tuple(m for m in self.by_name.get(rest, ()) if m.integration == integration)
        return self._of_integration(integration, work)

    def thinkers(self, name: str) -> tuple[Model, ...]:
        """The rows of the reasoner that a `mix` means, best first."""
        return self._of_mix(name)[0]

    def _of_mix(self, name: str) -> tuple[tuple[Model, ...], tuple[Model, ...]]:
        if name == MIX:
            known = self.real or self.demo
            thinking = tuple(m for m in known if m.reasoning)
            return thinking or known[:1], tuple(m for m in known if not m.reasoning) or known
        for reasoner, writer in pairs(name):
            found = () if is_mix(reasoner) else self.find(reasoner), () if is_mix(writer) else self.find(writer)
            if all(found):
                return found
        return (), ()

    def _of_integration(self, integration: str, work: Work) -> tuple[Model, ...]:
        rows = [m for m in self.models if m.integration == integration and does(m, work)]
        provider = self.providers.get(integration)
        default = provider.default_model if provider else None
        rows.sort(key=lambda m: (m.name != default, not m.available, m.rank))
        return tuple(rows)

    def _available(self, row: Model) -> Model:
        if row.unavailable is not None:
            return row
        provider = self.providers.get(row.integration)
        if provider is None:
            return row if row.base_url else replace(row, unavailable="no such provider here")
        if provider.unavailable is not None and row.base_url is None:
            return replace(row, unavailable=provider.unavailable)
        return row


def _chosen_unasked(model: Model) -> bool:
    """Whether `auto` may take it: of models that are only listed, those of one's own server alone."""
    return model.integration != DEMO and (not model.listed or model.integration == OLLAMA)


def keyless(integration: str) -> Credential:
    """What stands for the key of a provider that needs none, so that it too cools after a limit."""
    return Credential(f"{integration}:", integration, "", "")
