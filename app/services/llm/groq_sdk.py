"""What was said in a recording, by Groq's Whisper: through Groq's own SDK, over our transport.

The SDK takes half a second to import: it is loaded at its first use, in a thread, while the loop goes on.
"""

from __future__ import annotations

import time
from typing import BinaryIO

from app.adapters import faults, transcripts
from app.domain.chat import FilePart, ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import ProviderEvents
from app.services.llm.aside import aside
from app.services.llm.base import BaseLLMService
from app.services.llm.openai_transcripts import OpenAITranscripts
from app.services.llm.recordings import opened
from app.transport.http import Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience
from app.utils.pools import ThreadLane

PATH = "/openai/v1"
"""What the SDK adds to every address."""

_lane = ThreadLane(1)


def _load() -> None:
    import groq  # noqa: F401 - at first use

    from app.transport import under_sdk  # noqa: F401 - it brings httpx along


class GroqTranscripts(BaseLLMService):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._plain = OpenAITranscripts(transport)

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        root = call.base_url.rstrip("/").removesuffix(PATH)
        if root == call.base_url.rstrip("/"):
            # Somebody else's address in Groq's place, which the SDK could not write.
            yield from self._plain.chat(call, patience, cancel)
            return
        began = time.monotonic()
        _lane.run(_load)
        patience.rest(time.monotonic() - began)
        part = transcripts.recording(call)
        with opened(part) as (file, size):
            reply = yield from aside(
                lambda: _asked(self._transport, root, call, part, file, patience, cancel), patience
            )
        yield from transcripts.events(reply, size, part.seconds)


def _asked(
    transport: Transport,
    root: str,
    call: ProviderCall,
    part: FilePart,
    content: BinaryIO,
    patience: Patience,
    cancel: Cancel,
) -> bytes:
    """The body of a good reply. Raises ProviderFault, whatever the SDK raises."""
    import groq

    from app.transport.under_sdk import UnderSdk

    seam = UnderSdk(transport, call.base_url, patience, cancel)
    with seam.client() as http:
        client = groq.Groq(api_key=call.secret or "none", base_url=root, max_retries=0, timeout=None, http_client=http)
        file = (transcripts.file_name(part), content, part.content_type or "application/octet-stream")
        try:
            client.audio.transcriptions.create(file=file, **transcripts.fields(call))
        except ProviderFault:
            raise
        except (groq.GroqError, ValueError, TypeError) as said:
            if seam.fault is not None:
                raise seam.fault from said
            if 200 <= seam.status < 300:
                return seam.body
            if seam.status:
                raise faults.refused(seam.status, seam.headers, seam.body, call.secret) from said
            what = faults.masked(str(said), call.secret)
            raise ProviderFault("bad_reply", f"the provider's SDK gave up: {what}", sent=False) from said
    if not 200 <= seam.status < 300:
        raise faults.refused(seam.status, seam.headers, seam.body, call.secret)
    return seam.body
