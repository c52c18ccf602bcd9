"""A conversation as a file to take home."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from app.domain.conversation import ConversationSummary, HistoryMessage
from app.domain.files import StoredFile
from app.schemas.conversations import shown_message, shown_summary
from app.utils.clock import rfc3339

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_MOST_ASCII, _MOST_ENCODED = 60, 120


def as_json(
    conversation: ConversationSummary, messages: Sequence[HistoryMessage], files: Iterable[StoredFile] = ()
) -> bytes:
    """files: those that messages bear, as far as they are still there."""
    kept = {file.id: file for file in files}
    shown: dict[str, Any] = shown_summary(conversation)
    shown["messages"] = [shown_message(row, kept) for row in messages]
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def as_markdown(
    conversation: ConversationSummary, messages: Sequence[HistoryMessage], files: Iterable[StoredFile] = ()
) -> bytes:
    """Who said what and when. What was said stands as it was said; the lines that are ours hold nobody's markup."""
    kept = {file.id: file for file in files}
    parts = [f"# {_one_line(conversation.title)}\n"]
    for row in messages:
        message = row.message
        who = "You" if message.role == "user" else f"Assistant ({_one_line(message.model or 'unknown')})"
        ending = "" if message.state in (None, "complete") else f", {message.state}"
        said = [message.content.rstrip(), "\n".join(_beside(shown_message(row, kept)))]
        whole = "\n\n".join(part for part in said if part)
        parts.append(f"## {who}, {rfc3339(message.created_at)}{ending}\n\n{whole}\n")
    return "\n".join(parts).encode()


def _beside(shown: dict[str, Any]) -> list[str]:
    """What a message has beside its words, a line each."""
    attached = [f"- Attached: {_one_line(file['filename'] or file['id'])}" for file in shown.get("attachments", ())]
    drawn = [f"- Picture: {image['url']}" for image in shown.get("images", ())]
    return [*attached, *drawn, *map(_source, shown.get("sources", ()))]


def _source(found: dict[str, Any]) -> str:
    page = f", page {found['page']}" if found.get("page") else ""
    where = found.get("url") or found.get("file") or ""
    return f"- Source: {_one_line(', '.join(word for word in (found['title'], where) if word))}{page}"


def disposition(title: str, extension: str) -> str:
    """`Content-Disposition` for a download: ASCII, under 256 characters, no path and no name a system keeps."""
    name = _file_name(title)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:_MOST_ASCII].strip("-.") or "conversation"
    encoded = _encoded(name) or plain
    return f"attachment; filename=\"{plain}.{extension}\"; filename*=UTF-8''{encoded}.{extension}"


def _file_name(title: str) -> str:
    """Without control, format (bidi) and path characters."""
    kept = (" " if unicodedata.category(char)[0] == "C" or char in '/\\:*?"<>|' else char for char in title)
    name = " ".join("".join(kept).split()).strip(". ")
    return f"conversation {name}" if _RESERVED.fullmatch(name) else name


def _encoded(name: str) -> str:
    """Percent-encoded (RFC 5987), cut between characters."""
    out = ""
    for char in name:
        piece = quote(char, safe="")
        if len(out) + len(piece) > _MOST_ENCODED:
            break
        out += piece
    return out


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", line)
