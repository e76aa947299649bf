"""What a search finds, counted: over time, by error and in all. Never more than the newest 10,000 are looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, bindparam, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from webapp.log.days import id_range
from webapp.log.filters import LogFilter
from webapp.log.newest import BETWEEN, WANTED, Where, parts, windows
from webapp.log.reading import Reading
from webapp.log.searchtext import HIGH, LOW
from webapp.log.spans import Span
from webapp.log.survey_sums import Narrowed, Sums
from webapp.log.tables import call_logs

MOST = 10_000
TONES = ("succeeded", "retried", "failed", "unknown")
_MOMENT = timedelta(microseconds=1)


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


def look(log: Reading, wanted: LogFilter, hash_recipient: Callable[[str], str], now: datetime) -> Survey:
    """What a search finds, counted over its time, or over all the time there is anything of."""
    oldest, newest = _edge(log, oldest=True), _edge(log, oldest=False)
    if oldest is None or newest is None:
        return Survey()
    start = max(wanted.from_ or oldest, oldest)
    latest = max(now, newest)
    end = min(wanted.to or latest, latest) + _MOMENT
    where = Where(list(wanted.conditions(hash_recipient)), *id_range(log.days, wanted.from_, wanted.to))
    span = Span.of(start, end) if start < end else None
    narrowed = wanted.narrowed_to()
    sums = Sums.of(start, end, Narrowed(*narrowed), now) if span and narrowed else None
    bars = sums.bars(log.main) if sums else {}
    if sums and sums.inside(bars) > MOST:
        errors = sums.errors(log.main)
        errors = survey(log, where, None).errors if errors is None else errors
        return Survey(sums.span, bars, errors, MOST, capped=True, is_rolled_up=True)
    found = survey(log, where, span)
    if sums and found.capped and sum(bar.total() for bar in bars.values()) > MOST:
        return replace(found, span=sums.span, bars=bars, is_rolled_up=True)
    return found


def _edge(log: Reading, *, oldest: bool) -> datetime | None:
    """When the oldest or the newest attempt began."""
    number = call_logs.c.log_id
    query = select(call_logs.c.request_timestamp).order_by(number if oldest else number.desc()).limit(1)
    found = log.each(lambda connection, _low, _high: connection.scalar(query), oldest_first=oldest)
    return next((at for at in found if at is not None), None)


def survey(log: Reading, where: Where, span: Span | None, most: int = MOST) -> Survey:
    """Count the newest attempts that match."""
    bars: dict[int, Counter[str]] = {}
    errors: Counter[str] = Counter()
    total = 0
    queries = [(part, _counts(part, span)) for part in parts(where)]

    def ask(connection: Connection, low: int, high: int) -> list[Any]:
        found: list[Any] = []
        for part, query in queries:
            for start, end in windows(log, connection, part, low, high):
                left = most + 1 - total - sum(row[-1] for row in found)
                if left > 0:
                    given = {LOW: start, HIGH: end - 1, WANTED: left}
                    found += connection.execute(query, given).all()
        return found

    for rows in log.each(ask, where.low, where.high):
        for place, outcome, later, code, count in rows:
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


def _counts(where: Where, span: Span | None) -> Select[Any]:
    """How many there are of each kind among the newest of a window."""
    columns = call_logs.c
    place: ColumnElement[Any] = literal(0)
    conditions = [*where.conditions, *BETWEEN]
    if span:
        first, step = int(span.start.timestamp()), int(span.step.total_seconds())
        place = (Second(columns.request_timestamp) - first) // step
        conditions += [columns.request_timestamp >= span.start, columns.request_timestamp < span.end]
    later = (columns.attempt_no > 1).label("later")
    found = select(place.label("place"), columns.outcome, later, columns.code).where(*conditions)
    newest = found.order_by(columns.log_id.desc()).limit(bindparam(WANTED)).subquery()
    kinds = (newest.c.place, newest.c.outcome, newest.c.later, newest.c.code)
    return select(*kinds, func.count()).group_by(*kinds)


def _top(errors: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(errors.items(), key=lambda one: (-one[1], one[0]))[:5])
