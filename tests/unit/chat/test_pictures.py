"""A chat that draws: who is asked, what is kept and what is not, what it costs, and that nobody rescues a picture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.caller import Caller
from app.domain.catalogue import Model
from app.domain.chat import ChatRequest, ConversationRef, ImagePart, Message, TextPart
from app.domain.errors import InvalidRequest, ProviderFault, TooLarge, Unavailable, UnsupportedMedia
from app.domain.events import Attempt, Delta, Done, Failed, Finish, Notice, Picture, UsageReport
from app.domain.files import FileOrigin, StoredFile
from app.domain.money import Price
from app.domain.policies.lease import lease_price
from app.domain.usage import Usage
from app.domain.wishes import Wishes
from app.services.chat.album import Album
from app.services.chat.selector import LLMSelectorService
from app.utils.clock import utcnow
from tests.unit.chat.chat_house import CALLER, PRICE, ROWS, ChatHouse, Speaker, board, catalogue, model, request

DRAWS = frozenset({"text", "image"})
SOLD = Price(input=300_000_000, output=2_500_000_000, image=38_700_000)
FOX, OWL = Picture(b"\x89PNG fox", "image/png"), Picture(b"\xff\xd8\xff owl", "image/jpeg")
WISH = Wishes(picture=True)
DRAWERS = (
    *ROWS[:3],
    model("alpha", "a-draws", 3, outputs=DRAWS, inputs=DRAWS, chat=False, price=SOLD),
    model("beta", "b-draws", 4, outputs=frozenset({"image"}), chat=False),
    model("demo", "demo", 5, outputs=DRAWS),
)


class Shelf:
    """Stands for the files: keeps what it is given, as long as there is room."""

    def __init__(self, room: int = 10) -> None:
        self.files: dict[str, bytes] = {}
        self.names: list[str | None] = []
        self.room = room

    def keep(self, caller: Caller, name: str | None, content: bytes, *, origin: FileOrigin) -> StoredFile:
        self.expect(caller, len(content))
        self.room -= 1
        self.names.append(name)
        file_id = f"file-{len(self.names)}"
        self.files[file_id] = content
        return StoredFile(file_id, caller.user_id, name or "", len(content), "image/png", utcnow(), origin=origin)

    def delete(self, caller: Caller, name_or_id: str, *, by_name: bool) -> StoredFile:
        content = self.files.pop(name_or_id)
        return StoredFile(name_or_id, caller.user_id, "", len(content), "image/png", utcnow())

    def expect(self, caller: Caller, size: int) -> None:
        if self.room <= 0:
            raise TooLarge("full", details={"reason": "quota"})


class House(ChatHouse):
    def __init__(self, shelf: Shelf | None = None, **speakers: Speaker) -> None:
        super().__init__(rows=DRAWERS, **speakers)
        self.shelf_of_files = shelf or Shelf()
        self.orchestrator._album = Album(self.shelf_of_files)


def draws(*pictures: Picture, text: str = "Here: ", tokens: int = 1290) -> Speaker:
    completion = 2 + len(pictures) * tokens
    usage = Usage(5, completion, picture_tokens=len(pictures) * tokens)
    return Speaker([Delta(text), *pictures, UsageReport(usage), Finish("stop")])


def wish(name: str = "auto", text: str = "draw", *, wishes: Wishes = WISH, **more: object) -> ChatRequest:
    given = {"ref": ConversationRef("c", must_exist=False, fresh=True), "stream": False} | more
    return request(text, name=name, wishes=wishes, **given)  # type: ignore[arg-type]


def names(asked: ChatRequest, rows: tuple[Model, ...] = DRAWERS) -> list[str]:
    plan = LLMSelectorService(catalogue(rows), board(), "priority").plan(asked)
    return [candidate.model.name for candidate in plan.candidates]


def test_those_who_draw_are_asked_in_the_catalogues_order_and_the_demo_last() -> None:
    assert names(wish()) == ["a-draws", "b-draws", "demo"]
    assert names(wish("b-draws")) == ["b-draws", "a-draws", "demo"]
    assert names(wish("beta")) == ["b-draws", "a-draws", "demo"]
    assert names(wish("demo")) == ["demo"]
    assert names(wish("a-draws", fallbacks=("b-draws",))) == ["a-draws", "b-draws"]


@pytest.mark.parametrize("strategy", ["round_robin", "lowest_cost", "weighted"])
def test_no_strategy_changes_that(strategy: str) -> None:
    assert names(wish(strategy=strategy)) == ["a-draws", "b-draws", "demo"]


def test_a_model_that_only_draws_is_asked_for_a_picture_by_its_name() -> None:
    assert names(wish("a-draws", wishes=Wishes())) == ["a-draws", "b-draws", "demo"]
    with pytest.raises(InvalidRequest):
        names(wish("a-draws", wishes=Wishes(), door="openai", ref=None))


def test_a_model_that_draws_nothing_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest) as fault:
        names(wish("a-small"))
    assert fault.value.field == "model"


def test_a_picture_to_change_goes_to_who_sees() -> None:
    sent = (Message("user", (TextPart("now blue"), ImagePart("data:image/png;base64,aaaa"))),)
    assert names(wish(messages=sent)) == ["a-draws"]
    with pytest.raises(UnsupportedMedia):
        names(wish(messages=sent), (DRAWERS[0], *DRAWERS[4:]))


def test_what_was_drawn_is_kept_before_the_chat_ends_and_stands_in_its_message() -> None:
    house = House(alpha=draws(FOX, OWL))
    done = list(house.run(wish(text="a ../fox\nat night", params={"n": 2})))[-1]
    assert isinstance(done, Done)
    assert (done.images, done.pictures) == (("file-1", "file-2"), (FOX, OWL))
    assert house.shelf_of_files.names == ["a ../fox at night.png", "a ../fox at night.jpeg"]
    answer = house.book.rows[0].messages[1]
    assert (answer.content, answer.images, answer.state) == ("Here: ", ("file-1", "file-2"), "complete")


def test_whoever_wants_bytes_gets_bytes_and_no_file() -> None:
    house = House(Shelf(room=0), alpha=draws(FOX))
    asked = wish(wishes=Wishes(picture=True, as_bytes=True), door="openai", ref=None)
    done = list(house.run(asked))[-1]
    assert isinstance(done, Done)
    assert (done.images, done.pictures, house.shelf_of_files.files) == ((), (FOX,), {})


def test_a_picture_is_charged_by_the_piece_and_its_tokens_are_not_charged_again() -> None:
    house = House(alpha=draws(FOX))
    list(house.run(wish()))
    assert house.book.rows[0].row.charge == 38_700_000 + 5 * 300 + 2 * 2_500


def test_where_no_picture_is_sold_by_the_piece_its_tokens_are_charged() -> None:
    house = House(alpha=Speaker([ProviderFault("model_gone", "gone")]), beta=draws(FOX))
    list(house.run(wish()))
    assert house.book.rows[0].row.charge == PRICE.charge(5, 1292)


def test_a_provider_that_tells_no_usage_is_charged_by_what_came() -> None:
    house = House(alpha=Speaker([FOX, Finish("stop")]))
    list(house.run(wish()))
    row = house.book.rows[0].row
    assert (row.usage.source, row.usage.pictures, row.usage.completion) == ("counted", 1, 1290)
    assert row.charge == 38_700_000 + row.usage.prompt * 300


def test_a_picture_that_finds_no_room_is_not_asked_for() -> None:
    house = House(Shelf(room=0))
    failed = list(house.run(wish()))[-1]
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.state) == ("too_large", "refused")
    assert house.speakers["alpha"].calls == []


def test_fault_3_13_what_was_kept_of_a_chat_that_failed_is_thrown_away_and_charged() -> None:
    house = House(Shelf(room=1), alpha=Speaker([FOX, OWL, Finish("stop")]))
    failed = list(house.run(wish(params={"n": 2})))[-1]
    assert isinstance(failed, Failed)
    assert (failed.error.code, house.shelf_of_files.files, house.states) == ("too_large", {}, ["refused"])
    assert house.book.rows[0].messages == ()
    assert (house.book.rows[0].row.charge or 0) > 2 * 38_700_000


def test_a_row_that_cannot_be_kept_leaves_no_file() -> None:
    house = House(alpha=draws(FOX))
    house.book.fault = Unavailable("nothing can be kept")
    failed = list(house.run(wish()))[-1]
    assert isinstance(failed, Failed)
    assert house.shelf_of_files.files == {}


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_a_picture_goes_on_to_the_next(stream: bool) -> None:
    house = House(alpha=Speaker([ProviderFault("server_error", "down")]), beta=draws(OWL))
    seen = list(house.run(wish(stream=stream)))
    done = seen[-1]
    assert isinstance(done, Done)
    assert (done.pictures, done.fallback, done.model) == ((OWL,), True, "b-draws")
    assert [event.kind for event in seen if isinstance(event, Notice)] == ["failover"]


def test_nobody_rescues_a_stream_after_a_picture() -> None:
    house = House(alpha=Speaker([FOX, ProviderFault("server_error", "down")]))
    seen = list(house.run(wish(stream=True)))
    assert isinstance(seen[-1], Failed)
    assert [event.next for event in seen if isinstance(event, Attempt)] == ["stop"]
    assert house.speakers["beta"].calls == []


def test_a_reply_in_one_piece_takes_all_its_pictures_of_one_model() -> None:
    house = House(alpha=Speaker([FOX, ProviderFault("bad_reply", "half")]), beta=draws(OWL, OWL))
    done = list(house.run(wish(params={"n": 2})))[-1]
    assert isinstance(done, Done)
    assert done.pictures == (OWL, OWL)
    row = house.book.rows[0].row
    assert row.lost >= 38_700_000, "the picture that was thrown away was paid for"


def test_money_is_held_for_a_picture_by_its_own_price() -> None:
    held = lease_price(SOLD, "picture")
    assert held is not None
    assert 38_700_000 <= held.charge(0, 1290) <= 38_700_001
    assert lease_price(SOLD, "chat") is SOLD
    assert lease_price(replace(SOLD, image=None), "picture") == replace(SOLD, image=None)
    house = House(alpha=draws(FOX))
    list(house.run(wish(params={"n": 2})))
    admission = house.book.admissions[0]
    assert (admission.answer_tokens, admission.answer_capped) == (2 * (1290 + 64), True)
    assert admission.price == held


def test_a_guest_gets_a_picture_under_its_own_id() -> None:
    guest = replace(CALLER, role="guest")
    house = House(Shelf(room=3), alpha=draws(FOX))
    done = list(house.run(wish(caller=guest)))[-1]
    assert isinstance(done, Done)
    assert done.images == ("file-1",)
