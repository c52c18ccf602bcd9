from __future__ import annotations

from dataclasses import replace

from app.domain.catalogue import Model
from app.domain.money import Price
from app.factories.seed_models import SEED_MODELS
from app.repositories.database import Database
from app.repositories.epochs import EpochRows
from app.repositories.model_rows import ModelRows
from app.utils.clock import utcnow

MODEL = Model("groq/m", "groq", "m", 1000, 100, price=Price(1, 2, 3, 4, 5), reasoning=True, rank=7)


def epoch(database: Database) -> int:
    return EpochRows(database).read("catalogue")


def test_every_seeded_model_comes_back_as_it_was(database: Database) -> None:
    rows = ModelRows(database)
    assert rows.seed(SEED_MODELS, utcnow()) == len(SEED_MODELS)
    assert rows.all() == SEED_MODELS


def test_seeding_again_changes_nothing_and_tells_nobody(database: Database) -> None:
    rows = ModelRows(database)
    rows.seed(SEED_MODELS, utcnow())
    before = epoch(database)
    assert rows.seed(SEED_MODELS, utcnow()) == 0
    assert epoch(database) == before


def test_a_new_price_of_a_seeded_row_is_taken_over_and_told(database: Database) -> None:
    rows = ModelRows(database)
    rows.seed([MODEL], utcnow())
    before = epoch(database)
    dearer = replace(MODEL, price=Price(9, 9))
    assert rows.seed([dearer], utcnow()) == 1
    assert rows.all() == (dearer,)
    assert epoch(database) == before + 1


def test_what_an_admin_edited_is_not_seeded_over(database: Database) -> None:
    rows = ModelRows(database)
    rows.seed([MODEL], utcnow())
    edited = replace(MODEL, active=False, price=None)
    assert rows.save(replace(edited, id="another"), "admin", utcnow()) == edited
    assert rows.seed([MODEL], utcnow()) == 0
    assert rows.all() == (edited,)


def test_what_was_learned_of_a_seeded_row_stays(database: Database) -> None:
    rows = ModelRows(database)
    rows.seed([MODEL], utcnow())
    rows.save(replace(MODEL, unavailable="withdrawn by its provider"), "seed", utcnow())
    rows.seed([replace(MODEL, rank=1)], utcnow())
    [row] = rows.all()
    assert (row.rank, row.unavailable) == (1, "withdrawn by its provider")


def test_the_row_of_a_setting_that_names_another_model_goes(database: Database) -> None:
    rows = ModelRows(database)
    old, new = (replace(MODEL, id=f"ngrok/{name}", integration="ngrok", name=name) for name in ("old", "new"))
    rows.seed([MODEL, old], utcnow(), whole={"ngrok"})
    rows.seed([new], utcnow(), whole={"ngrok"})
    assert {row.id for row in rows.all()} == {MODEL.id, new.id}


def test_a_removed_row_is_told_of_once(database: Database) -> None:
    rows = ModelRows(database)
    rows.save(MODEL, "admin", utcnow())
    before = epoch(database)
    assert rows.remove(MODEL.id)
    assert not rows.remove(MODEL.id)
    assert (rows.all(), epoch(database)) == ((), before + 1)
