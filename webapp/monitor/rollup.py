"""The history of checks kept small: hours and days summed up, old rows deleted.

The counts of an hour grow with each check. When it is over, its latencies are spread over buckets, each a quarter
wider than the one before, so that a percentile of any number of hours can be read off their sum.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.models.health import HealthCheck, HealthDay, HealthHour

if TYPE_CHECKING:
    from webapp.runtime import Runtime

RAW, HOURLY, DAILY = timedelta(hours=48), timedelta(days=90), timedelta(days=400)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_STEP = 1.25
_SLICE = 5_000
COUNTS = ("up", "warned", "down", "excused")
_hours, _days = cast("Table", HealthHour.__table__), cast("Table", HealthDay.__table__)


def hour_of(moment: datetime) -> datetime:
    """The hour a moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    """The day, in UTC, a moment lies in."""
    return hour_of(moment).replace(hour=0)


def bucket_of(latency_ms: int) -> int:
    """The number of the bucket of a latency."""
    return 0 if latency_ms <= 1 else math.ceil(math.log(latency_ms, _STEP))


def percentile(latencies: Mapping[str, int], share: float) -> int | None:
    """The latency in ms that this share of the checks did not exceed, a quarter too high at most."""
    wanted = math.ceil(sum(latencies.values()) * share)
    reached = 0
    for bucket in sorted(latencies, key=int):
        reached += latencies[bucket]
        if reached >= wanted:
            return round(_STEP ** int(bucket))
    return None


def roll_up(runtime: Runtime) -> int:
    """Sum up the hours that are over and were not yet, and their days; returns how many rows of hours."""
    now = runtime.clock.now()
    with runtime.engine.begin() as connection:
        starts = connection.scalars(
            select(_hours.c.start)
            .where(_hours.c.latencies.is_(None), _hours.c.start < hour_of(now))
            .distinct()
            .order_by(_hours.c.start)
            .limit(48)
        ).all()
        summed = sum(_close(connection, start) for start in starts)
        for day in sorted({day_of(start) for start in starts}):
            _sum_day(connection, day)
    return summed


def _close(connection: Connection, start: datetime) -> int:
    """Fill in the latencies of an hour from its checks."""
    spread: dict[str, Counter[str]] = defaultdict(Counter)
    query = select(HealthCheck.service_id, HealthCheck.latency_ms).where(
        HealthCheck.at >= start, HealthCheck.at < start + HOUR
    )
    for service_id, latency in connection.execute(query):
        spread[service_id][str(bucket_of(latency))] += 1
    ids = connection.scalars(select(_hours.c.service_id).where(_hours.c.start == start)).all()
    for service_id in ids:
        mine = (_hours.c.service_id == service_id) & (_hours.c.start == start)
        connection.execute(update(_hours).where(mine).values(latencies=dict(spread[service_id])))
    return len(ids)


def _sum_day(connection: Connection, day: datetime) -> None:
    """Add the hours of a day up; done again each hour, so it may be done twice."""
    rows = connection.execute(
        select(_hours).where(_hours.c.start >= day, _hours.c.start < day + DAY)
    ).mappings()
    days: dict[str, dict[str, Any]] = {}
    for row in rows:
        sums = days.setdefault(
            row["service_id"],
            {
                "service_id": row["service_id"],
                "start": day,
                **dict.fromkeys((*COUNTS, "latency_sum"), 0),
                "latencies": {},
            },
        )
        for name in (*COUNTS, "latency_sum"):
            sums[name] += row[name]
        sums["latencies"] = merged([sums["latencies"], row["latencies"] or {}])
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = make(_days)
    grown = {name: added.excluded[name] for name in (*COUNTS, "latency_sum", "latencies")}
    for sums in days.values():
        connection.execute(
            added.values(sums).on_conflict_do_update(index_elements=["service_id", "start"], set_=grown)
        )


def merged(latencies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Several distributions of latencies as one."""
    total: Counter[str] = Counter()
    for one in latencies:
        total.update(one)
    return dict(total)


def prune(runtime: Runtime) -> int:
    """Delete what is past its time: checks after 48 hours, hours after 90 days, days after 400. In slices."""
    now = runtime.clock.now()
    checks = select(HealthCheck.check_id).where(HealthCheck.at < now - RAW).limit(_SLICE)
    total = 0
    while True:
        with runtime.engine.begin() as connection:
            gone = connection.execute(delete(HealthCheck).where(HealthCheck.check_id.in_(checks))).rowcount
        total += gone
        if gone < _SLICE:
            break
    with runtime.engine.begin() as connection:
        total += connection.execute(delete(_hours).where(_hours.c.start < now - HOURLY)).rowcount
        total += connection.execute(delete(_days).where(_days.c.start < now - DAILY)).rowcount
    return total


def backlog(runtime: Runtime) -> int:
    """How many checks are kept that should be gone by now."""
    before = runtime.clock.now() - RAW - HOUR
    with runtime.engine.connect() as connection:
        return connection.scalar(select(func.count()).where(HealthCheck.at < before)) or 0
