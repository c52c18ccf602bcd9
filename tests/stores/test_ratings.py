"""Ratings are one a user and prompt, and their sums are what the ratings say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.domain.caller import Caller
from app.domain.errors import InvalidRequest, NotFound, TooLarge, Unavailable
from app.domain.ratings import Rated, RatingTotals
from app.models.ratings import RatingRow
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.ratings import Ratings
from app.services.ratings.service import MOST_FEEDBACK, Averages, RatingService
from tests.stores.sql_support import chat

ME = Caller("user-1", "me", "user")
OTHER = Caller("user-2", "other", "user")


@pytest.fixture
def said(database: Database) -> Callable[..., str]:
    """Settles a chat and gives its prompt_id."""

    def settle(home: str | None = None, **facts: Any) -> str:
        commits = GroupCommit(database, timeout=10)
        one = chat(home, new=home is not None, **facts)
        commits.submit(one)
        commits.close()
        return one.row.prompt_id

    return settle


@pytest.fixture
def ratings(database: Database) -> Ratings:
    return Ratings(database)


@pytest.fixture
def service(ratings: Ratings) -> RatingService:
    return RatingService(ratings, Averages(ratings))


def test_a_second_rating_takes_the_first_ones_place(
    service: RatingService, ratings: Ratings, said: Callable[..., str], database: Database
) -> None:
    prompt_id = said()
    service.rate(ME, prompt_id, 2, "poor")
    service.rate(ME, prompt_id, 5, None)
    rows = database.read(lambda session: session.execute(select(RatingRow.rating, RatingRow.feedback)).all())
    assert [tuple(row) for row in rows] == [(5, None)]
    assert ratings.totals("user-1") == [RatingTotals("demo", "m", 1, 5)]


def test_sums_are_those_of_each_user_and_of_everybody(
    service: RatingService, ratings: Ratings, said: Callable[..., str]
) -> None:
    service.rate(ME, said(), 5, None)
    service.rate(ME, said(), 2, None)
    service.rate(ME, said(model="n"), 3, None)
    service.rate(OTHER, said(user_id="user-2"), 1, None)
    assert ratings.totals("user-1") == [RatingTotals("demo", "m", 2, 7), RatingTotals("demo", "n", 1, 3)]
    assert ratings.totals(None) == [RatingTotals("demo", "m", 3, 8), RatingTotals("demo", "n", 1, 3)]
    assert ratings.totals("user-3") == []


def test_fault_9_10_one_rating_a_prompt_however_often_it_is_said(
    ratings: Ratings, service: RatingService, said: Callable[..., str], database: Database
) -> None:
    prompt_id = said()
    for n in range(100):
        service.rate(ME, prompt_id, 1 + n % 5, "again")
    assert ratings.totals(None) == [RatingTotals("demo", "m", 1, 5)]
    assert database.read(lambda session: session.scalar(select(func.count()).select_from(RatingRow))) == 1


def test_first_ratings_of_one_prompt_at_once_are_one_rating(
    service: RatingService, ratings: Ratings, said: Callable[..., str]
) -> None:
    prompt_id, start, faults = said(), Barrier(4), []

    def rate(rating: int) -> None:
        start.wait(5)
        try:
            service.rate(ME, prompt_id, rating, None)
        except Exception as fault:
            faults.append(fault)

    threads = [Thread(target=rate, args=(n,)) for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    (totals,) = ratings.totals(None)
    assert faults == []
    assert totals.ratings == 1
    assert ratings.totals("user-1") == [totals]
    assert 1 <= totals.total <= 4


@pytest.mark.parametrize("rating", [0, 6, -1])
def test_fault_9_10_a_rating_out_of_range_is_refused(
    rating: int, service: RatingService, said: Callable[..., str]
) -> None:
    with pytest.raises(InvalidRequest) as fault:
        service.rate(ME, said(), rating, None)
    assert fault.value.field == "rating"


def test_fault_9_10_anothers_prompt_is_not_there(
    service: RatingService, ratings: Ratings, said: Callable[..., str]
) -> None:
    with pytest.raises(NotFound):
        service.rate(OTHER, said(), 5, None)
    assert ratings.totals(None) == []


def test_fault_9_10_a_feedback_without_end_is_too_large(
    service: RatingService, ratings: Ratings, said: Callable[..., str]
) -> None:
    prompt_id = said()
    with pytest.raises(TooLarge) as fault:
        service.rate(ME, prompt_id, 5, "x" * (MOST_FEEDBACK + 1))
    assert fault.value.field == "feedback"
    assert ratings.totals(None) == []
    assert service.rate(ME, prompt_id, 5, "x" * MOST_FEEDBACK).feedback == "x" * MOST_FEEDBACK


def test_what_was_never_answered_cannot_be_rated(service: RatingService, said: Callable[..., str]) -> None:
    from app.domain.usage import Usage

    with pytest.raises(InvalidRequest) as fault:
        service.rate(ME, said(state="upstream_failed", usage=Usage(source="counted")), 1, None)
    assert fault.value.field == "prompt_id"
    assert service.rate(ME, said(state="client_gone"), 1, None).rating == 1


def test_another_model_than_the_one_that_answered_is_refused(service: RatingService, said: Callable[..., str]) -> None:
    prompt_id = said()
    with pytest.raises(InvalidRequest) as fault:
        service.rate(ME, prompt_id, 5, None, "gpt")
    assert fault.value.field == "model"
    assert service.rate(ME, prompt_id, 5, None, "m").model == "m"
    assert service.rate(ME, prompt_id, 4, None, "demo/m").rating == 4


def test_a_request_that_still_waits_for_the_database_is_asked_for_again(ratings: Ratings) -> None:
    service = RatingService(ratings, Averages(ratings), waits=lambda: True)
    with pytest.raises(Unavailable):
        service.rate(ME, "01a1fe7c-fd55-7522-b404-82245d7bd536", 5, None)


def test_listeners_are_told_what_was_replaced(ratings: Ratings, said: Callable[..., str]) -> None:
    told: list[Rated] = []
    service = RatingService(ratings, Averages(ratings), [told.append])
    prompt_id = said()
    service.rate(ME, prompt_id, 2, "poor")
    service.rate(ME, prompt_id, 4, None)
    assert [(one.rating.rating, one.before, one.username) for one in told] == [(2, None, "me"), (4, 2, "me")]


def test_averages_are_read_once_a_while_and_kept_while_the_database_is_away(
    ratings: Ratings, said: Callable[..., str], database: Database
) -> None:
    now = [0.0]
    averages = Averages(ratings, lambda: now[0])
    assert averages.all() == {}
    RatingService(ratings, Averages(ratings)).rate(ME, said(), 4, None)  # another worker
    assert averages.all() == {}
    now[0] = 1.0
    assert averages.all() == {("demo", "m"): 4.0}
    RatingService(ratings, averages).rate(ME, said(), 1, None)
    assert averages.all() == {("demo", "m"): 2.5}

    class Away:
        def totals(self, user_id: str | None) -> list[RatingTotals]:
            raise Unavailable("the database is away")

    now[0] = 3.0
    averages._ratings = Away()  # type: ignore[assignment]
    assert averages.all() == {("demo", "m"): 2.5}


def test_history_shows_an_answers_rating_to_whom_it_is(
    service: RatingService, said: Callable[..., str], database: Database
) -> None:
    prompt_id = said("home")
    service.rate(ME, prompt_id, 3, "fair")
    messages = Conversations(database).history("user-1", "public-home").messages
    assert [(row.message.role, row.rating) for row in messages] == [("user", None), ("assistant", 3)]
    assert messages[1].facts is not None
    assert messages[1].facts.provider == "demo"


def test_deleting_a_conversation_takes_what_was_written_and_leaves_the_number(
    service: RatingService, ratings: Ratings, said: Callable[..., str], database: Database
) -> None:
    service.rate(ME, said("home"), 3, "my secret plan")
    kept = said("other")
    service.rate(ME, kept, 4, "stays")
    Conversations(database).delete("user-1", "public-home", datetime.now(UTC))
    left = database.read(lambda s: s.execute(text("SELECT rating, feedback FROM ratings ORDER BY rating")).all())
    assert [tuple(row) for row in left] == [(3, None), (4, "stays")]
    assert ratings.totals(None)[0].ratings == 2
