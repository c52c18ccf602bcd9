"""Files stay in the conversation: what was attached or drawn in one turn is there in the next ones."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests import made_media as made
from tests.journeys.gateway import CLAUDE, GEMINI, GROQ, OPENAI, Gateway, events
from tests.journeys.seen import infer
from tests.journeys.test_attachments import keep

DRAWER = "gemini-2.5-flash-image"


def turns(gateway: Gateway) -> list[tuple[str, list[str | bytes]]]:
    """The last prompt that a provider got: who says what, pictures as bytes."""
    body = gateway.upstream.log()[-1]["body"]
    if "contents" in body:
        return [(turn["role"], [_gemini(part) for part in turn["parts"]]) for turn in body["contents"]]
    return [
        (turn["role"], [turn["content"]] if isinstance(turn["content"], str) else [_other(p) for p in turn["content"]])
        for turn in body["messages"]
    ]


def _gemini(part: dict[str, Any]) -> str | bytes:
    return part["text"] if "text" in part else base64.b64decode(part["inlineData"]["data"])


def _other(part: dict[str, Any]) -> str | bytes:
    if part["type"] == "text":
        return str(part["text"])
    data = part["source"]["data"] if part["type"] == "image" else part["image_url"]["url"].partition(",")[2]
    return base64.b64decode(data)


def pictures(gateway: Gateway) -> list[int]:
    """Which of the made pictures the last prompt has, in their order."""
    return [made.step_of(part) for _, parts in turns(gateway) for part in parts if isinstance(part, bytes)]


def forget_hot(gateway: Gateway) -> None:
    """Redis loses its windows: SQL has to tell them."""
    client = gateway.redis()
    if client is not None:
        client.delete(*client.keys("v1:conv:*"))
        client.close()


@pytest.mark.parametrize("model", [GEMINI, OPENAI, CLAUDE])
def test_a_picture_is_still_there_in_the_next_turn(any_gateway: Gateway, model: str) -> None:
    gateway = any_gateway
    picture = keep(gateway, "car.png", made.picture("png", 6))
    first = gateway.say("What is it?", model=model, attachments=[picture])
    again = gateway.say("And what colour is the car?", model=model, conversation_id=first["conversation_id"])
    assert again["model"] == model
    said = turns(gateway)
    assert [role for role, _ in said] == ["user", "model" if model == GEMINI else "assistant", "user"]
    lead, shown, words = said[0][1]
    assert (lead, words) == ('Picture "car.png":', "What is it?")
    assert isinstance(shown, bytes)
    assert said[2][1] == ["And what colour is the car?"]


def test_redis_and_sql_tell_the_same_files(production: Gateway) -> None:
    picture = keep(production, "car.png", made.picture("png", 4))
    talk = production.say("What is it?", model=GEMINI, attachments=[picture])["conversation_id"]
    for _ in range(2):
        production.say("And now?", model=GEMINI, conversation_id=talk)
        assert pictures(production) == [4]
        forget_hot(production)


def test_a_document_is_still_there_and_is_not_read_again(gateway: Gateway) -> None:
    document = keep(gateway, "facts.pdf", made.pdf("The door is green."))
    first = gateway.say("What colour?", model=GROQ, attachments=[document])
    gateway.say("And now?", model=GROQ, conversation_id=first["conversation_id"])
    said = turns(gateway)
    assert "The door is green." in str(said[0][1][0])
    assert said[0][1][-1] == "What colour?"


def test_a_video_is_still_there(gateway: Gateway, tmp_path: Path) -> None:
    video = keep(gateway, "clip.mp4", made.video(tmp_path / "a.mp4").read_bytes())
    talk = gateway.say("What happens?", model=OPENAI, attachments=[video])["conversation_id"]
    before = pictures(gateway)
    gateway.say("And then?", model=OPENAI, conversation_id=talk)
    assert pictures(gateway) == before
    assert len(before) >= 4


def test_a_blind_model_leaves_an_earlier_picture_to_one_that_sees(gateway: Gateway) -> None:
    picture = keep(gateway, "car.png", made.picture("png", 6))
    talk = gateway.say("What is it?", model=GEMINI, attachments=[picture])["conversation_id"]
    assert gateway.say("What colour?", model=GROQ, conversation_id=talk)["model"] != GROQ
    assert pictures(gateway) == [6]


def test_where_nobody_may_see_an_earlier_picture_is_told_of(gateway: Gateway) -> None:
    picture = keep(gateway, "car.png", made.picture("png", 6))
    talk = gateway.say("What is it?", model=GEMINI, attachments=[picture])["conversation_id"]
    key = gateway.post("/api/keys", {"name": "blind", "models": [GROQ]}).json()["data"]["key"]
    body = {"message": "Tell a joke.", "model": GROQ, "conversation_id": talk}
    reply = gateway.post("/llm/chat", body, headers={"Authorization": f"Bearer {key}"})
    assert reply.status_code == 200, reply.text
    assert turns(gateway)[0][1] == ['Picture "car.png":\n\n[a picture, which you cannot see]\n\nWhat is it?']
    reply = gateway.post("/llm/chat", body | {"attachments": [picture]}, headers={"Authorization": f"Bearer {key}"})
    assert reply.status_code == 415


def test_a_file_that_was_deleted_is_a_note(any_gateway: Gateway) -> None:
    gateway = any_gateway
    picture = keep(gateway, "car.png", made.picture("png", 6))
    talk = gateway.say("What is it?", model=GEMINI, attachments=[picture])["conversation_id"]
    assert gateway.http.delete(f"{gateway.url}/files/{picture}", timeout=20).status_code == 204
    assert gateway.say("What colour?", model=GROQ, conversation_id=talk)["model"] == GROQ
    assert turns(gateway)[0][1] == ["[a file that is gone]", "What is it?"]


def test_fault_2_17_only_the_callers_own_files_are_looked_up(production: Gateway) -> None:
    theirs = keep(production, "secret.txt", b"The word is xyzzy.", headers=production.user())
    data = production.say("Hello", model=GROQ)
    change = text("UPDATE messages SET attachments = CAST(:ids AS jsonb) WHERE role = 'user' AND prompt_id = :id")
    with production.rows.begin() as connection:
        connection.execute(change, {"ids": f'["{theirs}"]', "id": data["prompt_id"]})
    forget_hot(production)
    production.say("And?", model=GROQ, conversation_id=data["conversation_id"])
    assert "xyzzy" not in str(production.upstream.log()[-1]["body"])
    assert turns(production)[0][1] == ["[a file that is gone]", "Hello"]


def test_the_newest_files_come_first_and_the_rest_is_told_of(gateway: Gateway) -> None:
    talk: dict[str, Any] = {}
    for turn in range(3):
        ids = [keep(gateway, f"p{turn}-{n}.png", made.picture("png", 3 * turn + n)) for n in range(3)]
        data = gateway.say(f"turn {turn}", model=GEMINI, attachments=ids, **talk)
        talk = {"conversation_id": data["conversation_id"]}
    document = keep(gateway, "x.txt", b"x")
    with gateway.post(
        "/llm/chat", {"message": "now", "model": GEMINI, "attachments": [document], "stream": True, **talk}, stream=True
    ) as reply:
        told = [data["message"] for name, data in events(reply) if name == "notice"]
    assert told == ["1 files of earlier turns were left out: there is no room for them"]
    first = turns(gateway)[0][1]
    assert first[-2:] == ['[the file "p0-2.png", left out here]', "turn 0"]
    assert pictures(gateway) == [0, 1, 3, 4, 5, 6, 7, 8]


def test_asking_again_brings_the_questions_files(any_gateway: Gateway) -> None:
    gateway = any_gateway
    picture = keep(gateway, "car.png", made.picture("png", 6))
    first = gateway.say("What is it?", model=GEMINI, attachments=[picture])
    body = {"conversation_id": first["conversation_id"], "model": GEMINI}
    again = gateway.post("/llm/chat", body | {"replaces": first["prompt_id"]})
    assert again.status_code == 200, again.text
    assert pictures(gateway) == [6]
    (question, _) = gateway.history(first["conversation_id"])
    assert [file["id"] for file in question["attachments"]] == [picture]
    other = keep(gateway, "bus.png", made.picture("png", 2))
    again = gateway.post("/llm/chat", body | {"replaces": again.json()["data"]["prompt_id"], "attachments": [other]})
    assert again.status_code == 200, again.text
    assert pictures(gateway) == [2]
    assert gateway.http.delete(f"{gateway.url}/files/{other}", timeout=20).status_code == 204
    again = gateway.post("/llm/chat", body | {"replaces": again.json()["data"]["prompt_id"]})
    assert again.status_code == 200, again.text
    assert turns(gateway)[0][1] == ["[a file that is gone]", "What is it?"]


def test_a_drawn_picture_is_shown_to_who_draws_next(any_gateway: Gateway) -> None:
    gateway = any_gateway
    first = gateway.post("/chat", {"prompt": "Draw a red fox", "session_id": "zoo", "mode": "image"}).json()
    assert first["model"] == DRAWER
    second = gateway.post("/chat", {"prompt": "Make it blue", "session_id": "zoo", "mode": "image"}).json()
    assert (second["type"], second["model"]) == ("image", DRAWER)
    asked = turns(gateway)[-1][1]
    assert asked[0] == 'In the answer before this a picture was drawn, "Draw a red fox.png":'
    assert (len(asked), asked[2]) == (3, "Make it blue")
    assert isinstance(asked[1], bytes)


def test_a_drawing_fails_over_to_who_is_shown_nothing(gateway: Gateway) -> None:
    gateway.post("/chat", {"prompt": "Draw a red fox", "session_id": "zoo-2", "mode": "image"})
    gateway.upstream.behave("status-500", model=DRAWER)
    again = gateway.post("/chat", {"prompt": "Make it blue", "session_id": "zoo-2", "mode": "image"}).json()
    assert (again["type"], again["provider"]) == ("image", "pollinations")
    gateway.upstream.forget()


def test_a_drawn_picture_is_seen_by_models_that_see_and_told_to_others(gateway: Gateway) -> None:
    gateway.post("/chat", {"prompt": "Draw a red fox", "session_id": "zoo-3", "mode": "image"})
    gateway.say("Is it nice?", model=GROQ, conversation_id="zoo-3")
    lead = 'In the answer before this a picture was drawn, "Draw a red fox.png":'
    assert turns(gateway)[-1][1] == [f"{lead}\n\n[a picture, which you cannot see]\n\nIs it nice?"]
    gateway.say("Is it blue?", model=CLAUDE, conversation_id="zoo-3")
    assert sum(isinstance(part, bytes) for _, parts in turns(gateway) for part in parts) == 1


def test_infer_goes_on_with_a_conversations_files_and_leaves_its_own_behind(gateway: Gateway) -> None:
    picture = keep(gateway, "car.png", made.picture("png", 6))
    talk = gateway.say("What is it?", model=GEMINI, attachments=[picture])["conversation_id"]
    assert infer(gateway, made.picture("png", 3), "Compare.", session_id=talk, model=GEMINI).status_code == 200
    assert pictures(gateway) == [6, 3]
    reply = gateway.post(f"/chat?model={GEMINI}", {"prompt": "Which is larger?", "session_id": talk})
    assert reply.status_code == 200, reply.text
    assert pictures(gateway) == [6]


def test_a_conversation_without_files_has_none_in_redis(production: Gateway) -> None:
    talk = production.say("Hello", model=GROQ)["conversation_id"]
    client = production.redis()
    assert client is not None
    (entry,) = [
        value
        for name in client.keys(f"v1:conv:*:{talk}")
        for key, value in client.hgetall(name).items()
        if b'"user"' in value
    ]
    assert b"null,null,null,null" not in entry
    client.close()
