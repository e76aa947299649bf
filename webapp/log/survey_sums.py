"""A search narrowed to services and outcomes only, counted from the sums of the roll-ups however much it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection

from webapp.log.rollups_read import KEPT_S, table_of
from webapp.log.rollups_tables import fresh, totals
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S, SERVICE
from webapp.log.spans import Span

_FINE = timedelta(
    hours=6
)  # what is longer is not told by the minute: its bars cost the same however long it is
_OUTCOME_OF = {"retried": "succeeded"}
_NOT_DONE = frozenset(("failed", "unknown"))
_ERRORS = 5


class Narrowed(NamedTuple):
    """The services and the outcomes a search is narrowed to, each None for all."""

    service_ids: Collection[str] | None
    outcomes: Collection[str] | None


@dataclass(frozen=True, slots=True)
class Sums:
    """The roll-ups over a stretch of time, in steps that they are kept for."""

    start: datetime
    end: datetime
    narrowed: Narrowed
    now: datetime
    span: Span
    grain_s: int

    @classmethod
    def of(cls, start: datetime, end: datetime, narrowed: Narrowed, now: datetime) -> Self | None:
        """None where sums of short enough a time are not kept."""
        span = Span.of(start, end, least_s=HOUR_S if end - start > _FINE else MINUTE_S)
        grain_s = _grain_for(span, now)
        return cls(start, end, narrowed, now, span, grain_s) if grain_s else None

    def bars(self, connection: Connection) -> dict[int, Counter[str]]:
        """How many ended in which way in each step; the first and the last step may reach beyond the stretch."""
        first_s, step_s, _ = self._reach
        query = _bars_sql(connection.dialect.name, self.grain_s, self._keys)
        bars: dict[int, Counter[str]] = {}
        for place, *counts in connection.exec_driver_sql(query, self._values(first_s, step_s)):
            if bar := _bar([int(count) for count in counts], self.narrowed.outcomes):
                bars.setdefault(place, Counter()).update(bar)
        return bars

    def inside(self, bars: Mapping[int, Counter[str]]) -> int:
        """How many these are without the steps that reach beyond the stretch."""
        whole = (
            bar
            for place, bar in bars.items()
            if self.span.at(place) >= self.start and self.span.at(place + 1) <= self.end
        )
        return sum(bar.total() for bar in whole)

    def errors(self, connection: Connection) -> tuple[tuple[str, int], ...] | None:
        """The most frequent error codes; None where one bad outcome is wanted: sums do not tell whose they are."""
        outcomes = self.narrowed.outcomes
        wanted = _NOT_DONE if outcomes is None else _NOT_DONE.intersection(outcomes)
        if not wanted:
            return ()
        if wanted != _NOT_DONE:
            return None
        query = _codes_sql(connection.dialect.name, self.grain_s, self._keys)
        return tuple((code, int(count)) for code, count in connection.exec_driver_sql(query, self._values()))

    def _values(self, *first: int) -> tuple[Any, ...]:
        """What stands in the holes of a statement: for what is added up, then for what is not yet."""
        start_s, step_s, count = self._reach
        until_s = start_s + step_s * count
        return (*first, *self._settled, start_s, until_s, *first, *self._whose, start_s, until_s)

    @property
    def _reach(self) -> tuple[int, int, int]:
        """The first second, the seconds of a step, and how many steps."""
        return int(self.span.start.timestamp()), int(self.span.step.total_seconds()), self.span.count

    @property
    def _keys(self) -> int | None:
        return None if self.narrowed.service_ids is None else len(self.narrowed.service_ids)

    @property
    def _whose(self) -> tuple[str, ...]:
        return SERVICE, *sorted(self.narrowed.service_ids or ())

    @property
    def _settled(self) -> tuple[str, ...]:
        return (SERVICE, SERVICE) if self.narrowed.service_ids is None else self._whose


def _grain_for(span: Span, now: datetime) -> int | None:
    """The longest grain that fits the steps and is kept for long enough."""
    start_s, step_s = int(span.start.timestamp()), int(span.step.total_seconds())
    ago_s = int(now.timestamp()) - start_s
    fitting = (
        grain_s
        for grain_s in (DAY_S, HOUR_S, MINUTE_S)
        if step_s % grain_s == 0 and start_s % grain_s == 0 and ago_s <= KEPT_S[grain_s]
    )
    return next(fitting, None)


def _bar(counts: Sequence[int], outcomes: Collection[str] | None) -> Counter[str]:
    total, succeeded, unknown, retried = counts
    told = {
        "succeeded": succeeded - retried,
        "retried": retried,
        "failed": total - succeeded - unknown,
        "unknown": unknown,
    }
    return Counter(
        {
            tone: count
            for tone, count in told.items()
            if count and (outcomes is None or _OUTCOME_OF.get(tone, tone) in outcomes)
        }
    )


@lru_cache(64)
def _bars_sql(dialect: str, grain_s: int, keys: int | None) -> str:
    hole = "?" if dialect == "sqlite" else "%s"
    return " UNION ALL ".join(
        f"SELECT (start_s - {hole}) / {hole} AS place, sum(total), sum(succeeded), sum(unknown), sum(retried)"  # noqa: S608 - our own names
        f" FROM {table} WHERE {_within(hole, keys, table)} GROUP BY 1"
        for table in (table_of(grain_s).name, fresh.name)
    )


@lru_cache(64)
def _codes_sql(dialect: str, grain_s: int, keys: int | None) -> str:
    hole = "?" if dialect == "sqlite" else "%s"
    each = "json_each(codes)" if dialect == "sqlite" else "jsonb_each_text(codes)"
    rows = " UNION ALL ".join(
        f"SELECT codes FROM {table} WHERE {_within(hole, keys, table)} AND codes <> '{{}}'"  # noqa: S608 - our own names
        for table in (table_of(grain_s).name, fresh.name)
    )
    return (
        f"SELECT each_.key, sum(CAST(each_.value AS BIGINT)) AS number FROM ({rows}) AS rows_, {each} AS each_"  # noqa: S608 - our own names
        f" GROUP BY each_.key ORDER BY number DESC, each_.key LIMIT {_ERRORS}"
    )


def _within(hole: str, keys: int | None, table: str) -> str:
    """One look into the index for each service: for all of them, each that was called before."""
    if keys is not None:
        among = f" AND key IN ({', '.join([hole] * keys) or 'NULL'})"
    elif table == fresh.name:
        among = ""
    else:
        among = f" AND key IN (SELECT key FROM {totals.name} WHERE scope = {hole})"  # noqa: S608 - our own names
    return f"scope = {hole}{among} AND start_s >= {hole} AND start_s < {hole}"
