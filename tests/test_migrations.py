"""The migrations make exactly the tables that the models describe, on both databases."""

from __future__ import annotations

import multiprocessing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from webapp import db
from webapp.models import Base


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request, tmp_path):
    """The address of a database without tables."""
    if request.param == "postgresql":
        return request.getfixturevalue("empty_postgresql")
    return f"sqlite:///{tmp_path / 'new.sqlite3'}"


@pytest.fixture
def engine(empty_database):
    engine = db.make_engine(empty_database)
    yield engine
    engine.dispose()


ELSEWHERE = {"call_logs", "call_bodies"}  # on SQLite each day has files with these tables


def is_described(name, kind, _parents):
    """Whether the models describe a table: the words of the log lie in what each database has for words."""
    return kind != "table" or not name.startswith("call_words")


def is_in_the_database(engine):
    """Which of the described things a database has."""
    away = ELSEWHERE if engine.dialect.name == "sqlite" else set()
    return lambda _thing, name, kind, *_: kind != "table" or name not in away


def test_a_fresh_database_is_not_migrated(engine):
    assert not db.is_migrated(engine)


def test_migrations_equal_the_models(engine):
    db.upgrade(engine)

    assert db.is_migrated(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": is_described, "include_object": is_in_the_database(engine)}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_upgrading_twice_changes_nothing(engine):
    db.upgrade(engine)
    db.upgrade(engine)

    names = {name for name in inspect(engine).get_table_names() if is_described(name, "table", None)}
    away = ELSEWHERE if engine.dialect.name == "sqlite" else set()
    assert names == {*Base.metadata.tables, "alembic_version"} - away


def migrate(url):
    engine = db.make_engine(url)
    db.upgrade(engine)
    engine.dispose()


def test_several_processes_may_upgrade_at_once(empty_database, engine):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=migrate, args=[empty_database]) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert db.is_migrated(engine)


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"])
def test_the_database_refuses_to_change_an_audit_entry(engine, statement):
    db.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO audit_entries (seq, at, actor, action, target, detail, prev, mac)"
                " VALUES (1, '2026-01-02 03:04:05', 'lin', 'a', 't', '{}', '', '')"
            )
        )

    with engine.connect() as connection, pytest.raises(DatabaseError, match="audit entries cannot be"):
        connection.execute(text(statement))
