"""The newest attempts that fulfil conditions, found without walking through all of them.

Words are looked up window by window: among the newest few thousand attempts first, then further and further back. So
a word that is everywhere is found at once, and one that is nowhere costs a few looks into the index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select
from sqlalchemy.sql import visitors

from webapp.log.days import DAY
from webapp.log.searchtext import HIGH, LOW, Hits
from webapp.log.tables import call_logs

FIRST = 5_000  # attempts of the first window
_WIDER = 3


@dataclass(frozen=True, slots=True)
class Where:
    """What must hold, and the ids to look at: from `low` to before `high`."""

    conditions: Sequence[ColumnElement[bool]]
    low: int
    high: int


def newest(
    connection: Connection, columns: Sequence[Column[Any]], where: Where, limit: int
) -> list[Mapping[Any, Any]]:
    """At most `limit` rows, the newest first."""
    rows: list[Mapping[Any, Any]] = []
    for start, end in windows(connection, where):
        query = select(*columns).where(*where.conditions, *_between(start, end))
        query = query.order_by(call_logs.c.log_id.desc()).limit(limit - len(rows))
        rows += connection.execute(query, {LOW: start, HIGH: end - 1}).mappings().all()
        if len(rows) >= limit:
            break
    return rows


def count_newest(connection: Connection, where: Where, most: int) -> int:
    """How many there are, up to `most` + 1."""
    count = 0
    for start, end in windows(connection, where):
        query = select(call_logs.c.log_id).where(*where.conditions, *_between(start, end))
        capped = select(func.count()).select_from(query.limit(most + 1 - count).subquery())
        count += connection.execute(capped, {LOW: start, HIGH: end - 1}).scalar_one()
        if count > most:
            break
    return count


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
    oldest = connection.scalar(ids.order_by(call_logs.c.log_id).limit(1))
    if start is None or oldest is None:
        yield everything
        return
    yield start, where.high
    width = DAY
    while start > oldest:
        end, start = start, max(oldest, start - width)
        yield start, end
        width *= _WIDER
