"""What every provider's strategy does."""

from __future__ import annotations

from abc import ABC, abstractmethod

from app.domain.chat import ProviderCall
from app.domain.events import ProviderEvents
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class BaseLLMService(ABC):
    """Speaks one provider's wire. Made once per provider, holds no state of a request."""

    @abstractmethod
    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        """Ask the provider once and yield what it says.

        With `call.stream` the events come as the provider sends them (`Silence` where it sends nothing for a
        heartbeat); without it one `Delta` and one `Finish` per choice carry the whole answer. Each choice ends in
        one `Finish`; usage comes before or after it. Closing the iterator closes the provider's connection.

        `patience.content()` is called at every delta with text, reasoning or a piece of a tool call.

        Raises ProviderFault, also in mid-stream: `cut` where the stream ended with a choice unfinished.
        """
