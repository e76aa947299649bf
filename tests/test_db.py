"""Transactions: writers wait for each other instead of failing, on both databases."""

from __future__ import annotations

import multiprocessing
import threading

import pytest
from sqlalchemy import select, text

from webapp.db import begin_write, locked_file, make_engine, make_sessions
from webapp.models.secret import KeystoreMeta


@pytest.fixture
def counter(session):
    session.add(KeystoreMeta(name="count", value="0"))
    session.commit()


def count_up(sessions, times):
    """Read, then write: the pattern that fails or loses updates without a lock before the read."""
    for _ in range(times):
        with sessions() as session:
            begin_write(session, "count")
            row = session.get(KeystoreMeta, "count")
            row.value = str(int(row.value) + 1)
            session.commit()


def count_in_a_process(url):
    engine = make_engine(url)
    count_up(make_sessions(engine), 20)
    engine.dispose()


def counted(session):
    session.rollback()
    return session.scalars(select(KeystoreMeta.value).where(KeystoreMeta.name == "count")).one()


def test_threads_that_read_and_write_lose_nothing(runtime, session, counter):
    threads = [threading.Thread(target=count_up, args=[runtime.sessions, 10]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert counted(session) == "40"


def test_processes_that_read_and_write_lose_nothing(session, counter, database_url):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=count_in_a_process, args=[database_url]) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)

    assert counted(session) == "80"


def test_a_reader_does_not_wait_for_a_writer(runtime, session, counter):
    with runtime.sessions() as writer:
        writer.execute(text("UPDATE keystore_meta SET value = '7' WHERE name = 'count'"))
        assert counted(session) == "0"
        writer.commit()

    assert counted(session) == "7"


def test_a_write_after_a_read_does_not_fail_when_others_wrote_between(runtime, session, counter):
    assert counted(session) == "0"
    with runtime.sessions() as other:
        other.execute(text("UPDATE keystore_meta SET value = '1' WHERE name = 'count'"))
        other.commit()

    session.execute(text("UPDATE keystore_meta SET value = '2' WHERE name = 'count'"))
    session.commit()
    assert counted(session) == "2"


def test_what_was_rolled_back_is_gone(session, counter):
    session.execute(text("UPDATE keystore_meta SET value = '9' WHERE name = 'count'"))

    assert counted(session) == "0"


def test_a_savepoint_can_be_undone_alone(session, counter):
    session.add(KeystoreMeta(name="kept", value="1"))
    savepoint = session.begin_nested()
    session.add(KeystoreMeta(name="undone", value="1"))
    session.flush()
    savepoint.rollback()
    session.commit()

    names = session.scalars(select(KeystoreMeta.name)).all()
    assert "kept" in names
    assert "undone" not in names


def test_a_file_lock_is_held_by_one(tmp_path):
    entered, order = threading.Event(), []

    def second():
        entered.set()
        with locked_file(tmp_path / "lock"):
            order.append("second")

    with locked_file(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert entered.wait(5)
        order.append("first")
    thread.join(5)

    assert order == ["first", "second"]
