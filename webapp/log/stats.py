"""Counters of services, from the roll-ups; only the most frequent errors are read off the newest rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, select

from webapp.log.entries import ErrorCount, ServiceStats
from webapp.log.rollups_read import cover, ranking, series, total
from webapp.log.rollups_tally import MINUTE_S, SERVICE
from webapp.log.tables import call_logs

_MOST = 10_000
_ENDED = and_(call_logs.c.kind == "attempt", call_logs.c.outcome != "pending")


def service_stats(connection: Connection, service_id: str, hours: int, since: datetime) -> ServiceStats:
    """Calls, successes and the 95th percentile of the duration since then, to the minute or the hour."""
    start_s, now_s = _seconds(since), _seconds(since + timedelta(hours=hours))
    tally = total(connection, SERVICE, service_id, cover(start_s, now_s, now_s))
    return ServiceStats(hours, tally.total, tally.succeeded, tally.percentile(0.95), capped=False)


def service_series(
    connection: Connection, service_id: str, since: datetime, step: timedelta, count: int
) -> list[tuple[int, int]]:
    """Succeeded and other attempts in each of `count` steps of whole minutes from the minute of `since` on."""
    start_s = _seconds(since) - _seconds(since) % MINUTE_S
    found = series(
        connection, SERVICE, service_id, start_s=start_s, step_s=int(step.total_seconds()), count=count
    )
    return [(tally.succeeded, tally.total - tally.succeeded) for tally in found]


def success_rates(connection: Connection, since: datetime, hours: int) -> dict[str, tuple[int, int]]:
    """Ended and succeeded attempts of every service in these hours up to now."""
    now_s = _seconds(since + timedelta(hours=hours))
    found = ranking(connection, SERVICE, cover(_seconds(since), now_s, now_s))
    return {service_id: (tally.total, tally.succeeded) for service_id, tally in found}


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


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
