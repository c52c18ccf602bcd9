"""Turns that were said before: their files before their words, and what a model that does not see is told."""

from __future__ import annotations

from dataclasses import replace

from app.domain.chat import FilePart, ImagePart, Message, TextPart, VideoPart
from app.domain.policies.earlier import (
    UNSEEN,
    asked_again,
    before_first_question,
    for_all,
    shown_to,
    shows_pictures,
    turns,
)
from tests.unit.chat.chat_house import exchange

ONE, TWO = exchange("p1", "q1", "a1"), exchange("p2", "q2", "a2")


def test_without_files_turns_are_their_words() -> None:
    assert turns((*ONE, *TWO)) == (
        (Message("user", "q1"), Message("assistant", "a1"), Message("user", "q2"), Message("assistant", "a2")),
        (),
    )


def test_attachments_stand_before_the_words_of_their_turn() -> None:
    said, owed = turns((replace(ONE[0], attachments=("f1", "f2")), ONE[1]))
    files = (FilePart("", id="f1", of="earlier"), FilePart("", id="f2", of="earlier"))
    assert said[0] == Message("user", (*files, TextPart("q1")))
    assert owed == ()


def test_a_drawn_picture_stands_before_the_question_after_it() -> None:
    drew = replace(ONE[1], content="", images=("i1",))
    said, owed = turns((ONE[0], drew, *TWO))
    assert said[1] == Message("assistant", "(a picture)")
    assert said[2] == Message("user", (FilePart("", id="i1", of="drawn"), TextPart("q2")))
    assert owed == ()
    _, owed = turns((ONE[0], drew))
    messages = (Message("system", "s"), Message("user", "now"))
    assert before_first_question(owed, messages) == (messages[0], Message("user", (*owed, TextPart("now"))))


def test_a_question_asked_again_has_its_files() -> None:
    assert asked_again("q", ()) == Message("user", "q")
    assert asked_again("q", ("f",)).content == (FilePart("attachments", id="f", of="again"), TextPart("q"))


def test_a_model_that_does_not_see_is_told_of_what_it_may_be_spared() -> None:
    needed, spare = ImagePart("data:a"), ImagePart("data:b", instead="[it]")
    plain, shown = Message("user", "words"), Message("user", (spare, TextPart("x")))
    assert shown_to((plain, shown), sees=True) == (plain, shown)
    assert shown_to((plain, shown), sees=False) == (plain, Message("user", "[it]\n\nx"))
    messages = (plain, Message("user", (needed,)))
    assert shown_to(messages, sees=False) is messages
    assert [shows_pictures(message) for message in (plain, shown, messages[1])] == [False, False, True]
    assert for_all(messages) == (plain, Message("user", (ImagePart("data:a", instead=UNSEEN),)))


def test_a_video_is_its_frames_for_whom_it_is_not_sent_to() -> None:
    frames = (TextPart("[0:00]"), ImagePart("data:f"))
    said = Message("user", (VideoPart(b"mp4", "video/mp4", "d1", 7, frames), TextPart("x")))
    assert shows_pictures(said)
    assert shown_to((said,), sees=True, videos=True) == (said,)
    assert shown_to((said,), sees=True) == (Message("user", (*frames, TextPart("x"))),)
    assert for_all((said,))[0].content == (frames[0], ImagePart("data:f", instead=UNSEEN), TextPart("x"))
