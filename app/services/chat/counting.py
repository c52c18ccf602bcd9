"""How long a text is for the model that gets it."""

from __future__ import annotations

from app.domain.catalogue import Model
from app.domain.policies.token_family import vocabulary_of
from app.domain.policies.tokens import Count, estimate
from app.utils.vocabularies import Vocabularies

MODELS_KEPT = 4096


class Counting:
    """By the model's own vocabulary where one is published, else by the heuristic."""

    def __init__(self, vocabularies: Vocabularies) -> None:
        self._vocabularies = vocabularies
        self._counts: dict[str, Count] = {}

    def of(self, model: Model) -> Count:
        found = self._counts.get(model.name)
        if found is None:
            if len(self._counts) >= MODELS_KEPT:
                self._counts.clear()
            vocabulary = vocabulary_of(model.name)
            found = (self._vocabularies.count(vocabulary) if vocabulary else None) or estimate
            self._counts[model.name] = found
        return found
