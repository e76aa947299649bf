"""Reading the roll-ups: sums, series and rankings over any stretch of time, each from as few rows as possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table

from webapp.log.rollups import GRAINS
from webapp.log.rollups_sum import tally_of_rows
from webapp.log.rollups_tables import SPREADS, SUMS, fresh, totals
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S, Tally

# How long each grain is kept. Minutes outlast two days a little, so that a day can be compared with the one before.
KEPT_S = {MINUTE_S: 50 * HOUR_S, HOUR_S: 90 * DAY_S, DAY_S: 400 * DAY_S}
_TABLES = {length_s: table for table, length_s in GRAINS}


class Part(NamedTuple):
    """A stretch of time that one grain covers."""

    grain_s: int
    start_s: int
    end_s: int


def cover(start_s: int, end_s: int, now_s: int) -> list[Part]:
    """Whole days, then hours, then minutes at the edges; the running minute, hour or day is taken whole.

    What lies so far back that the finer grains are gone begins with its hour or day.
    """
    start_s = _kept(start_s, now_s)
    end_s = _kept(end_s, now_s) if end_s < now_s else now_s - now_s % DAY_S + DAY_S
    return [part for part in _split(start_s, end_s, DAY_S, HOUR_S, MINUTE_S) if part.start_s < part.end_s]


def _kept(moment_s: int, now_s: int) -> int:
    grain_s = next((grain_s for grain_s, kept_s in KEPT_S.items() if moment_s >= now_s - kept_s), DAY_S)
    return moment_s - moment_s % grain_s


def _split(start_s: int, end_s: int, grain_s: int, *finer: int) -> Iterator[Part]:
    first, last = -(-start_s // grain_s) * grain_s, end_s - end_s % grain_s
    if not finer:
        yield Part(grain_s, start_s, end_s)
    elif first >= last:
        yield from _split(start_s, end_s, *finer)
    else:
        yield from _split(start_s, first, *finer)
        yield Part(grain_s, first, last)
        yield from _split(last, end_s, *finer)


def total(connection: Connection, scope: str, key: str, parts: Sequence[Part]) -> Tally:
    """Everything in these parts as one sum."""
    sums = totals_of(connection, scope, [key], parts)
    return sums.get(key) or Tally()


def totals_of(
    connection: Connection, scope: str, keys: Sequence[str], parts: Sequence[Part]
) -> dict[str, Tally]:
    """One sum for each of these keys that occurs."""
    found: dict[str, list[Sequence[Any]]] = {}
    if parts and keys:
        for key, _, *values in _rows(connection, scope, keys, parts):
            found.setdefault(key, []).append(values)
    return {key: tally_of_rows(rows) for key, rows in found.items()}


def series(
    connection: Connection, scope: str, key: str, *, start_s: int, step_s: int, count: int
) -> list[Tally]:
    """A sum for each of `count` steps from `start_s` on, empty ones too."""
    grain_s = max(grain for grain in KEPT_S if step_s % grain == 0 and start_s % grain == 0)
    part = Part(grain_s, start_s, start_s + step_s * count)
    found: dict[int, list[Sequence[Any]]] = {}
    for _, at, *values in _rows(connection, scope, [key], [part]):
        found.setdefault((at - start_s) // step_s, []).append(values)
    return [tally_of_rows(found[place]) if place in found else Tally() for place in range(count)]


def ranking(
    connection: Connection, scope: str, parts: Sequence[Part], limit: int | None = None
) -> list[tuple[str, Tally]]:
    """Every key of a scope that occurs, the busiest first, with counts but without codes and latencies."""
    if not parts:
        return []
    grains = tuple(part.grain_s for part in parts)
    values: list[Any] = []
    for part in parts:
        values += [scope, scope, part.start_s, part.end_s]
    last = waiting(parts)
    values += [scope, last.start_s, last.end_s, limit or -1]
    query = _ranking_sql(connection.dialect.name, grains)
    found = connection.exec_driver_sql(query, tuple(values))
    return [(key, Tally().set_sums(sums)) for key, *sums in found]


@lru_cache(64)
def _ranking_sql(dialect: str, grains: Sequence[int]) -> str:
    hole = "?" if dialect == "sqlite" else "%s"
    among = f"key IN (SELECT key FROM {totals.name} WHERE scope = {hole}) AND "  # noqa: S608 - our own names
    rows = " UNION ALL ".join(
        f"SELECT key, {', '.join(SUMS)} FROM {table}"  # noqa: S608 - our own names
        f" WHERE scope = {hole} AND {'' if table == fresh.name else among}start_s >= {hole} AND start_s < {hole}"
        for table in (*(_TABLES[grain_s].name for grain_s in grains), fresh.name)
    )
    most = hole if dialect == "sqlite" else f"NULLIF({hole}::bigint, -1)"
    return (
        f"SELECT key, {', '.join(f'sum({name})' for name in SUMS)} FROM ({rows}) AS rows_"  # noqa: S608 - our own names
        f" GROUP BY key HAVING sum(total) > 0 ORDER BY sum(total) DESC, key LIMIT {most}"
    )


def ever(connection: Connection, scope: str) -> dict[str, Tally]:
    """The sums since the beginning, by key; they only ever grow, but for repairs."""
    found: dict[str, list[Sequence[Any]]] = {}
    for key, *values in connection.exec_driver_sql(_ever_sql(connection.dialect.name), (scope, scope)):
        found.setdefault(key, []).append(values)
    return {key: tally_of_rows(rows) for key, rows in found.items()}


@lru_cache(2)
def _ever_sql(dialect: str) -> str:
    hole = "?" if dialect == "sqlite" else "%s"
    names = ", ".join(("key", *SUMS, *_as_text(dialect)))
    return " UNION ALL ".join(
        f"SELECT {names} FROM {table.name} WHERE scope = {hole}"  # noqa: S608 - our own names
        for table in (totals, fresh)
    )


def _as_text(dialect: str) -> tuple[str, ...]:
    """The spreads as text on either database: many of them are read at once."""
    return SPREADS if dialect == "sqlite" else tuple(f"{name}::text" for name in SPREADS)


def _rows(
    connection: Connection, scope: str, keys: Sequence[str], parts: Sequence[Part]
) -> Iterable[Sequence[Any]]:
    """One statement, as below; its text is made once, because making it takes longer than the answer."""
    grains = tuple(part.grain_s for part in parts)
    values: list[Any] = []
    for part in (*parts, waiting(parts)):
        values += [scope, *keys, part.start_s, part.end_s]
    return connection.exec_driver_sql(
        _rows_sql(connection.dialect.name, grains, len(keys)), tuple(values)
    ).all()


@lru_cache(256)
def _rows_sql(dialect: str, grains: Sequence[int], keys: int) -> str:
    hole = "?" if dialect == "sqlite" else "%s"
    names, holes = ", ".join(("key", "start_s", *SUMS, *_as_text(dialect))), ", ".join([hole] * keys)
    return " UNION ALL ".join(
        f"SELECT {names} FROM {table} WHERE scope = {hole} AND key IN ({holes})"  # noqa: S608 - our own names
        f" AND start_s >= {hole} AND start_s < {hole}"
        for table in (*(_TABLES[grain_s].name for grain_s in grains), fresh.name)
    )


def table_of(grain_s: int) -> Table:
    """The table whose sums are of this length."""
    return _TABLES[grain_s]


def waiting(parts: Sequence[Part]) -> Part:
    """What is counted and not added up yet, for all of this time."""
    return Part(MINUTE_S, min(part.start_s for part in parts), max(part.end_s for part in parts))
