"""A SQLite log of before there were files of days is moved into them, whole, and once however often that is tried."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event, inspect, select

from adapters.kit import SystemClock
from tests.logfiles import ask
from webapp import db
from webapp.ids import id_at
from webapp.log.bodies import pack
from webapp.log.dayfiles import files_of
from webapp.log.days import day_of, note
from webapp.log.dayschema import BODIES
from webapp.log.entries import Bodies
from webapp.log.filters import LogFilter
from webapp.log.query import LogStore
from webapp.log.searchtext import matching, words_of
from webapp.log.statements import door_to
from webapp.log.tables import call_bodies, call_logs
from webapp.log.wordindex import add_words
from webapp.log.words import words
from webapp.log.writer import stamped

START = datetime(2026, 3, 4, 12, tzinfo=UTC)
ATTEMPTS, DAYS = 5_000, 3


def upgrade_to(engine, revision):
    config = Config()
    config.set_main_option("script_location", str(db.MIGRATIONS))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def attempts():
    for number in range(ATTEMPTS):
        at = START + timedelta(days=DAYS) * number / ATTEMPTS
        row = {
            "log_id": id_at(at) + number, "call_id": 1, "request_timestamp": at, "response_timestamp": at,
            "kind": "attempt", "outcome": "failed", "code": f"C{number}", "error_message": "余额不足", "sandbox": False,
        }  # fmt: skip
        if number % 100 == 0:
            row |= {"outcome": "pending", "response_timestamp": None}
        yield stamped(row)


@pytest.fixture
def url(request, tmp_path):
    if request.config.getoption("--database") != "sqlite":
        pytest.skip("PostgreSQL keeps its parts")
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    engine = db.make_engine(url)
    upgrade_to(engine, "0011")
    rows = list(attempts())
    with engine.begin() as connection:
        door = door_to(connection)
        door.insert(call_logs, rows)
        bodies = [pack(row["log_id"], Bodies(request_payload=row["code"])) for row in rows[::2]]
        door.insert(call_bodies, bodies)
        add_words(connection, [(row["log_id"], words_of(row)) for row in rows if row["response_timestamp"]])
        sizes = {body["log_id"]: len(body["packed"]) for body in bodies}
        note(
            connection,
            [(row["log_id"], datetime.fromisoformat(row["request_timestamp"])) for row in rows],
            sizes,
        )
    engine.dispose()
    return url


def move(url, die_at):
    ends = count(1)

    def kill(_connection):
        if next(ends) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", kill)
    db.upgrade(db.make_engine(url))


@pytest.mark.parametrize("deaths", [(), (1,), (4,), (3, 3), (9,)])
def test_everything_is_there_once(url, deaths):
    for die_at in deaths:
        child = multiprocessing.get_context("fork").Process(target=move, args=(url, die_at))
        child.start()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
    engine = db.make_engine(url)
    db.upgrade(engine)

    log, files = LogStore(engine, SystemClock(), lambda purpose: purpose), files_of(engine)
    rows = list(attempts())
    stored = ask(engine, select(call_logs).order_by(call_logs.c.log_id))
    assert [(row["log_id"], row["code"], row["outcome"]) for row in stored] == [
        (row["log_id"], row["code"], row["outcome"]) for row in rows
    ]
    assert stored[0]["request_timestamp"] == START
    assert len(ask(engine, select(call_bodies), BODIES)) == ATTEMPTS / 2
    assert files.days() == sorted({day_of(row["log_id"]) for row in rows}, reverse=True)
    assert [one.code for one in log.find([matching(words("C4321"))], 9)] == ["C4321"]
    assert log.count([matching(words("余额"))]) == ATTEMPTS * 99 // 100
    for day in files.days():
        with files.reading(day) as file:
            file.exec_driver_sql(
                "CREATE VIRTUAL TABLE temp.told USING fts5vocab('main', 'call_words', 'row')"
            )
            assert file.exec_driver_sql("SELECT max(doc) FROM told WHERE term LIKE 'c%'").scalar() == 1
            file.exec_driver_sql("DROP TABLE temp.told")
    assert log.bodies(rows[2]["log_id"]).request_payload == "C2"
    assert log.survey(LogFilter()).count == ATTEMPTS
    assert not {"call_logs", "call_bodies", "call_words"} & set(inspect(engine).get_table_names())
    engine.dispose()
