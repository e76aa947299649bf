"""Reading the history of checks: strips, uptime, latencies, and the checks themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models.health import HealthCheck, HealthDay, HealthHour
from webapp.monitor.rollup import COUNTS, DAY, HOUR, day_of, hour_of, merged, percentile

# How far each range reaches, and how long one mark of it is.
RANGES: dict[str, tuple[int, timedelta]] = {
    "24h": (24, HOUR),
    "7d": (7 * 24, HOUR),
    "30d": (30, DAY),
    "90d": (90, DAY),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One stretch of time: how the checks in it came out."""

    start: datetime
    up: int = 0
    warned: int = 0
    down: int = 0
    excused: int = 0
    latency_sum: int = 0
    latencies: Mapping[str, int] = field(default_factory=dict)

    @property
    def checks(self) -> int:
        """How many checks there were."""
        return self.up + self.warned + self.down + self.excused

    @property
    def tone(self) -> str:
        """The worst that was found in it."""
        if self.down:
            return "bad"
        return "warn" if self.warned else "ok" if self.up else "none"

    @property
    def mean_ms(self) -> float | None:
        """The mean latency."""
        return self.latency_sum / self.checks if self.checks else None


@dataclass(frozen=True, slots=True)
class Span:
    """The marks of a service over a range, oldest first."""

    marks: Sequence[Mark]

    @property
    def tones(self) -> list[str]:
        """The tone of each mark."""
        return [mark.tone for mark in self.marks]

    @property
    def known(self) -> int:
        """How many marks had a check."""
        return sum(mark.checks > 0 for mark in self.marks)

    @property
    def well(self) -> int:
        """How many marks had checks and no outage."""
        return sum(mark.checks > 0 and not mark.down for mark in self.marks)

    @property
    def uptime(self) -> float | None:
        """The share of checks that found it usable; those that failed during maintenance do not count."""
        up = sum(mark.up + mark.warned for mark in self.marks)
        down = sum(mark.down for mark in self.marks)
        return up / (up + down) if up + down else None

    @property
    def p95_ms(self) -> int | None:
        """The 95th percentile of the latency of its checks, over the hours that are complete."""
        return percentile(merged(mark.latencies for mark in self.marks), 0.95)


def spans(session: Session, ids: Sequence[str], range_: str, now: datetime) -> dict[str, Span]:
    """The history of several services over a range (a key of RANGES); each has all its marks, empty ones too."""
    count, step = RANGES[range_]
    last = hour_of(now) if step == HOUR else day_of(now)
    first = last - step * (count - 1)
    found: dict[str, dict[datetime, Mark]] = defaultdict(dict)
    for service_id, mark in _rows(session, ids, first, step, last):
        known = found[service_id].get(mark.start)
        found[service_id][mark.start] = _sum(known, mark) if known else mark
    starts = [first + step * place for place in range(count)]
    return {id_: Span([found[id_].get(start) or Mark(start) for start in starts]) for id_ in ids}


def _rows(
    session: Session, ids: Sequence[str], first: datetime, step: timedelta, last: datetime
) -> list[tuple[str, Mark]]:
    rows: list[tuple[str, Mark]] = []
    if step == DAY:
        rows += _read(session, HealthDay, ids, first, before=last)
        # Today is not summed up yet to its end: its hours are.
        today = _read(session, HealthHour, ids, last, before=last + DAY)
        return rows + [(id_, _moved(mark, last)) for id_, mark in today]
    return _read(session, HealthHour, ids, first, before=last + HOUR)


def _read(
    session: Session,
    table: type[HealthDay | HealthHour],
    ids: Sequence[str],
    first: datetime,
    before: datetime,
) -> list[tuple[str, Mark]]:
    names = ("service_id", "start", *COUNTS, "latency_sum", "latencies")
    query = select(*(getattr(table, name) for name in names)).where(
        table.start >= first, table.start < before
    )
    if len(ids) <= 200:  # noqa: PLR2004 - with more it is quicker to read all
        query = query.where(table.service_id.in_(ids))
    wanted = set(ids)
    return [(row[0], _mark(row[1:])) for row in session.execute(query) if row[0] in wanted]


def _mark(row: Sequence[Any]) -> Mark:
    start, up, warned, down, excused, latency_sum, latencies = row
    return Mark(start, up, warned, down, excused, latency_sum, latencies or {})


def _moved(mark: Mark, start: datetime) -> Mark:
    return replace(mark, start=start)


def _sum(one: Mark, other: Mark) -> Mark:
    sums = {name: getattr(one, name) + getattr(other, name) for name in (*COUNTS, "latency_sum")}
    return replace(one, **sums, latencies=merged([one.latencies, other.latencies]))


def checks(
    session: Session, service_id: str, *, limit: int, before: int | None = None, failed: bool = False
) -> Sequence[HealthCheck]:
    """The checks of a service, newest first; `before` is the id of the last one seen."""
    query = select(HealthCheck).where(HealthCheck.service_id == service_id)
    if before is not None:
        query = query.where(HealthCheck.check_id < before)
    if failed:
        query = query.where(HealthCheck.mark != "+")
    return session.scalars(query.order_by(HealthCheck.check_id.desc()).limit(limit)).all()
