"""Counters for the page of a service, from its newest attempts; never more than 10,000 are read."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, select

from webapp.log.entries import ErrorCount, ServiceStats
from webapp.log.tables import call_logs

_MOST = 10_000
_ENDED = and_(call_logs.c.kind == "attempt", call_logs.c.outcome != "pending")


def service_stats(connection: Connection, service_id: str, hours: int, since: datetime) -> ServiceStats:
    """Calls, successes and the 95th percentile of the duration since then."""
    query = (
        select(call_logs.c.duration_ms, call_logs.c.is_success)
        .where(call_logs.c.service_id == service_id, call_logs.c.request_timestamp >= since, _ENDED)
        .order_by(call_logs.c.log_id.desc())
        .limit(_MOST + 1)
    )
    rows = connection.execute(query).all()
    newest = rows[:_MOST]
    durations = sorted(row.duration_ms for row in newest if row.duration_ms is not None)
    return ServiceStats(
        hours=hours,
        calls=len(newest),
        succeeded=sum(bool(row.is_success) for row in newest),
        p95_ms=_percentile(durations, 0.95),
        capped=len(rows) > _MOST,
    )


def service_series(
    connection: Connection, service_id: str, since: datetime, step: timedelta, count: int
) -> list[tuple[int, int]]:
    """Succeeded and failed attempts in each of `count` steps from `since` on, from the newest attempts."""
    query = (
        select(call_logs.c.request_timestamp, call_logs.c.is_success)
        .where(call_logs.c.service_id == service_id, call_logs.c.request_timestamp >= since, _ENDED)
        .order_by(call_logs.c.log_id.desc())
        .limit(_MOST)
    )
    series = [[0, 0] for _ in range(count)]
    for row in connection.execute(query):
        at = min(int((row.request_timestamp - since) / step), count - 1)
        series[at][0 if row.is_success else 1] += 1
    return [(good, bad) for good, bad in series]


def success_rates(connection: Connection, since: datetime) -> dict[str, tuple[int, int]]:
    """Ended and succeeded attempts of every service since then."""
    query = (
        select(call_logs.c.service_id, func.count(), func.count().filter(call_logs.c.is_success))
        .where(call_logs.c.request_timestamp >= since, call_logs.c.service_id.is_not(None), _ENDED)
        .group_by(call_logs.c.service_id)
    )
    return {service_id: (ended, succeeded) for service_id, ended, succeeded in connection.execute(query)}


def top_errors(connection: Connection, service_id: str, since: datetime, limit: int) -> list[ErrorCount]:
    """The most frequent failures among the newest ones, by code and endpoint."""
    newest = (
        select(call_logs.c.code, call_logs.c.request_endpoint, call_logs.c.request_timestamp)
        .where(call_logs.c.service_id == service_id, call_logs.c.request_timestamp >= since)
        .where(call_logs.c.code.is_not(None), _ENDED)
        .order_by(call_logs.c.log_id.desc())
        .limit(_MOST)
        .subquery()
    )
    count = func.count()
    query = (
        select(newest.c.code, newest.c.request_endpoint, count, func.max(newest.c.request_timestamp))
        .group_by(newest.c.code, newest.c.request_endpoint)
        .order_by(count.desc(), newest.c.code)
        .limit(limit)
    )
    return [ErrorCount(*row) for row in connection.execute(query)]


def _percentile(ordered: list[int], share: float) -> int | None:
    return ordered[math.ceil(len(ordered) * share) - 1] if ordered else None
