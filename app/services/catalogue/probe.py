"""One tiny call that tells whether a model answers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from app.domain.catalogue import Model
from app.domain.chat import FilePart, Message, ProviderCall, Work
from app.domain.errors import InternalError, ProviderFault
from app.domain.events import Delta
from app.domain.policies.selection import work_of
from app.domain.policies.sound import silence
from app.factories.llm_service_factory import LLMServiceFactory
from app.utils.cancel import Cancel
from app.utils.clock import monotonic
from app.utils.patience import Patience

SECONDS = 20.0
#: Enough for a model that thinks before it speaks to end by itself.
TOKENS = 64
SHOWN = 200
#: One of each work; the recording is a second of silence.
_QUESTIONS: Mapping[Work, Message] = {
    "chat": Message("user", "Say OK."),
    "picture": Message("user", "A small red circle."),
    "transcript": Message(
        "user", (FilePart("file", data=silence(), name="silence.wav", content_type="audio/wav", seconds=1),)
    ),
    "embedding": Message("user", "A small red circle."),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """latency_ms: of the whole call. text: the answer's beginning, "" where it was all thought."""

    latency_ms: int
    text: str


class Probe:
    def __init__(self, services: LLMServiceFactory) -> None:
        self._services = services

    def ask(self, model: Model, base_url: str, secret: str | None) -> Answer:
        """Raises InternalError where it does not answer; `details.reason` says how."""
        began, work = monotonic(), work_of(model)
        call = ProviderCall(
            model_name=model.name,
            base_url=base_url,
            secret=secret,
            messages=(_QUESTIONS[work],),
            stream=False,
            max_tokens=TOKENS,
            reasoning=model.reasoning,
            max_output=model.max_output,
        )
        patience = Patience(deadline=began + SECONDS, first=SECONDS, stall=SECONDS)
        try:
            with closing(self._services.service(model.integration, work).chat(call, patience, Cancel())) as events:
                text = "".join(event.text for event in events if isinstance(event, Delta))
        except ProviderFault as fault:
            told = {"reason": fault.kind, "status": fault.status}
            raise InternalError(f"The test of {model.name} failed: {fault.kind}.", details=told) from fault
        return Answer(int((monotonic() - began) * 1000), text[:SHOWN])
