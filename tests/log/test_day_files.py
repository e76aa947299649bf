"""On SQLite a day of the log is a file: written once and for good, found with the others, gone as a whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import stat
import threading
from collections import Counter
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select, text
from sqlalchemy.exc import SQLAlchemyError

from tests.logfiles import ask
from webapp.db import make_engine
from webapp.ids import id_at
from webapp.log import dayfiles, daywriter
from webapp.log.batch import Batch
from webapp.log.dayfiles import DayFiles, DayUnreadable, files_of
from webapp.log.days import day_of, known
from webapp.log.dayschema import BODIES, ROWS, Kind
from webapp.log.entries import Bodies
from webapp.log.export import lines
from webapp.log.filters import LogFilter
from webapp.log.outbox import catch_up
from webapp.log.retention import Kept
from webapp.log.rollups_repair import repair
from webapp.log.searchtext import matching, words_of
from webapp.log.tables import call_bodies, call_logs
from webapp.log.words import words
from webapp.log.writer import stamped, write

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 3, tzinfo=UTC)
A_DAY = timedelta(days=1)
NUMBERS = count(1)


@pytest.fixture(autouse=True)
def only_sqlite(request):
    if request.config.getoption("--database") != "sqlite":
        pytest.skip("PostgreSQL keeps days as parts of tables")


@pytest.fixture
def files(runtime):
    return files_of(runtime.engine)


def attempt(at=NOON, **values):
    number = id_at(at) + next(NUMBERS)
    return stamped(
        {
            "log_id": number, "call_id": number, "request_timestamp": at, "response_timestamp": at, "kind": "attempt",
            "outcome": "succeeded", "is_success": True, "service_id": "s-1", "duration_ms": 10, "attempt_no": 1, **values,
        }
    )  # fmt: skip


def call_of(row):
    return {
        "call_id": row["call_id"], "created_at": row["request_timestamp"], "finished_at": row["request_timestamp"],
        "operation": "email.send", "outcome": "succeeded", "attempts": 1, "duration_ms": 12,
    }  # fmt: skip


def batch_of(*rows):
    return Batch(
        calls={row["call_id"]: call_of(row) for row in rows},
        rows={row["log_id"]: row for row in rows},
        bodies={row["log_id"]: Bodies(request_payload=f"body of {row['log_id']}") for row in rows},
    )


def assert_right(runtime, count):
    """Rows, bodies, words, counts and sums say the same, and nothing is left to be told."""
    engine, files = runtime.engine, files_of(runtime.engine)
    rows = ask(engine, select(call_logs))
    assert len(rows) == len({row["log_id"] for row in rows}) == count
    assert len(ask(engine, select(call_bodies), BODIES)) == count
    with engine.connect() as connection:
        days = {day.day: (day.attempts, day.bodies) for day in known(connection)}
    expected = Counter(day_of(row["log_id"]) for row in rows)
    assert days == {day: (number, number) for day, number in expected.items()}
    indexed = Counter()
    for day in files.days():
        with files.reading(day) as file:
            file.exec_driver_sql(
                "CREATE VIRTUAL TABLE temp.told USING fts5vocab('main', 'call_words', 'row')"
            )
            indexed.update(dict(file.exec_driver_sql("SELECT term, doc FROM told").all()))
            file.exec_driver_sql("DROP TABLE temp.told")
    assert indexed == Counter(word for row in rows for word in words_of(row))
    assert repair(engine, MIDNIGHT + A_DAY, NOON - 9 * A_DAY) == 0


def test_a_day_has_a_file_of_its_own_for_its_owner_only(runtime, files):
    assert files.days() == []

    write(runtime.engine, batch_of(attempt(), attempt(MIDNIGHT)))

    assert [files.path(day).name for day in files.days()] == ["2026-01-03.sqlite3", "2026-01-02.sqlite3"]
    assert [files.path(day, BODIES).name for day in files.days(BODIES)] == [
        "2026-01-03.bodies.sqlite3", "2026-01-02.bodies.sqlite3",
    ]  # fmt: skip
    assert files.directory.name == "patchbay.sqlite3.days"
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.directory.iterdir()} == {0o600}


def test_a_batch_over_midnight_is_found_whole_and_in_order(runtime, files):
    rows = [attempt(MIDNIGHT + timedelta(seconds=number), code="LATE") for number in range(-3, 3)]
    write(runtime.engine, batch_of(*rows))

    newest_first = [row["log_id"] for row in reversed(rows)]
    assert [one.log_id for one in runtime.log.search(LogFilter()).items] == newest_first
    assert [one.log_id for one in runtime.log.find([matching(words("late"))], 9)] == newest_first
    around = LogFilter(from_=MIDNIGHT - timedelta(seconds=1), to=MIDNIGHT + timedelta(seconds=1))
    assert [one.log_id for one in runtime.log.search(around).items] == newest_first[2:4]
    first = runtime.log.search(LogFilter(), 4)
    rest = runtime.log.search(LogFilter(), 4, first.next_cursor)
    assert [one.log_id for one in (*first.items, *rest.items)] == newest_first
    assert runtime.log.count([]) == runtime.log.survey(LogFilter()).count == 6
    assert_right(runtime, 6)


def test_an_attempt_that_ends_after_midnight_is_completed_where_it_began(runtime, files):
    row = attempt(
        MIDNIGHT - timedelta(seconds=1), response_timestamp=None, outcome="pending", is_success=None
    )
    write(runtime.engine, batch_of(row))
    other = attempt(MIDNIGHT)
    ending = stamped({"response_timestamp": MIDNIGHT, "outcome": "failed", "code": "READ_TIMEOUT"})

    batch = batch_of(other)
    batch.row_changes[row["log_id"]] = ending
    batch.bodies[row["log_id"]] = Bodies(request_payload="x")
    write(runtime.engine, batch)

    assert runtime.log.get(row["log_id"]).outcome == "failed"
    assert runtime.log.call(row["call_id"]).attempts[0].code == "READ_TIMEOUT"
    assert_right(runtime, 2)


def test_what_completes_a_row_of_a_day_that_is_gone_makes_no_file(runtime, files):
    changed = write(runtime.engine, Batch(row_changes={id_at(NOON): {"outcome": "failed"}}))

    assert (files.days(), changed.attempts.ended) == ([], [])


def in_child(work, *given):
    process = multiprocessing.get_context("fork").Process(target=work, args=given)
    process.start()
    return process


def die_at(url, batch, number):
    """Write, and be killed when a transaction is about to end for the so-manieth time."""
    ends = count(1)

    def kill(_connection):
        if next(ends) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", kill)
    write(make_engine(url), batch)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_writer_killed_at_any_commit_loses_and_doubles_nothing(runtime, files, config, number):
    """Two days with rows and bodies each, and the database: five commits; at the sixth it is already over."""
    write(runtime.engine, batch_of(attempt(NOON), attempt(MIDNIGHT)))
    batch = batch_of(*(attempt(MIDNIGHT + timedelta(seconds=at), code=f"C{at}") for at in range(-4, 4)))

    child = in_child(die_at, config.database_url, batch, number)
    child.join(30)

    assert child.exitcode == (0 if number == 6 else -signal.SIGKILL)
    write(runtime.engine, batch)  # whoever adopts the journal does this
    write(runtime.engine, batch)
    assert_right(runtime, 10)


@pytest.mark.parametrize("heal", [catch_up, lambda engine: repair(engine, MIDNIGHT + A_DAY, NOON - A_DAY)])
def test_what_the_files_have_and_the_database_not_is_taken_over_once(runtime, config, heal):
    """As above, but nobody repeats the batch: it did not come from a journal."""
    rows = [attempt(MIDNIGHT + timedelta(seconds=at)) for at in range(-4, 4)]
    batch = Batch(rows={row["log_id"]: row for row in rows}, bodies=batch_of(*rows).bodies)
    child = in_child(die_at, config.database_url, batch, 5)
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    assert runtime.log.search(LogFilter()).items == ()

    heal(runtime.engine)
    heal(runtime.engine)

    assert len(runtime.log.search(LogFilter()).items) == 8
    assert_right(runtime, 8)
    write(runtime.engine, batch_of(attempt(MIDNIGHT)))
    assert_right(runtime, 9)


def write_many(url, start, ready):
    engine = make_engine(url)
    ready.wait(30)
    for number in range(start, start + 5):
        write(
            engine,
            batch_of(attempt(MIDNIGHT, log_id=id_at(MIDNIGHT) + number, call_id=id_at(MIDNIGHT) + number)),
        )


def test_processes_that_make_the_same_day_at_once_make_it_once(runtime, config):
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(3)
    children = [in_child(write_many, config.database_url, 1_000 * number, ready) for number in range(1, 4)]
    for child in children:
        child.join(60)

    assert [child.exitcode for child in children] == [0, 0, 0]
    assert_right(runtime, 15)


def read_and_write(runtime, expected):
    assert len(runtime.log.search(LogFilter()).items) == expected
    write(runtime.engine, batch_of(attempt(MIDNIGHT)))


def test_a_forked_child_reads_and_writes_on(runtime):
    write(runtime.engine, batch_of(attempt(), attempt(MIDNIGHT)))
    assert len(runtime.log.search(LogFilter()).items) == 2

    child = in_child(read_and_write, runtime, 2)
    child.join(30)

    assert child.exitcode == 0
    write(runtime.engine, batch_of(attempt()))
    assert_right(runtime, 4)


def write_in_turns(url, turn, done):
    engine = make_engine(url)
    for number in range(1, 5):
        assert turn.acquire(timeout=30)
        log_id = id_at(MIDNIGHT) + 500 + number
        write(engine, batch_of(attempt(MIDNIGHT, log_id=log_id, call_id=log_id)))
        done.release()


def test_what_a_forked_child_writes_outlives_the_connections_of_its_parent(runtime, files, config):
    """A file whose last reader leaves is tidied up: SQLite must not take the child's locks for the parent's."""
    write(runtime.engine, batch_of(attempt(MIDNIGHT)))
    assert len(runtime.log.search(LogFilter()).items) == 1
    context = multiprocessing.get_context("fork")
    turn, done = context.Semaphore(0), context.Semaphore(0)
    child = in_child(write_in_turns, config.database_url, turn, done)

    for number in range(1, 5):
        turn.release()
        assert done.acquire(timeout=30)
        assert len(runtime.log.search(LogFilter()).items) == 1 + number
        files.close()
        runtime.engine.dispose()
    child.join(30)

    assert child.exitcode == 0
    assert_right(runtime, 5)


def test_threads_read_while_days_come_and_go(runtime, clock):
    clock.at = MIDNIGHT
    write(runtime.engine, batch_of(*(attempt(MIDNIGHT - number * A_DAY) for number in range(12))))
    faults, done = [], threading.Event()

    def read():
        while not done.is_set():
            try:
                assert len(runtime.log.find([], 99)) <= 12
                runtime.log.survey(LogFilter())
            except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
                faults.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for days in range(11, 0, -1):
        runtime.log.prune(Kept(days * A_DAY, days * A_DAY))
    done.set()
    for reader in readers:
        reader.join()

    assert faults == []
    assert len(runtime.log.find([], 99)) == 2


def test_a_reader_keeps_what_it_has_of_a_day_that_goes(runtime, files):
    write(runtime.engine, batch_of(attempt(), attempt()))
    (day,) = files.days()

    with files.reading(day) as file:
        rows = iter(file.execute(select(call_logs)))
        next(rows)
        with files.locked([day]):
            assert files.drop(day) > 0
        assert len([*rows]) == 1

    assert (files.days(), files.days(BODIES)) == ([], [day])
    assert files.size(day) == 0


def test_a_day_that_was_taken_away_elsewhere_is_made_again(runtime, files, config):
    """The connections that this process kept lead to a file that is gone; nothing may be written into that."""
    write(runtime.engine, batch_of(attempt()))
    (day,) = files.days()
    other = DayFiles(files.directory)
    with other.locked([day]):
        other.drop(day)
        other.drop(day, BODIES)
    with runtime.engine.begin() as connection:
        connection.execute(text("DELETE FROM log_days"))

    row = attempt()
    write(runtime.engine, batch_of(row))

    assert [one.log_id for one in runtime.log.search(LogFilter()).items] == [row["log_id"]]


@contextmanager
def spoilt(path, how):
    """A file with something wrong."""
    kept = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {"empty": b"", "foreign": b"no database" * 1_000}.get(how, kept[:4_096] + b"\xa5" * 90_000)
        )
    yield
    path.write_bytes(kept)


@pytest.mark.parametrize("how", ["missing", "empty", "foreign", "damaged"])
def test_a_day_that_cannot_be_read_is_named_and_the_others_are_read(runtime, files, how, caplog):
    old, bad, new = (attempt(MIDNIGHT + number * A_DAY) for number in (-1, 0, 1))
    write(runtime.engine, batch_of(old, bad, new))
    files.close()  # so that everything is in the file itself
    day = day_of(bad["log_id"])

    with spoilt(files.path(day), how):
        page = runtime.log.search(LogFilter())
        assert [one.log_id for one in page.items] == [new["log_id"], old["log_id"]]
        assert [at.isoformat() for at in page.unreadable] == ["2026-01-03"]
        assert "The log of 2026-01-03 cannot be read" in caplog.text
        assert runtime.log.get(bad["log_id"]) is None
        assert runtime.log.call(bad["call_id"]).attempts == ()
        assert runtime.log.survey(LogFilter()).count == 2
        assert [one.is_readable for one in runtime.log.sizes()] == [True, False, True]
        for kind in ("csv", "ndjson"):
            assert "2026-01-03" in [*lines(kind, runtime.log.search, LogFilter())][-1]
        repair(runtime.engine, MIDNIGHT + 2 * A_DAY, NOON - 2 * A_DAY)
    files.close()

    assert len(runtime.log.search(LogFilter()).items) == 3
    assert repair(runtime.engine, MIDNIGHT + 2 * A_DAY, NOON - 2 * A_DAY) == 0


def test_bodies_that_cannot_be_read_are_said_to_be(runtime, files):
    row = attempt()
    write(runtime.engine, batch_of(row))
    files.close()

    with spoilt(files.path(day_of(row["log_id"]), BODIES), "foreign"):
        assert runtime.log.bodies(row["log_id"]) == Bodies(unreadable=True)
        assert runtime.log.get(row["log_id"])


def test_nothing_is_written_into_a_file_that_is_none_of_ours(runtime, files):
    write(runtime.engine, batch_of(attempt()))
    files.close()
    (day,) = files.days()

    with spoilt(files.path(day), "foreign"), pytest.raises(SQLAlchemyError):
        write(runtime.engine, batch_of(attempt()))
    files.close()

    assert_right(runtime, 1)


def test_a_file_of_an_earlier_release_is_brought_up_to_date_once(runtime, files):
    write(runtime.engine, batch_of(attempt()))
    (day,) = files.days()
    files.close()
    later = Kind(
        ROWS.ending,
        ROWS.tables,
        ROWS.more,
        (("ALTER TABLE call_logs ADD COLUMN colour TEXT DEFAULT 'red'",),),
    )
    newer = DayFiles(files.directory)

    for _ in range(2):
        with newer.reading(day, later) as file:
            assert file.exec_driver_sql("SELECT colour FROM call_logs").scalar() == "red"
        newer.close()

    with pytest.raises(DayUnreadable, match="is of version 2, not 1"), files.reading(day):
        pass


def test_leftovers_of_a_day_that_was_never_finished_are_no_part_of_it(runtime, files):
    files.directory.mkdir()
    path = files.path(day_of(id_at(NOON)))
    for leftover in (f"{path}-wal", f"{path}-shm", f"{path}.new", f"{path}.new-wal"):
        Path(leftover).write_bytes(b"half of something")

    write(runtime.engine, batch_of(attempt()))

    assert_right(runtime, 1)


def test_files_are_kept_open_up_to_a_number(runtime, files, monkeypatch):
    monkeypatch.setattr(dayfiles, "READ", 5)
    monkeypatch.setattr(dayfiles, "WRITTEN", 2)
    write(runtime.engine, batch_of(*(attempt(MIDNIGHT - number * A_DAY) for number in range(30))))

    for _ in range(3):
        assert len(runtime.log.find([], 99)) == 30

    opened = {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}
    assert 0 < sum(path.endswith(".sqlite3") and ".days/" in path for path in opened) <= 9


def test_what_goes_gives_its_room_back_at_once(runtime, files, clock):
    rows = [attempt(MIDNIGHT - number * A_DAY) for number in range(4)]
    write(runtime.engine, batch_of(*rows))
    clock.at = MIDNIGHT
    before = sum(day.size for day in runtime.log.sizes())
    would = runtime.log.freed(Kept(A_DAY, 2 * A_DAY))

    gone = runtime.log.prune(Kept(A_DAY, 2 * A_DAY))

    assert (gone.attempts, gone.bodies, gone.size) == (1, 2, would.size)
    assert before - sum(day.size for day in runtime.log.sizes()) == gone.size > 0
    assert len(files.days()) == 3
    assert len(files.days(BODIES)) == 2
    assert_sums_stay(runtime, 4)


def assert_sums_stay(runtime, total):
    from webapp.log import rollups_read

    with runtime.engine.connect() as connection:
        assert rollups_read.ever(connection, "service")["s-1"].total == total


def test_a_run_that_was_killed_before_a_file_went_is_ended_by_the_next(runtime, files, clock):
    write(runtime.engine, batch_of(attempt(MIDNIGHT - 9 * A_DAY), attempt(MIDNIGHT)))
    clock.at = MIDNIGHT
    with runtime.engine.begin() as connection:
        connection.execute(
            text("UPDATE log_days SET attempts = 0, bodies = 0 WHERE day < :today"),
            {"today": day_of(id_at(MIDNIGHT))},
        )
    assert len(runtime.log.find([], 9)) == 1

    runtime.log.prune(Kept(A_DAY, A_DAY))

    assert len(files.days()) == len(files.days(BODIES)) == 1
    assert_sums_stay(runtime, 2)


def test_a_day_that_went_before_it_was_counted_is_counted_first(runtime, files, config, clock):
    row = attempt(MIDNIGHT - 9 * A_DAY)
    child = in_child(die_at, config.database_url, Batch(rows={row["log_id"]: row}), 2)
    child.join(30)
    clock.at = MIDNIGHT

    assert runtime.log.prune(Kept(A_DAY, A_DAY)).attempts == 1

    assert files.days() == []
    assert_sums_stay(runtime, 1)


@pytest.mark.parametrize("told", [True, False])
def test_a_day_that_came_from_a_backup_is_made_known_again(runtime, files, told):
    """The database is of an earlier time than the files; the last message of a file may be heard again."""
    write(runtime.engine, batch_of(attempt()))
    write(runtime.engine, batch_of(attempt(), attempt(MIDNIGHT)))
    with runtime.engine.begin() as connection:
        for table in (
            "log_days",
            "rollup_minutes",
            "rollup_hours",
            "rollup_days",
            "rollup_totals",
            "rollup_fresh",
        ):
            connection.execute(text(f"DELETE FROM {table}"))
    assert runtime.log.find([], 9) == []
    if told:
        catch_up(runtime.engine)

    repair(runtime.engine, MIDNIGHT + A_DAY, NOON - A_DAY)

    assert len(runtime.log.search(LogFilter(from_=NOON - A_DAY)).items) == 3
    assert_right(runtime, 3)
    assert_sums_stay(runtime, 3)


def test_a_row_that_comes_back_late_to_a_day_that_went_counts_once(runtime, files, clock):
    row = attempt(MIDNIGHT - 9 * A_DAY)
    write(runtime.engine, batch_of(row))
    clock.at = MIDNIGHT
    runtime.log.prune(Kept(A_DAY, A_DAY))

    for _ in range(2):
        write(runtime.engine, batch_of(row))
        runtime.log.prune(Kept(99 * A_DAY, 99 * A_DAY))
        catch_up(runtime.engine)

    assert [(day.attempts, day.bodies) for day in runtime.log.sizes()] == [(1, 1)]
    assert_sums_stay(runtime, 2)  # once before it went, and once after


def test_days_without_a_date_have_files_too(runtime, files):
    far = 2**63 - 5
    row = attempt(log_id=far, call_id=far)
    write(runtime.engine, batch_of(row))

    assert [day_of(far)] == files.days()
    assert runtime.log.get(far).log_id == far


def test_nobody_writes_by_reading(runtime, files):
    write(runtime.engine, batch_of(attempt()))
    (day,) = files.days()

    with files.reading(day) as file, pytest.raises(SQLAlchemyError, match="readonly"):
        file.exec_driver_sql("DELETE FROM call_logs")


def test_a_copy_of_the_files_is_a_backup(runtime, files, tmp_path):
    """A file of a past day, copied alone, has everything once nobody holds it open."""
    write(runtime.engine, batch_of(attempt(), attempt()))
    files.close()
    (day,) = files.days()
    copy = tmp_path / "copy.sqlite3"
    copy.write_bytes(files.path(day).read_bytes())

    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM call_logs").fetchone() == (2,)


def test_shares_of_a_batch_are_those_of_its_days(files):
    rows = [attempt(MIDNIGHT + number * A_DAY) for number in (1, -1, 0)]

    shares = daywriter.shares_of(files, batch_of(*rows))

    assert [*shares] == sorted(day_of(row["log_id"]) for row in rows)
