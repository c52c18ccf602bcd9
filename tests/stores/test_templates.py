from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

import seed
from app.domain.caller import Caller
from app.domain.errors import Conflict, Forbidden, NotFound, Unavailable
from app.domain.policies.templating import fill
from app.domain.templates import Draft, Template, Variable, Viewer
from app.repositories import templates as repository
from app.repositories.audit import Audit
from app.repositories.database import Database
from app.repositories.epochs import EpochRows
from app.repositories.templates import TemplateRows
from app.services.templates.seeding import read_drafts, seed_templates
from app.services.templates.service import Templates
from app.services.templates.shelf import Shelf

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN, BOB = Viewer("u-ann", "ann"), Viewer("u-bob", "bob")
BOSS = Viewer("u-boss", "boss", admin=True)
VARIABLES = (Variable("a", "choice", "x", ("x", "y")), Variable("b", "number", 1.5), Variable("c", "boolean", False))
DRAFT = Draft("Mine", "general", "{{a}}{{b}}{{c}}", variables=VARIABLES)
SHARED = replace(DRAFT, name="Ours", shared=True)


@pytest.fixture
def rows(database: Database) -> TemplateRows:
    return TemplateRows(database)


def to(**changes: Any) -> Any:
    def revise(before: Template) -> Draft:
        draft = Draft(before.name, before.category, before.content, before.shared, before.variables)
        return replace(draft, **changes)

    return revise


def versions(database: Database, template_id: str) -> list[int]:
    query = text("SELECT version FROM template_versions WHERE template_id = :id ORDER BY version")
    return database.read(lambda session: list(session.scalars(query, {"id": template_id})))


def test_a_template_comes_back_as_it_was_kept(rows: TemplateRows) -> None:
    made = rows.add(ANN, DRAFT, NOW)
    assert (made.version, made.owner, made.variables) == (1, ANN.user_id, VARIABLES)
    assert rows.find(ANN, made.id) == made


def test_another_text_is_another_version_and_the_former_stays(rows: TemplateRows, database: Database) -> None:
    made = rows.add(ANN, DRAFT, NOW)
    named = rows.amend(ANN, made.id, to(name="Other", category="work"), NOW)
    assert (named.version, named.version_id, named.name) == (1, made.version_id, "Other")
    changed = rows.amend(ANN, made.id, to(content="new", variables=()), NOW)
    assert (changed.version, changed.version_id != made.version_id) == (2, True)
    retyped = rows.amend(ANN, made.id, to(content="{{n}}", variables=(Variable("n", "number"),)), NOW)
    assert retyped.version == 3
    first = rows.find(ANN, made.id, 1)
    assert first is not None
    assert (first.content, first.variables, first.version) == (DRAFT.content, VARIABLES, 1)
    assert rows.find(ANN, made.id, 4) is None
    assert versions(database, made.id) == [1, 2, 3]


def test_a_personal_template_is_its_owners_alone(rows: TemplateRows) -> None:
    made = rows.add(ANN, DRAFT, NOW)
    for other in (BOB, BOSS):
        assert rows.find(other, made.id) is None
        assert made.id not in [template.id for template in rows.page(other, 100, None)]
        with pytest.raises(NotFound):
            rows.amend(other, made.id, to(name="x"), NOW)
        with pytest.raises(NotFound):
            rows.delete(other, made.id, NOW)
    assert rows.find(ANN, made.id) == made


def test_a_shared_template_is_read_by_all_and_changed_by_its_owner_and_admins(
    rows: TemplateRows, database: Database
) -> None:
    made = rows.add(ANN, SHARED, NOW)
    assert rows.find(BOB, made.id) == made
    with pytest.raises(Forbidden):
        rows.amend(BOB, made.id, to(name="x"), NOW)
    with pytest.raises(Forbidden):
        rows.delete(BOB, made.id, NOW)
    assert rows.amend(ANN, made.id, to(name="by ann"), NOW).name == "by ann"
    assert rows.amend(BOSS, made.id, to(content="by boss", variables=()), NOW).version == 2
    rows.delete(BOSS, made.id, NOW)
    assert rows.find(ANN, made.id) is None
    told = [(act.action, act.actor.username, act.target) for act in Audit(database).page(10, None)]
    assert told[:2] == [("template.delete", "boss", made.id), ("template.change", "boss", made.id)]


def test_a_list_is_newest_first_page_by_page_and_by_category(rows: TemplateRows) -> None:
    made = [rows.add(ANN, replace(DRAFT, category=f"c{n % 2}"), NOW).id for n in range(5)]
    shared = rows.add(BOB, SHARED, NOW).id
    assert [t.id for t in rows.page(ANN, 3, None) if t.owner] == [shared, *made[:2:-1]]
    assert [t.id for t in rows.page(ANN, 2, made[3])] == [made[2], made[1]]
    assert [t.id for t in rows.page(ANN, 9, None, "c1")] == [made[3], made[1]]


def test_a_deleted_template_is_gone_and_its_versions_stay(rows: TemplateRows, database: Database) -> None:
    made = rows.add(ANN, DRAFT, NOW)
    rows.delete(ANN, made.id, NOW)
    assert rows.find(ANN, made.id) is None
    with pytest.raises(NotFound):
        rows.delete(ANN, made.id, NOW)
    assert versions(database, made.id) == [1]


def test_changes_at_once_are_versions_one_after_the_other(rows: TemplateRows, database: Database) -> None:
    made = rows.add(ANN, DRAFT, NOW)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: rows.amend(ANN, made.id, to(content=f"text {n}", variables=()), NOW), range(12)))
    assert versions(database, made.id) == list(range(1, 14))
    found = rows.find(ANN, made.id)
    assert found is not None
    assert found.version == 13


def test_there_is_an_end_to_templates_and_versions(rows: TemplateRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MOST_OF_ONE", 2)
    monkeypatch.setattr(repository, "MOST_VERSIONS", 2)
    made = rows.add(ANN, DRAFT, NOW)
    rows.add(ANN, DRAFT, NOW)
    with pytest.raises(Conflict):
        rows.add(ANN, DRAFT, NOW)
    rows.amend(ANN, made.id, to(content="2", variables=()), NOW)
    with pytest.raises(Conflict):
        rows.amend(ANN, made.id, to(content="3", variables=()), NOW)
    rows.delete(ANN, made.id, NOW)
    assert rows.add(ANN, DRAFT, NOW).version == 1


# --- seeded ---------------------------------------------------------------------------------------------------------


def seeded(rows: TemplateRows, name: str) -> Template | None:
    return next((t for t in rows.page(BOSS, 100, None) if t.name == name and t.owner is None), None)


def test_seeding_again_does_nothing_and_a_new_file_changes_what_nobody_touched(rows: TemplateRows) -> None:
    drafts = {"one": replace(SHARED, name="One"), "two": replace(SHARED, name="Two")}
    assert seed_templates(rows, drafts, NOW) == 2
    assert seed_templates(rows, drafts, NOW) == 0
    later = {key: replace(draft, content="{{a}} later {{b}}{{c}}") for key, draft in drafts.items()}
    two = seeded(rows, "Two")
    assert two is not None
    rows.amend(BOSS, two.id, to(category="ours"), NOW)
    assert seed_templates(rows, later, NOW) == 1
    one, two = seeded(rows, "One"), seeded(rows, "Two")
    assert one is not None
    assert (one.version, one.content) == (2, later["one"].content)
    assert two is not None
    assert (two.version, two.category) == (1, "ours")


def test_a_seeded_template_is_changed_by_admins_alone_and_stays_deleted(rows: TemplateRows) -> None:
    drafts = {"one": replace(SHARED, name="One")}
    seed_templates(rows, drafts, NOW)
    made = seeded(rows, "One")
    assert made is not None
    with pytest.raises(Forbidden):
        rows.amend(BOB, made.id, to(name="x"), NOW)
    assert not made.editable_by(BOB)
    rows.amend(BOSS, made.id, to(shared=False), NOW)
    assert rows.find(BOB, made.id) is None
    assert rows.find(BOSS, made.id) is not None  # or nobody could share it again
    rows.delete(BOSS, made.id, NOW)
    assert seed_templates(rows, drafts, NOW) == 0
    assert seeded(rows, "One") is None


def test_the_seeded_file_holds_a_dozen_sound_templates_in_categories(rows: TemplateRows) -> None:
    listed = json.loads(seed.TEMPLATES.read_text(encoding="utf-8"))
    keys = [row["key"] for row in listed]
    assert len(keys) == len(set(keys)) >= 12
    for row in listed:
        assert row.keys() <= {"key", "name", "category", "content", "variables"}
        assert all(v.keys() <= {"name", "type", "default", "choices"} for v in row["variables"])
    drafts = read_drafts(seed.TEMPLATES)
    categories = {draft.category for draft in drafts.values()}
    assert {"friendly", "summarise", "translate", "explain code", "review", "e-mail"} <= categories
    for key, draft in drafts.items():
        told = next(row["variables"] for row in listed if row["key"] == key)
        assert len(draft.variables) == len(told), f"{key}: say the type of each variable"
        values = {v.name: "some text" for v in draft.variables if v.default is None}
        assert values.keys() == {v.name for v in draft.variables if v.default is None and v.type == "string"}
        assert "{{" not in fill(draft.content, draft.variables, values)
    assert seed_templates(rows, drafts, NOW) == len(drafts)


# --- in memory ------------------------------------------------------------------------------------------------------


class Counting(TemplateRows):
    reads = 0

    def find(self, viewer: Viewer, template_id: str, version: int | None = None) -> Template | None:
        self.reads += 1
        return super().find(viewer, template_id, version)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("app.services.templates.shelf.monotonic", clock)
    return clock


def caller(viewer: Viewer) -> Caller:
    return Caller(viewer.user_id, viewer.username, "admin" if viewer.admin else "user")


def test_a_template_used_again_is_not_read_again_until_one_changes(database: Database, clock: Clock) -> None:
    mine, other = Counting(database), Counting(database)
    here = Templates(mine, Shelf(mine, EpochRows(database)))
    there = Templates(other, Shelf(other, EpochRows(database)))
    made = here.add(caller(ANN), SHARED)
    assert {there.expand(caller(ANN), made.id, {}).text for _ in range(5)} == {"x1.5false"}
    assert other.reads == 1
    changed = here.change(caller(ANN), made.id, {"content": "new"})
    assert here.expand(caller(ANN), made.id, {}).version == changed.version_id
    clock.now += 0.3
    assert there.expand(caller(ANN), made.id, {}).text == "new"
    here.delete(caller(ANN), made.id)
    clock.now += 0.3
    with pytest.raises(NotFound):
        there.expand(caller(ANN), made.id, {})


def test_what_one_sees_is_never_handed_to_another_from_memory(database: Database, clock: Clock) -> None:
    rows = Counting(database)
    kept = Templates(rows, Shelf(rows, EpochRows(database)))
    made = kept.add(caller(ANN), DRAFT)
    assert kept.expand(caller(ANN), made.id, {}).text
    for other in (BOB, BOSS):
        for _ in range(2):
            with pytest.raises(NotFound) as caught:
                kept.expand(caller(other), made.id, {})
            assert caught.value.field == "template_id"
    assert rows.reads == 3  # that there is none is remembered as well


def test_while_the_database_is_away_known_templates_serve(database: Database, clock: Clock) -> None:
    class Away(EpochRows):
        away = False

        def read(self, name: str) -> int:
            if self.away:
                raise Unavailable("away")
            return super().read(name)

    rows, epochs = TemplateRows(database), Away(database)
    kept = Templates(rows, Shelf(rows, epochs))
    made = kept.add(caller(ANN), DRAFT)
    kept.expand(caller(ANN), made.id, {})
    epochs.away = True
    clock.now += 10
    assert kept.expand(caller(ANN), made.id, {}).version == made.version_id
