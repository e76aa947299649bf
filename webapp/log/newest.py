"""The newest attempts that fulfil conditions, found without walking through all of them.

Words are looked up window by window: among the newest few thousand attempts first, then further and further back. So
a word that is everywhere is found at once, and one that is nowhere costs a few looks into the index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select, text
from sqlalchemy.sql import visitors

from webapp.log.days import DAY, known
from webapp.log.hints import hints
from webapp.log.searchtext import HIGH, LOW, Hits, matching
from webapp.log.tables import call_logs

_UNDER_WAY: Any = text("call_logs.outcome = 'pending' AND call_logs.outcome <> 'succeeded'")
FIRST = 5_000  # attempts of the first window
_WIDER = 3  # whole days with three times as many come next, then with nine times as many


@dataclass(frozen=True, slots=True)
class Where:
    """What must hold, and the ids to look at: from `low` to before `high`."""

    conditions: Sequence[ColumnElement[bool]]
    low: int
    high: int


def newest(
    connection: Connection, columns: Sequence[Column[Any]], where: Where, limit: int
) -> list[Mapping[Any, Any]]:
    """At most `limit` rows, the newest first; `log_id` has to be among the columns."""
    rows: list[Mapping[Any, Any]] = []
    for part in parts(where):
        found: list[Mapping[Any, Any]] = []
        for start, end in windows(connection, part):
            query = select(*columns).where(*part.conditions, *_between(start, end))
            query = query.order_by(call_logs.c.log_id.desc()).limit(limit - len(found))
            found += connection.execute(query, {LOW: start, HIGH: end - 1}).mappings().all()
            if len(found) >= limit:
                break
        rows = sorted([*rows, *found], key=_id, reverse=True)[:limit] if rows else found
    return rows


def count_newest(connection: Connection, where: Where, most: int) -> int:
    """How many there are, up to `most` + 1."""
    count = 0
    for part, start, end in steps(connection, where):
        if count > most:
            break
        query = select(call_logs.c.log_id).where(*part.conditions, *_between(start, end))
        capped = select(func.count()).select_from(query.limit(most + 1 - count).subquery())
        count += connection.execute(capped, {LOW: start, HIGH: end - 1}).scalar_one()
    return count


def parts(where: Where) -> list[Where]:
    """The same search as one or two that the indexes help with.

    Attempts that are under way have no words yet; there are few, and they are looked for by themselves.
    """
    implied = hints(where.conditions)
    conditions = [*where.conditions, *implied.clauses]
    if not implied.words:
        return [Where(conditions, where.low, where.high)]
    return [
        Where([*conditions, matching(implied.words)], where.low, where.high),
        Where([*conditions, _UNDER_WAY], where.low, where.high),
    ]


def steps(connection: Connection, where: Where) -> Iterator[tuple[Where, int, int]]:
    """Everything to look at, one after the other: what must hold there, and from which id to before which."""
    for part in parts(where):
        for start, end in windows(connection, part):
            yield part, start, end


_id = itemgetter("log_id")


def _between(start: int, end: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return call_logs.c.log_id >= start, call_logs.c.log_id < end


def windows(connection: Connection, where: Where) -> Iterator[tuple[int, int]]:
    """Ranges of ids, newest first; a single one where no words are looked for."""
    everything = where.low, where.high
    if not any(isinstance(part, Hits) for one in where.conditions for part in visitors.iterate(one)):
        yield everything
        return
    ids = select(call_logs.c.log_id).where(*_between(*everything))
    start = connection.scalar(ids.order_by(call_logs.c.log_id.desc()).offset(FIRST).limit(1))
    if start is None:
        yield everything
        return
    yield start, where.high
    end, enough, attempts = start, FIRST * _WIDER, 0
    for day in known(connection):
        low = day.day * DAY
        if where.low < low < end:
            attempts += day.attempts
            if attempts >= enough:
                yield low, end
                end, enough, attempts = low, enough * _WIDER, 0
    yield where.low, end
