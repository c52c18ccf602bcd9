"""Which candidates a request will try, in what order."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.catalogue import Candidate, Model, Plan
from app.domain.chat import ChatRequest
from app.domain.errors import Forbidden, InvalidRequest, NotFound, UnsupportedMedia, UpstreamFailed
from app.domain.policies.selection import STRATEGIES, Needs, priority, unfit
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.snapshot import AUTO, IMAGE, Snapshot

PLANS_KEPT = 1024

PlanKey = tuple[str, tuple[str, ...], str | None, frozenset[str] | None, bool, bool]


class LLMSelectorService:
    """Makes the plan of a request from the catalogue. What is asked often is planned once a snapshot."""

    def __init__(self, catalogue: Catalogue, default_strategy: str) -> None:
        self._catalogue = catalogue
        self._default_strategy = default_strategy
        self._snapshot: Snapshot | None = None
        self._plans: dict[PlanKey, Plan] = {}

    def plan(self, request: ChatRequest) -> Plan:
        """The candidates for this request, at least one.

        Raises NotFound (unknown model), InvalidRequest (a wrong fallback), Forbidden (the key may not use it),
        UnsupportedMedia (none sees images), UpstreamFailed (none can answer now).
        """
        snapshot = self._catalogue.snapshot()
        if snapshot is not self._snapshot or len(self._plans) >= PLANS_KEPT:
            self._snapshot, self._plans = snapshot, {}
        key = (
            request.model,
            request.fallbacks,
            request.strategy,
            request.caller.models,
            request.wants_images,
            request.wants_tools,
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._make(snapshot, request)
        return plan

    def _make(self, snapshot: Snapshot, request: ChatRequest) -> Plan:
        needs = Needs(images=request.wants_images, tools=request.wants_tools)
        chosen: list[Candidate] = []
        skipped: list[tuple[Model, str]] = []
        seen: set[str] = set()
        for model, reason in self._wished(snapshot, request):
            if model.id in seen:
                continue
            seen.add(model.id)
            why_not = unfit(model, needs) or _not_allowed(snapshot, model, request.caller.models)
            if why_not is None:
                chosen.append(self._candidate(snapshot, model, reason))
            else:
                skipped.append((model, why_not))
        if not chosen:
            raise self._none_left(snapshot, request, needs, skipped)
        return Plan(tuple(chosen), tuple(skipped))

    def _wished(self, snapshot: Snapshot, request: ChatRequest) -> Iterable[tuple[Model, str]]:
        """The models that were asked for, then the fallbacks, or the catalogue's own order where none are named."""
        order = STRATEGIES.get(request.strategy or self._default_strategy, priority)
        asked = snapshot.find(request.model)
        if not asked:
            raise NotFound(f"there is no model {request.model!r}", field="model")
        if not any(model.chat for model in asked):
            raise InvalidRequest(f"{request.model!r} is no chat model", field="model")
        _check_allowed(snapshot, asked, request.caller.models, "model", request.model)
        by_strategy = request.model in (AUTO, IMAGE)
        yield from order(asked) if by_strategy else [(model, "asked for") for model in asked]
        for index, name in enumerate(request.fallbacks):
            rows = snapshot.find(name)
            if not rows:
                raise InvalidRequest(f"there is no model {name!r}", field=f"fallbacks[{index}]")
            _check_allowed(snapshot, rows, request.caller.models, f"fallbacks[{index}]", name)
            yield from ((model, "fallback") for model in rows)
        if not request.fallbacks and any(m not in snapshot.demo for m in asked):
            yield from ((model, "catalogue") for model, _ in order(snapshot.real or snapshot.demo))

    def _candidate(self, snapshot: Snapshot, model: Model, reason: str) -> Candidate:
        provider = snapshot.providers.get(model.integration)
        credential = provider.credentials[0] if provider and provider.credentials else None
        return Candidate(model, credential, reason)

    def _none_left(
        self, snapshot: Snapshot, request: ChatRequest, needs: Needs, skipped: list[tuple[Model, str]]
    ) -> Exception:
        if needs.images and not any("image" in model.inputs for model in snapshot.real):
            seeing = [snapshot.shown_name(m) for m in snapshot.models if m.chat and "image" in m.inputs]
            return UnsupportedMedia("no model here sees images", field="messages", details={"models": seeing})
        why = "; ".join(sorted({f"{model.name}: {reason}" for model, reason in skipped[:8]}))
        return UpstreamFailed(f"no model can answer {request.model!r} now ({why})")


def _allowed(snapshot: Snapshot, model: Model, allowed: frozenset[str] | None) -> bool:
    return allowed is None or model.name in allowed or f"{model.integration}/{model.name}" in allowed


def _not_allowed(snapshot: Snapshot, model: Model, allowed: frozenset[str] | None) -> str | None:
    return None if _allowed(snapshot, model, allowed) else "not among the key's models"


def _check_allowed(
    snapshot: Snapshot, rows: tuple[Model, ...], allowed: frozenset[str] | None, field: str, name: str
) -> None:
    if allowed is not None and name not in allowed and not any(_allowed(snapshot, m, allowed) for m in rows):
        raise Forbidden(f"this key may not use {name!r}", field=field)
