"""The roll-ups, kept by whoever writes the log: the sums of each minute, hour and day come with the rows themselves.

What a batch adds up to is written beside its rows, in the same transaction, and added to the sums soon after. Adding
is all that ever happens to them, so any number of processes may do it at once; what turns out to be wrong is repaired
by adding the difference.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table

from webapp.log.rollups_tables import SPREADS, SUMS, days, fresh, hours, minutes, totals
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S, Place, Row, Tallies, Tally, coarser, count

if TYPE_CHECKING:
    from webapp.log.written import Written

# Each with the length of its grain; 0 is since the beginning.
GRAINS: tuple[tuple[Table, int], ...] = ((minutes, MINUTE_S), (hours, HOUR_S), (days, DAY_S), (totals, 0))
SETTLE_EVERY_S = 2.0
_NAMES = ("scope", "key", "start_s", *SUMS, *SPREADS)
_LOCK = int.from_bytes(b"pbrollup")
_settled = 0.0


def fold(connection: Connection, written: Written, more: Sequence[Sequence[object]] = ()) -> None:
    """Count what was newly ended, in the transaction that wrote it; every other second, add it to the sums.

    `more` are rows that were made of what was counted elsewhere.
    """
    global _settled  # noqa: PLW0603 - a time of this process, and it does not matter whose turn it is
    attempts, calls = written.attempts, written.calls
    tallies = count(attempts.ended, calls.ended)
    if attempts.corrected or calls.corrected:
        correct(tallies, attempts.corrected, calls.corrected)
    insert(connection, [*more, *rows_of(tallies)])
    if time.monotonic() - _settled > SETTLE_EVERY_S:
        settle(connection)
        _settled = time.monotonic()


def correct(tallies: Tallies, attempts: Iterable[tuple[Row, Row]], calls: Iterable[tuple[Row, Row]]) -> None:
    """Take away what had been counted of rows that say something else now, and count them anew."""
    for side, sign in ((0, -1), (1, 1)):
        told = count([pair[side] for pair in attempts], [pair[side] for pair in calls])
        for place, tally in told.items():
            tallies.setdefault(place, Tally()).add(tally, sign)


def settle(connection: Connection) -> int:
    """Add what was counted to the sums of every grain; returns how many rows that were.

    One process at a time; another one that tries meanwhile leaves it to the first.
    """
    if connection.dialect.name == "postgresql":
        answer = connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))
        if not answer.scalar_one():
            return 0
    taken = connection.exec_driver_sql(
        f"DELETE FROM {fresh.name} RETURNING {', '.join(_NAMES)}"  # noqa: S608 - our own names
    ).all()
    tallies: Tallies = {}
    for scope, key, start_s, *values in taken:
        tallies.setdefault(Place(scope, key, start_s), Tally()).add(tally_of(values))
    add(connection, tallies)
    return len(taken)


def add(connection: Connection, tallies: Tallies, *, grain_s: int = MINUTE_S) -> None:
    """Add tallies of this grain to its sums and to those of every coarser one."""
    for table, length_s in GRAINS:
        if tallies and (not length_s or length_s >= grain_s):
            _upsert(connection, table, tallies if length_s == grain_s else coarser(tallies, length_s))


def tally_of(values: Iterable[Any]) -> Tally:
    """What the columns of sums and spreads say, in their order."""
    *sums, codes, latencies = values
    tally = Tally(codes=_spread(codes), latencies={int(key): n for key, n in _spread(latencies).items()})
    return tally.set_sums(sums)


def _spread(value: str | Mapping[str, int]) -> dict[str, int]:
    """SQLite hands text back, PostgreSQL an object."""
    return dict(json.loads(value) if isinstance(value, str) else value)


def rows_of(tallies: Tallies) -> list[tuple[object, ...]]:
    """Tallies of minutes as the rows that wait to be added up."""
    return [(*place, *_values(tally)) for place, tally in tallies.items()]


def insert(connection: Connection, rows: Sequence[Sequence[object]]) -> None:
    """Let such rows wait to be added up."""
    values = [tuple(row) for row in rows]
    if values:
        connection.exec_driver_sql(_insert_sql(fresh.name, connection.dialect.name), values)


def _upsert(connection: Connection, table: Table, tallies: Tallies) -> None:
    """Let rows grow, always in the same order, so that no two processes wait for each other."""
    rows = [(*place, *_values(tallies[place])) for place in sorted(tallies) if tallies[place]]
    if rows:
        connection.exec_driver_sql(_upsert_sql(table.name, connection.dialect.name), rows)


def _values(tally: Tally) -> tuple[object, ...]:
    return (*(getattr(tally, name) for name in SUMS), *(_packed(getattr(tally, name)) for name in SPREADS))


def _packed(spread: Mapping[Any, int]) -> str:
    return json.dumps(spread, separators=(",", ":")) if spread else "{}"


@cache
def _insert_sql(table: str, dialect: str) -> str:
    hole, spread = ("?", "?") if dialect == "sqlite" else ("%s", "%s::jsonb")
    holes = ", ".join([hole] * (len(_NAMES) - len(SPREADS)) + [spread] * len(SPREADS))
    return f"INSERT INTO {table} ({', '.join(_NAMES)}) VALUES ({holes})"  # noqa: S608 - our own names


@cache
def _upsert_sql(table: str, dialect: str) -> str:
    merge = _MERGE_SQLITE if dialect == "sqlite" else _MERGE_POSTGRESQL
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    spreads = ", ".join(f"{name} = {merge.format(table=table, name=name)}" for name in SPREADS)
    return f"{_insert_sql(table, dialect)} ON CONFLICT (scope, key, start_s) DO UPDATE SET {sums}, {spreads}"


_MERGE_SQLITE = """CASE WHEN excluded.{name} = '{{}}' THEN {table}.{name} ELSE (
    SELECT coalesce(json_group_object(k, n), '{{}}') FROM (
        SELECT k, sum(v) AS n FROM (
            SELECT key AS k, value AS v FROM json_each({table}.{name})
            UNION ALL SELECT key, value FROM json_each(excluded.{name})
        ) GROUP BY k HAVING sum(v) <> 0
    )) END"""
_MERGE_POSTGRESQL = """CASE WHEN excluded.{name} = '{{}}'::jsonb THEN {table}.{name} ELSE (
    SELECT coalesce(jsonb_object_agg(k, n), '{{}}'::jsonb) FROM (
        SELECT k, sum(v::bigint)::bigint AS n FROM (
            SELECT * FROM jsonb_each_text({table}.{name})
            UNION ALL SELECT * FROM jsonb_each_text(excluded.{name})
        ) AS both_(k, v) GROUP BY k HAVING sum(v::bigint) <> 0
    ) AS summed) END"""
