"""A tool of ours that a model may call while it answers; no caller ever hears of the call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.domain.chat import ToolCall
from app.domain.events import Notice, Silence
from app.utils.cancel import Cancel

if TYPE_CHECKING:
    from app.services.chat.run import ChatRun


@dataclass(frozen=True, slots=True)
class OwnTool:
    """definition: as OpenAI has it. reason: why an answer begins anew once it is called, in words. use: does what the
    calls say and puts what came of it into the prompt; called with none where the model could not be asked with it."""

    definition: Mapping[str, Any]
    reason: str
    use: Callable[[ChatRun, Sequence[ToolCall], Cancel], Iterator[Notice | Silence]]
