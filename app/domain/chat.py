"""A chat request as every layer below the door sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.domain.caller import Caller
from app.domain.wishes import NO_WISHES, Wishes

ChatRole = Literal["system", "developer", "user", "assistant", "tool"]
Door = Literal["app", "openai", "short"]
#: What a request wants of a model: words, a picture, what was said in a recording, or texts as vectors.
Work = Literal["chat", "picture", "transcript", "embedding"]
#: Where a file of a prompt comes from, see FilePart.
FileOf = Literal["now", "again", "earlier", "drawn"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """url: a `data:` URL; an `https:` one is fetched by us before a provider sees it. detail: OpenAI's low, high,
    auto. instead: what a model that does not see is told in its place; None where one must see to be asked."""

    url: str
    detail: str | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class AudioPart:
    """data: base64; format: wav, mp3, ..."""

    data: str
    format: str


@dataclass(frozen=True, slots=True)
class VideoPart:
    """A video for models that take one as it is. digest: of its content; seconds: its length, about. frames: what
    stands for it elsewhere. uri: where its provider keeps it, once it was taken there; data is empty then."""

    data: bytes
    content_type: str
    digest: str
    seconds: int
    frames: tuple[TextPart | ImagePart, ...]
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file that is looked at before any provider is asked, and then stands there as text and pictures.

    Given by one of: id, of a file that the caller keeps; data; path, on this machine as long as the request lasts.
    name: as its sender gave it. content_type: by its content, None where it is not known yet. field: what an error
    names. seconds: of a recording, about. of: this turn, the question that is asked again, an earlier turn, or the
    answer before it, which drew it; what cannot be had of the latter three is told and no error.
    """

    field: str
    id: str | None = None
    data: bytes | None = None
    path: Path | None = None
    name: str = ""
    content_type: str | None = None
    seconds: int = 0
    of: FileOf = "now"

    @property
    def shows_pictures(self) -> bool:
        """Whether a model must see to be asked about it, as far as is known."""
        return self.content_type is not None and self.content_type.startswith(("image/", "video/"))


Part = TextPart | ImagePart | AudioPart | VideoPart | FilePart


def text_of(content: str | tuple[Part, ...] | None) -> str:
    """The words of a message, what is no text left out."""
    if isinstance(content, tuple):
        return "\n".join(part.text for part in content if isinstance(part, TextPart))
    return content or ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """arguments: JSON text as the model wrote it, never parsed on the way through."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    role: ChatRole
    content: str | tuple[Part, ...] | None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationRef:
    """The conversation a chat belongs to.

    public_id: what the caller calls it, unique to the user.
    must_exist: unknown is 404 (a `conversation_id` at the app door); otherwise it is begun under that name.
    fresh: its id was made by this very request, so nobody can know it and nothing is to be looked up.
    replaces: the prompt_id of the exchange that this one takes the place of, with all after it.
    """

    public_id: str
    must_exist: bool
    fresh: bool = False
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat, parsed and checked.

    prompt_id: our own time-ordered id, the same word in header, receipt, ledger and logs.
    model: as asked for (a name, INTEGRATION/NAME or an alias).
    messages: the whole prompt at the OpenAI door; system (if any) and the new user turn at the others, before
        which recall puts the conversation's window.
    params: OpenAI-named parameters as JSON values, checked at the door (temperature, tools, stop, n, ...), and
        those unknown here that go on in the body. Never model, messages, stream or stream_options.
    max_tokens: the caller's cap on the completion (max_tokens or max_completion_tokens), None for none.
    conversation: None at the OpenAI door, which keeps none.
    """

    prompt_id: str
    door: Door
    caller: Caller
    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    strategy: str | None = None
    fallbacks: tuple[str, ...] = ()
    conversation: ConversationRef | None = None
    drain: bool = False
    wishes: Wishes = NO_WISHES

    @property
    def wants_images(self) -> bool:
        return any(
            isinstance(part, VideoPart)
            or (isinstance(part, ImagePart) and part.instead is None)
            or (isinstance(part, FilePart) and part.shows_pictures)
            for m in self.messages
            if isinstance(m.content, tuple)
            for part in m.content
        )

    @property
    def work(self) -> Work:
        """What is wanted of a model, as far as the request alone tells."""
        wishes = self.wishes
        if wishes.vectors:
            return "embedding"
        return "picture" if wishes.picture else "transcript" if wishes.transcript else "chat"

    @property
    def wants_tools(self) -> bool:
        return bool(self.params.get("tools"))


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """What one strategy is asked to send.

    model_name: the provider's own word for the model. max_output: the most it can answer, None where unknown.
    """

    model_name: str
    base_url: str
    secret: str | None
    messages: tuple[Message, ...]
    stream: bool
    params: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    reasoning: bool = False
    max_output: int | None = None
