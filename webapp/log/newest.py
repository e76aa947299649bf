"""The newest attempts that fulfil conditions, found without walking through all of them.

Words are looked up window by window: among the newest few thousand attempts first, then further and further back. So
a word that is everywhere is found at once, and one that is nowhere costs a few looks into the index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, bindparam, func, select, text
from sqlalchemy.sql import visitors

from webapp.log.days import DAY
from webapp.log.hints import hints
from webapp.log.probe import Probe
from webapp.log.reading import Reading
from webapp.log.searchtext import HIGH, LOW, Hits, matching
from webapp.log.tables import call_logs

_UNDER_WAY: Any = text("call_logs.outcome = 'pending' AND call_logs.outcome <> 'succeeded'")
FIRST = 5_000  # attempts of the first window
_WIDER = 3  # whole days with three times as many come next, then with nine times as many


# A window of ids, and how many rows are wanted of it: the same statement for all windows is prepared once.
BETWEEN = (call_logs.c.log_id >= bindparam(LOW), call_logs.c.log_id <= bindparam(HIGH))
WANTED = "wanted_rows"


@dataclass(frozen=True)
class Where:
    """What must hold, and the ids to look at: from `low` to before `high`."""

    conditions: Sequence[ColumnElement[bool]]
    low: int
    high: int

    @cached_property
    def probe(self) -> Probe:
        """What tells whether there is anything at all."""
        return Probe([*self.conditions, *BETWEEN])


def newest(log: Reading, columns: Sequence[Column[Any]], where: Where, limit: int) -> list[Mapping[Any, Any]]:
    """At most `limit` rows, the newest first; `log_id` has to be among the columns."""
    rows: list[Mapping[Any, Any]] = []
    divided = parts(where)
    found = (select(*columns).where(*part.conditions, *BETWEEN) for part in divided)
    queries = [query.order_by(call_logs.c.log_id.desc()).limit(bindparam(WANTED)) for query in found]

    def ask(connection: Connection, low: int, high: int) -> list[Mapping[Any, Any]]:
        merged: list[Mapping[Any, Any]] = []
        for part, query in zip(divided, queries, strict=True):
            some: list[Mapping[Any, Any]] = []
            for start, end in windows(log, connection, part, low, high):
                given = {LOW: start, HIGH: end - 1, WANTED: limit - len(rows) - len(some)}
                some += connection.execute(query, given).mappings().all()
                if len(rows) + len(some) >= limit:
                    break
            merged = sorted([*merged, *some], key=_id, reverse=True)[:limit] if merged else some
        return merged

    for some in log.each(ask, where.low, where.high):
        rows = [*rows, *some][:limit]
        if len(rows) >= limit:
            break
    return rows


def count_newest(log: Reading, where: Where, most: int) -> int:
    """How many there are, up to `most` + 1."""
    divided = parts(where)
    found = (select(call_logs.c.log_id).where(*part.conditions, *BETWEEN) for part in divided)
    queries = [select(func.count()).select_from(query.limit(bindparam(WANTED)).subquery()) for query in found]
    count = 0

    def ask(connection: Connection, low: int, high: int) -> int:
        counted = 0
        for part, query in zip(divided, queries, strict=True):
            for start, end in windows(log, connection, part, low, high):
                left = most + 1 - count - counted
                if left > 0:
                    given = {LOW: start, HIGH: end - 1, WANTED: left}
                    counted += connection.execute(query, given).scalar_one()
        return counted

    for counted in log.each(ask, where.low, where.high):
        count += counted
        if count > most:
            break
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


_id = itemgetter("log_id")


def windows(
    log: Reading, connection: Connection, where: Where, low: int, high: int
) -> Iterator[tuple[int, int]]:
    """Ranges of ids, newest first; a single one where no words are looked for, none where there is nothing."""
    if log.turn and not where.probe.finds(connection, low, high):
        return
    if not any(isinstance(part, Hits) for one in where.conditions for part in visitors.iterate(one)):
        yield low, high
        return
    ids = select(call_logs.c.log_id).where(*BETWEEN).order_by(call_logs.c.log_id.desc())
    start = connection.scalar(ids.offset(FIRST).limit(1), {LOW: low, HIGH: high - 1})
    if start is None:
        yield low, high
        return
    yield start, high
    end, enough, attempts = start, FIRST * _WIDER, 0
    for day in log.days:
        first = day.day * DAY
        if low < first < end:
            attempts += day.attempts
            if attempts >= enough:
                yield first, end
                end, enough, attempts = first, enough * _WIDER, 0
    yield low, end
