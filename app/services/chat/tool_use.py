"""A model is asked with a tool of ours; where it calls that, it is asked again, without it, with what came of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from app.domain.chat import ToolCall
from app.domain.errors import BudgetExceeded, DomainError, InvalidRequest, Unauthorized
from app.domain.events import ChatEvent, Delta, Restart
from app.services.chat.failover import Failover
from app.services.chat.own_tool import OwnTool
from app.services.chat.run import ChatRun
from app.services.chat.transcript import Transcript
from app.utils.cancel import Cancel

#: Errors that end the whole chat: asking again would get no further.
ENDS_ALL = (BudgetExceeded, Unauthorized)


class ToolUse:
    """Stands before the failover. What others wrote comes into the prompt only by the tool, and then it is no longer
    offered: nothing that stands in it can set off a call."""

    def __init__(self, failover: Failover) -> None:
        self._failover = failover

    def call(self, chat: ChatRun, tool: OwnTool, cancel: Cancel) -> Generator[ChatEvent, None, None]:
        """As Failover.call. A model that said something before it called gets its answer begun anew."""
        chat.tool = tool
        heard = False
        try:
            with closing(self._failover.call(chat, cancel)) as events:
                for event in events:
                    if type(event) is not Delta:
                        yield event
                    elif said := _said(event):
                        heard = True
                        yield said
        except DomainError as fault:
            again = cancel.reason is None and not heard and _is_the_tools(chat, fault)
            if not heard and chat.transcript.has_calls and chat.attempts:
                # Nobody was sent anything of it; it was paid for all the same.
                chat.asides.add(chat.attempts[-1].n)
                _begin_anew(chat)
            if not again:
                raise
            calls: tuple[ToolCall, ...] = ()
        else:
            if not chat.transcript.has_calls:
                return
            calls = chat.transcript.answers()[0].tool_calls
            chat.asides.add(chat.attempts[-1].n)
        finally:
            chat.tool = None
        if heard and chat.model is not None:
            yield Restart(chat.model.name, tool.reason)
        _begin_anew(chat)
        yield from tool.use(chat, calls, cancel)
        with closing(self._failover.call(chat, cancel)) as events:
            yield from events


def _said(delta: Delta) -> Delta | None:
    """What a caller gets of it."""
    if not delta.tool_calls:
        return delta
    return Delta(delta.text, delta.reasoning) if delta.text or delta.reasoning else None


def _is_the_tools(chat: ChatRun, fault: DomainError) -> bool:
    """Whether it may go better without: a model that takes no tools after all, or one that broke off in the call."""
    return type(fault) is InvalidRequest or (chat.transcript.has_calls and type(fault) not in ENDS_ALL)


def _begin_anew(chat: ChatRun) -> None:
    """Nothing was said as far as the answer goes; what was used stands in the attempts."""
    chat.transcript = chat.own = Transcript()
    chat.usage = chat.ttft_ms = None
