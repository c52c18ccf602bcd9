"""A conversation as a file: whole, and with a name that can do no harm."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.conversation import ConversationSummary, HistoryMessage
from app.domain.files import StoredFile
from app.domain.ledger import StoredMessage
from app.schemas.export import as_json, as_markdown, disposition

NOW = datetime(2026, 11, 21, 13, tzinfo=UTC)


@given(st.text())
@example("../../etc/passwd")
@example('"; filename="evil.exe')
@example("nul.png")
@example("\u202egpj.exe")
@example("x" * 10_000)
@example("🌲" * 500)
def test_fault_3_12_a_disposition_is_short_ascii_with_harmless_names(title: str) -> None:
    header = disposition(title, "md")
    assert header.isascii()
    assert header.isprintable()
    assert len(header) <= 256
    match = re.fullmatch(r"attachment; filename=\"([A-Za-z0-9._-]+)\"; filename\*=UTF-8''([^\s\"';,]+)", header)
    assert match
    for name in (match[1], unquote(match[2], errors="strict")):
        assert name.endswith(".md")
        assert not name.startswith(".")
        assert not re.search(r'[/\\:*?"<>|\x00-\x1f\u202a-\u202e]', name)
        assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)\.", name)


def test_a_title_that_is_a_name_stays_one() -> None:
    assert disposition("Trees and leaves", "md") == (
        "attachment; filename=\"Trees-and-leaves.md\"; filename*=UTF-8''Trees%20and%20leaves.md"
    )


def test_markdown_holds_what_was_said_as_it_was_said_and_shows_how_an_answer_ended() -> None:
    said = "# a heading\n```\ncode\n```\n<script>alert(1)</script>"
    question = StoredMessage("p1", "user", said, 3, NOW)
    answer = StoredMessage("p1", "assistant", "half an ans", 3, NOW, model="a_b|c", state="client_gone")
    conversation = ConversationSummary("id", "Title *with* [marks](x)\nand lines", 2, NOW, NOW)
    text = as_markdown(conversation, [HistoryMessage(question, None), HistoryMessage(answer, None)]).decode()
    assert text.startswith(r"# Title \*with\* \[marks\](x) and lines" + "\n\n## You, 2026-11-21T13:00:00.000Z\n\n")
    assert said in text
    assert r"## Assistant (a\_b\|c), 2026-11-21T13:00:00.000Z, client_gone" in text


def test_what_stands_beside_the_words_is_taken_home_too() -> None:
    question = StoredMessage("p1", "user", "Draw this", 3, NOW)
    answer = StoredMessage("p1", "assistant", "", 0, NOW, model="flux", state="complete")
    sources = ({"title": "A *page*", "url": "https://a.example/", "file": None, "page": None, "text": "words"},)
    messages = [
        HistoryMessage(question, None, attachments=("f1", "f2")),
        HistoryMessage(answer, None, sources=sources, images=("p9",)),
    ]
    file = StoredFile("f1", "u", "my_notes.txt", 3, "text/plain", NOW, "user_data", "upload")
    conversation = ConversationSummary("id", "Title", 2, NOW, NOW)
    text = as_markdown(conversation, messages, [file]).decode()
    assert "Draw this\n\n- Attached: my\\_notes.txt\n- Attached: f2\n" in text
    assert "- Picture: /v1/files/p9/content\n- Source: A \\*page\\*, https://a.example/\n" in text
    shown = json.loads(as_json(conversation, messages, [file]))["messages"]
    assert shown[0]["attachments"][0] == {"id": "f1", "filename": "my_notes.txt", "content_type": "text/plain"}
    assert shown[1]["images"] == [{"id": "p9", "url": "/v1/files/p9/content"}]
