"""Making the roll-ups right again from the rows, and forgetting those that are past their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, Table, delete, func, select

from webapp.ids import id_at
from webapp.log import founddays
from webapp.log.dayfiles import DayFiles, files_of
from webapp.log.outbox import catch_up_within
from webapp.log.reading import Reading
from webapp.log.rollups import add, settle, tally_of
from webapp.log.rollups_read import KEPT_S
from webapp.log.rollups_tables import SPREADS, SUMS, days, hours, minutes
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S, Place, Row, Tallies, Tally, count
from webapp.log.tables import call_logs, calls

_SLACK = timedelta(minutes=10)
# Finer rows outlast their time by one coarser step, so that no step is ever made of half its parts.
_LENGTHS = ((minutes, MINUTE_S, HOUR_S), (hours, HOUR_S, DAY_S), (days, DAY_S, DAY_S))
_SHARED = ("outcome", "candidate_no", "code", "cost", "duration_ms")
_What = tuple[Table, tuple[str, ...], str]  # a table, columns, and the one that says when
_ATTEMPTS: _What = (
    call_logs,
    (*_SHARED, "kind", "service_id", "request_timestamp", "attempt_no"),
    "request_timestamp",
)
_CALLS: _What = calls, (*_SHARED, "created_at", "operation", "contract", "route", "attempts"), "created_at"


def repair(engine: Engine, now: datetime, start: datetime, end: datetime | None = None) -> int:
    """Compare the hours of a stretch of time with their rows and add what differs; returns how many sums did.

    Hours of which rows may be gone already stay as they are: then the roll-ups know more than the rows.
    """
    founddays.recount(engine)
    last_s = int(min(end or now, now).timestamp())
    with engine.connect() as connection:
        first_s = max(_begin_of(connection), int(start.timestamp()))
    first_s -= first_s % HOUR_S
    return sum(_repair_hour(engine, now, start_s) for start_s in range(first_s, last_s + 1, HOUR_S))


def _begin_of(connection: Connection) -> int:
    """The first hour whose rows are all there: the oldest day may have been cut off somewhere."""
    oldest = connection.scalar(select(func.min(calls.c.created_at)))
    known = connection.scalar(select(func.min(days.c.start_s)))
    if oldest is None:
        return 2**40
    second = int(oldest.timestamp())
    whole = known is None or known >= second - second % DAY_S
    return second if whole else second + HOUR_S


def _repair_hour(engine: Engine, now: datetime, start_s: int) -> int:
    """One hour in one transaction; by minutes while they are kept, else as a whole."""
    with engine.begin() as connection:
        _shut_out(connection, files_of(engine))
        log = Reading(connection, files_of(engine))
        now_s = int(now.timestamp())
        grain_s = MINUTE_S if start_s >= now_s - KEPT_S[MINUTE_S] else HOUR_S
        difference = _counted(log, start_s, grain_s)
        if log.unreadable:
            return 0
        for place, tally in _stored(connection, minutes if grain_s == MINUTE_S else hours, start_s).items():
            difference.setdefault(place, Tally()).add(tally, -1)
        wrong = {place: tally for place, tally in difference.items() if tally}
        add(connection, wrong, grain_s=grain_s)
        return len(wrong)


def _shut_out(connection: Connection, files: DayFiles | None) -> None:
    """Let nobody add anything between counting the rows and writing the difference; nothing waits any more."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE rollup_fresh IN EXCLUSIVE MODE")
    if files is not None:
        catch_up_within(connection, files)
    settle(connection)  # on SQLite its first word takes the one write lock there is


def _counted(log: Reading, start_s: int, grain_s: int) -> Tallies:
    start = datetime.fromtimestamp(start_s, UTC)
    drift = timedelta(milliseconds=max((day.drift_ms for day in log.days), default=0)) + _SLACK
    low, high = id_at(start - drift), id_at(start + timedelta(hours=1) + drift)

    def ask(connection: Connection, _low: int, _high: int) -> Tallies:
        return count(_rows(connection, _ATTEMPTS, start, (low, high)), grain_s=grain_s)

    tallies = count((), _rows(log.main, _CALLS, start, (low, high)), grain_s=grain_s)
    for counted in log.each(ask, low, high):
        for place, tally in counted.items():
            tallies.setdefault(place, Tally()).add(tally)
    return tallies


def _rows(connection: Connection, what: _What, start: datetime, ids: tuple[int, int]) -> Iterator[Row]:
    """The rows of an hour. They are found by their ids, which tell the time but for the drift of a clock."""
    table, names, time = what
    (key,) = table.primary_key
    query = (
        select(*(table.c[name] for name in names))
        .where(key >= ids[0], key < ids[1])
        .where(table.c[time] >= start, table.c[time] < start + timedelta(hours=1))
    )
    yield from connection.execute(query.execution_options(yield_per=5_000)).mappings()


def _stored(connection: Connection, table: Table, start_s: int) -> Tallies:
    names = ("scope", "key", "start_s", *SUMS, *SPREADS)
    query = select(*(table.c[name] for name in names)).where(
        table.c.start_s >= start_s, table.c.start_s < start_s + HOUR_S
    )
    return {Place(*row[:3]): tally_of(row[3:]) for row in connection.execute(query)}


def prune(engine: Engine, now: datetime) -> int:
    """Delete the roll-ups that are past their time; returns how many."""
    with engine.begin() as connection:
        settle(connection)
        return sum(
            connection.execute(
                delete(table).where(table.c.start_s < int(now.timestamp()) - KEPT_S[length_s] - more_s)
            ).rowcount
            for table, length_s, more_s in _LENGTHS
        )
