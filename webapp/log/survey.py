"""What a search finds, counted: over time, by error and in all. Never more than the newest 10,000 are looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, Table, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from webapp.log.days import id_range
from webapp.log.filters import LogFilter
from webapp.log.newest import Where, steps
from webapp.log.rollups_read import KEPT_S
from webapp.log.rollups_tables import days, fresh, hours, minutes
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S, SERVICE
from webapp.log.searchtext import HIGH, LOW
from webapp.log.tables import call_logs

MOST = 10_000
BARS_MAX = 60
_QUARTERS = 4
TONES = ("succeeded", "retried", "failed", "unknown")
_OUTCOME_OF = {"retried": "succeeded"}
_MOMENT = timedelta(microseconds=1)
_GRAINS = ((days, DAY_S), (hours, HOUR_S), (minutes, MINUTE_S))
_STEPS_S = (
    1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in equal steps that begin at round times."""

    start: datetime
    step: timedelta
    count: int

    @classmethod
    def of(cls, start: datetime, end: datetime, most: int = BARS_MAX) -> Span:
        """At most so many steps over a stretch; the first and the last may reach beyond it."""
        first, last = int(start.timestamp()), max(int(start.timestamp()) + 1, -int(-end.timestamp() // 1))
        fitting = (step for step in _steps() if -(-last // step) - first // step <= most)
        step = next(fitting)
        stop = -(-last // step) * step
        count = -(-(stop - first) // step)
        count += -count % _QUARTERS  # so that the axis, which has four parts, says round times too
        return cls(datetime.fromtimestamp(stop - count * step, UTC), timedelta(seconds=step), count)

    @property
    def end(self) -> datetime:
        """Where it ends."""
        return self.start + self.step * self.count

    def at(self, place: int) -> datetime:
        """Where a step begins."""
        return self.start + self.step * place


@dataclass(frozen=True, slots=True)
class Survey:
    """The counts of a search; `capped` says that there is more than was looked at."""

    span: Span | None = None
    bars: dict[int, Counter[str]] = field(default_factory=dict)
    errors: tuple[tuple[str, int], ...] = ()
    count: int = 0
    capped: bool = False
    is_rolled_up: bool = False

    @property
    def told(self) -> str:
        """The count as it is told: `10000+` when there are more."""
        return f"{MOST}+" if self.capped else str(self.count)

    @property
    def reach(self) -> datetime | None:
        """From when on the bars tell everything; None when they do from the beginning."""
        partial = self.span and self.capped and self.bars and not self.is_rolled_up
        return self.span.at(min(self.bars)) if self.span and partial else None


class Second(ColumnElement[int]):
    """A moment as whole seconds since 1970."""

    inherit_cache = True
    type = BigInteger()
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - the form SQLAlchemy asks for

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.column = column


@compiles(Second, "sqlite")
def _of_text(second: Second, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(strftime('%s', {compiler.process(second.column, **options)}) AS INTEGER)"


@compiles(Second, "postgresql")
def _of_moment(second: Second, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(floor(extract(epoch FROM {compiler.process(second.column, **options)})) AS BIGINT)"


def look(
    connection: Connection, wanted: LogFilter, hash_recipient: Callable[[str], str], now: datetime
) -> Survey:
    """What a search finds, counted over its time, or over all the time there is anything of."""
    times = select(call_logs.c.request_timestamp)
    oldest = connection.scalar(times.order_by(call_logs.c.log_id).limit(1))
    newest = connection.scalar(times.order_by(call_logs.c.log_id.desc()).limit(1))
    if oldest is None or newest is None:
        return Survey()
    start = max(wanted.from_ or oldest, oldest)
    latest = max(now, newest)
    end = min(wanted.to or latest, latest) + _MOMENT
    span = Span.of(start, end) if start < end else None
    where = Where(list(wanted.conditions(hash_recipient)), *id_range(connection, wanted.from_, wanted.to))
    found = survey(connection, where, span)
    if found.capped and (narrowed := wanted.narrowed_to()):
        return rolled_up(connection, found, *narrowed, now)
    return found


def survey(connection: Connection, where: Where, span: Span | None, most: int = MOST) -> Survey:
    """Count the newest attempts that match."""
    bars: dict[int, Counter[str]] = {}
    errors: Counter[str] = Counter()
    total = 0
    for part, start, end in steps(connection, where):
        query = _counts(part, start, end, span, most + 1 - total)
        for place, outcome, later, code, count in connection.execute(query, {LOW: start, HIGH: end - 1}):
            bars.setdefault(place, Counter())[tone_of(outcome, later)] += count
            errors.update({code: count} if code else {})
            total += count
        if total > most:
            break
    return Survey(span, bars, _top(errors), min(total, most), total > most)


def tone_of(outcome: str, later: object) -> str:
    """How an attempt counts; one that succeeded but was not the first of its call stands apart."""
    if outcome == "succeeded":
        return "retried" if later else "succeeded"
    return "failed" if outcome == "failed" else "unknown"


def _counts(where: Where, start: int, end: int, span: Span | None, limit: int) -> Select[Any]:
    """How many there are of each kind among the newest of a window."""
    columns = call_logs.c
    place: ColumnElement[Any] = literal(0)
    conditions = [*where.conditions, columns.log_id >= start, columns.log_id < end]
    if span:
        first, step = int(span.start.timestamp()), int(span.step.total_seconds())
        place = (Second(columns.request_timestamp) - first) // step
        conditions += [columns.request_timestamp >= span.start, columns.request_timestamp < span.end]
    later = (columns.attempt_no > 1).label("later")
    found = select(place.label("place"), columns.outcome, later, columns.code).where(*conditions)
    newest = found.order_by(columns.log_id.desc()).limit(limit).subquery()
    kinds = (newest.c.place, newest.c.outcome, newest.c.later, newest.c.code)
    return select(*kinds, func.count()).group_by(*kinds)


def rolled_up(
    connection: Connection,
    found: Survey,
    service_ids: Collection[str] | None,
    outcomes: Collection[str] | None,
    now: datetime,
) -> Survey:
    """The same with bars from the sums of minutes, hours or days, however many attempts there are.

    As it was where sums of short enough a time are not kept. Services and outcomes narrow it.
    """
    span = found.span
    table = _sums_for(span, now) if span else None
    if span is None or table is None:
        return found
    start_s, step_s = int(span.start.timestamp()), int(span.step.total_seconds())
    bars: dict[int, Counter[str]] = {}
    for source in (table, fresh):
        query = _sums(source, start_s, start_s + step_s * span.count, service_ids)
        for at, total, succeeded, unknown, retried in connection.execute(query):
            counts = {"succeeded": succeeded - retried, "retried": retried, "unknown": unknown}
            counts["failed"] = total - succeeded - unknown
            bar = bars.setdefault((at - start_s) // step_s, Counter())
            for tone, count in counts.items():
                if count and (outcomes is None or _OUTCOME_OF.get(tone, tone) in outcomes):
                    bar[tone] += int(count)
    return replace(found, bars=bars, is_rolled_up=True)


def _sums_for(span: Span, now: datetime) -> Table | None:
    """The table whose sums fit the steps and are kept for long enough."""
    start_s, step_s = int(span.start.timestamp()), int(span.step.total_seconds())
    oldest_s = int(now.timestamp()) - start_s
    fitting = (
        table
        for table, grain_s in _GRAINS
        if step_s % grain_s == 0 and start_s % grain_s == 0 and oldest_s <= KEPT_S[grain_s]
    )
    return next(fitting, None)


def _sums(table: Table, start_s: int, end_s: int, service_ids: Collection[str] | None) -> Select[Any]:
    columns = table.c
    sums = (func.sum(columns[name]) for name in ("total", "succeeded", "unknown", "retried"))
    query = select(columns.start_s, *sums).where(columns.scope == SERVICE).group_by(columns.start_s)
    if service_ids is not None:
        query = query.where(columns.key.in_(service_ids))
    return query.where(columns.start_s >= start_s, columns.start_s < end_s)


def _top(errors: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(errors.items(), key=lambda one: (-one[1], one[0]))[:5])


def _steps() -> Iterator[int]:
    yield from _STEPS_S
    step = _STEPS_S[-1]
    while True:
        step *= 2
        yield step
