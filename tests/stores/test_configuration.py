"""The configuration as a file: brought to an empty house it is the same, and twice it is nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.accounts import NewUser
from app.domain.audit import Actor
from app.domain.caller import Budget, Limits
from app.domain.catalogue import Model
from app.domain.configuration import Configuration, ModelEntry, TemplateEntry, UserEntry
from app.domain.errors import InvalidRequest
from app.domain.money import Price
from app.domain.policies.templating import checked
from app.domain.templates import Draft, Variable, Viewer
from app.factories.seed_models import SEED_MODELS
from app.repositories.audit import Audit
from app.repositories.configuration import ConfigurationRows
from app.repositories.database import Database
from app.repositories.epochs import EpochRows
from app.repositories.model_rows import ModelRows
from app.repositories.templates import TemplateRows
from app.repositories.users import Users
from app.schemas.config_file import configuration_of, shown_configuration
from app.schemas.yaml_body import dump, parse
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.configuration import ConfigurationService
from app.services.catalogue.seeding import seed_models
from tests.stores.sql_support import TABLES

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOSS = Actor("u-boss", "boss")
SHIPPED = {(model.integration, model.name): model for model in SEED_MODELS}
PEOPLE = ("ann", "bob", "Zoë")

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
MOST = st.none() | st.integers(0, 1_000_000_000)
#: Up to here a number of USD is exact to the nano.
NANO = st.integers(0, 2**23 * 10**9)
BUDGETS = st.none() | st.builds(Budget, NANO, st.sampled_from(["day", "month", "total"]))
PRICES = st.none() | st.builds(Price, NANO, NANO, st.none() | NANO, st.none() | NANO, st.none() | NANO)
ADDRESSES = st.none() | st.sampled_from(["https://a.example.com/v1", "http://127.0.0.1:9/v1"])
KINDS = st.sets(st.sampled_from(["text", "image", "audio"]), min_size=1).map(frozenset)


@st.composite
def models(draw: st.DrawFn) -> ModelEntry:
    provider, name = draw(st.sampled_from(["groq", "corp"])), draw(TEXT)
    address = draw(ADDRESSES) if provider == "groq" else "https://corp.example.com/v1"
    flags = {flag: draw(st.booleans()) for flag in ("active", "reasoning", "chat", "tools", "abilities_known")}
    numbers = {
        "context_window": draw(MOST) or None,
        "max_output": draw(MOST) or None,
        "rpm": draw(MOST),
        "tpm": draw(MOST),
    }
    model = Model(
        f"{provider}/{name}",
        provider,
        name,
        base_url=address,
        price=draw(PRICES),
        inputs=draw(KINDS),
        **flags,
        **numbers,
    )
    return ModelEntry(model, draw(st.sampled_from(["admin", "config"])))


@st.composite
def templates(draw: st.DrawFn) -> TemplateEntry:
    variables = (
        Variable("a", "number", draw(st.none() | st.floats(-(2**53), 2**53) | st.integers(-(2**53), 2**53))),
        Variable("b", "choice", draw(st.sampled_from([None, "x"])), ("x", draw(TEXT.filter(lambda word: word != "x")))),
        Variable("c", "boolean", draw(st.none() | st.booleans())),
        Variable("d", "string", draw(st.none() | TEXT)),
    )
    content = draw(TEXT) + "{{a}}{{b}}{{c}}{{d}}" + draw(TEXT)
    key = draw(st.none() | st.sampled_from(["email", "of-ours", "more"]))
    owner = draw(st.none() | st.sampled_from(PEOPLE)) if key is None else None
    draft = Draft(draw(TEXT), draw(TEXT), content, True if owner else draw(st.booleans()), variables)
    own_id = None if key else str(uuid.UUID(int=draw(st.integers(0, 2**128 - 1))))
    return TemplateEntry(checked(draft), own_id, key, owner)


def bounded(entry: UserEntry) -> bool:
    return entry.budget is not None or entry.limits != Limits()


USERS = st.builds(UserEntry, st.sampled_from(PEOPLE), st.builds(Limits, MOST, MOST, MOST), BUDGETS).filter(bounded)
CONFIGURATIONS = st.builds(
    Configuration,
    models=st.lists(models(), max_size=4, unique_by=lambda e: e.model.id).map(tuple),
    budget=st.tuples(BUDGETS),
    users=st.lists(USERS, max_size=3, unique_by=lambda e: e.username).map(tuple),
    templates=st.lists(templates(), max_size=3, unique_by=lambda e: e.key or e.id).map(tuple),
)


def sorted_as_told(found: Configuration) -> dict[str, Any]:
    told = shown_configuration(found)
    for section, name in (("models", "name"), ("users", "username"), ("templates", "name")):
        told[section].sort(key=lambda row: (row.get("provider", ""), row[name], row.get("key", ""), row.get("id", "")))
    return told


def emptied(database: Database) -> None:
    for table in (*TABLES, "users", "budgets", "audit"):
        database.write(lambda session, table=table: session.execute(text(f"DELETE FROM {table}")))  # type: ignore[misc]


def people(database: Database) -> None:
    for name in PEOPLE:
        new = NewUser(f"u-{name}", name, name.casefold(), None, None, None, "user", None, NOW)
        Users(database).add(new)


@pytest.fixture
def rows(database: Database) -> Iterator[ConfigurationRows]:
    people(database)
    yield ConfigurationRows(database, SHIPPED)
    emptied(database)


@pytest.fixture
def service(database: Database, rows: ConfigurationRows) -> ConfigurationService:
    seed_models(ModelRows(database), SEED_MODELS, NOW)
    return ConfigurationService(rows, Catalogue(ModelRows(database).all, {}), lambda: None)


@given(CONFIGURATIONS)
@settings(max_examples=60, deadline=None)
def test_a_configuration_as_a_file_is_itself(wanted: Configuration) -> None:
    read = configuration_of(parse(dump(shown_configuration(wanted)).encode()))
    assert shown_configuration(read) == shown_configuration(wanted)
    assert (read.users, read.budget, read.templates) == (wanted.users, wanted.budget, wanted.templates)


@given(wanted=CONFIGURATIONS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_brought_to_an_empty_house_is_what_it_exports_and_again_is_nothing(
    database: Database, wanted: Configuration
) -> None:
    emptied(database)
    people(database)
    rows = ConfigurationRows(database, SHIPPED)
    done = rows.apply(wanted, BOSS, NOW)
    assert done.skipped == {}
    kept = rows.read()
    assert sorted_as_told(kept) == sorted_as_told(wanted)
    again = configuration_of(parse(dump(shown_configuration(kept)).encode()))
    acts = len(Audit(database).page(1000, None))
    assert set(rows.apply(again, BOSS, NOW).changed.values()) == {0}
    assert len(Audit(database).page(1000, None)) == acts
    assert sorted_as_told(rows.read()) == sorted_as_told(wanted)


def mine(name: str, **fields: Any) -> ModelEntry:
    return ModelEntry(Model(f"corp/{name}", "corp", name, base_url="https://corp.example.com/v1", **fields))


def test_models_are_all_that_admins_made_and_what_goes_is_as_it_was_shipped(
    database: Database, service: ConfigurationService, rows: ConfigurationRows
) -> None:
    shipped = SEED_MODELS[0]
    edited = ModelEntry(replace(shipped, active=False, rpm=5))
    service.apply(Configuration(models=(mine("one"), mine("two"), edited)), BOSS)
    found = {model.id: model for model in ModelRows(database).all()}
    assert (found[shipped.id].rpm, found[shipped.id].rank, found["corp/one"].active) == (5, shipped.rank, True)
    assert service.apply(Configuration(models=(mine("two", rpm=7),)), BOSS).changed["models"] == 3
    found = {model.id: model for model in ModelRows(database).all()}
    assert found[shipped.id] == shipped
    assert "corp/one" not in found
    assert found["corp/two"].rpm == 7
    assert [entry.model.id for entry in rows.read().models or ()] == ["corp/two"]
    # What an admin takes back is the seeding's again.
    assert seed_models(ModelRows(database), SEED_MODELS, NOW) == 0


def test_a_section_that_is_left_out_stays(service: ConfigurationService, rows: ConfigurationRows) -> None:
    budget, user = Budget(5, "day"), UserEntry("ann", Limits(rpm=3), None)
    service.apply(Configuration(models=(mine("one"),), budget=(budget,), users=(user,)), BOSS)
    before = rows.read()
    assert set(service.apply(Configuration(), BOSS).changed.values()) == {0}
    assert rows.read() == before
    service.apply(Configuration(users=(UserEntry("bob", Limits(tpm=9), None),)), BOSS)
    assert rows.read().users == (user, UserEntry("bob", Limits(tpm=9), None))


def test_each_change_and_the_import_itself_are_in_the_audit_and_every_worker_is_told(
    database: Database, service: ConfigurationService
) -> None:
    before = {name: EpochRows(database).read(name) for name in ("auth", "catalogue", "templates")}
    draft = checked(Draft("Ours", "work", "{{x}}", shared=True))
    service.apply(
        Configuration(
            (mine("one"),),
            (Budget(7, "day"),),
            (UserEntry("ann", Limits(rpm=1), None),),
            (TemplateEntry(draft, key="ours"),),
        ),
        BOSS,
    )
    acts = {act.action: act for act in Audit(database).page(10, None)}
    assert acts.keys() == {"model.add", "budget.change", "user.change", "template.add", "config.import"}
    assert acts["config.import"].after == {"models": 1, "budget": 1, "users": 1, "templates": 1}
    assert {act.actor.username for act in acts.values()} == {"boss"}
    assert all(EpochRows(database).read(name) > n for name, n in before.items())


def test_what_is_a_persons_own_is_not_brought_back_against_their_will(
    database: Database, service: ConfigurationService, rows: ConfigurationRows
) -> None:
    ann, kept = Viewer("u-ann", "ann"), TemplateRows(database)
    shared = kept.add(ann, checked(Draft("Ours", "work", "text", shared=True)), NOW)
    taken = kept.add(ann, checked(Draft("Mine", "work", "secret", shared=True)), NOW)
    gone = kept.add(ann, checked(Draft("Gone", "work", "gone", shared=True)), NOW)
    file = rows.read()
    assert [entry.owner for entry in file.templates or ()] == ["ann"] * 3
    kept.amend(ann, taken.id, lambda _: checked(Draft("Mine", "work", "secret", shared=False)), NOW)
    kept.delete(ann, gone.id, NOW)
    kept.amend(ann, shared.id, lambda _: checked(Draft("Ours", "work", "changed", shared=True)), NOW)
    done = service.apply(file, BOSS)
    assert done.changed["templates"] == 1
    assert set(done.skipped) == {"templates[1]", "templates[2]"}
    back = kept.find(ann, shared.id)
    assert back is not None
    assert (back.content, back.version, back.owner) == ("text", 3, "u-ann")
    assert kept.find(Viewer("u-bob", "bob"), taken.id) is None
    assert kept.find(ann, gone.id) is None


def test_users_who_are_not_here_are_told_and_the_rest_is_done(service: ConfigurationService) -> None:
    done = service.apply(
        Configuration(users=(UserEntry("nobody", Limits(rpm=1), None), UserEntry("ANN", Limits(rpm=1), None))), BOSS
    )
    assert (done.changed["users"], dict(done.skipped)) == (1, {"users[0]": "There is no such user here."})


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (ModelEntry(Model("corp/x", "corp", "x")), "models[1].base_url"),
        (ModelEntry(Model("corp/auto", "corp", "auto", base_url="http://a/v1")), "models[1].name"),
        (mine("x").__class__(replace(mine("x").model, base_url="http://169.254.169.254/v1")), "models[1].base_url"),
        (mine("x").__class__(replace(mine("x").model, base_url="file:///etc/passwd")), "models[1].base_url"),
    ],
)
def test_fault_8_6_one_wrong_model_and_nothing_is_done(
    entry: ModelEntry, field: str, service: ConfigurationService, rows: ConfigurationRows
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        service.apply(Configuration(models=(mine("good"), entry), budget=(Budget(1, "day"),)), BOSS)
    assert caught.value.field == field
    assert (rows.read().models, rows.read().budget) == ((), (None,))


def test_a_file_without_a_secret_column_in_it(database: Database, rows: ConfigurationRows, tmp_path: Path) -> None:
    told = dump(shown_configuration(rows.read()))
    assert not [word for word in ("key:", "secret", "sealed", "password", "hash") if word in told]
