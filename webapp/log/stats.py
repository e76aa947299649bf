"""Counters of services, from the roll-ups; only the most frequent errors are read off the newest rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select

from webapp.log.days import id_range
from webapp.log.entries import ErrorCount, ServiceStats
from webapp.log.reading import Reading
from webapp.log.rollups_read import cover, ranking, series, total
from webapp.log.rollups_tally import MINUTE_S, SERVICE
from webapp.log.tables import call_logs

_MOST, _LEFT = 10_000, "left"
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


def top_errors(log: Reading, service_id: str, since: datetime, limit: int) -> list[ErrorCount]:
    """The most frequent failures among the newest ones, by code and endpoint."""
    newest = (
        select(call_logs.c.code, call_logs.c.request_endpoint, call_logs.c.request_timestamp)
        .where(call_logs.c.service_id == service_id, call_logs.c.request_timestamp >= since)
        .where(call_logs.c.code.is_not(None), _ENDED)
        .order_by(call_logs.c.log_id.desc())
        .limit(bindparam(_LEFT))
        .subquery()
    )
    kinds = (newest.c.code, newest.c.request_endpoint)
    query = select(*kinds, func.count(), func.max(newest.c.request_timestamp)).group_by(*kinds)
    found: dict[tuple[str, str | None], tuple[int, datetime]] = {}

    def ask(connection: Connection, _low: int, _high: int) -> Sequence[Any]:
        return connection.execute(query, {_LEFT: _MOST - sum(count for count, _ in found.values())}).all()

    for rows in log.each(ask, *id_range(log.days, since, None)):
        for code, endpoint, count, last_at in rows:
            before = found.get((code, endpoint), (0, last_at))
            found[code, endpoint] = before[0] + count, max(before[1], last_at)
    errors = [ErrorCount(code, endpoint, *told) for (code, endpoint), told in found.items()]
    return sorted(errors, key=lambda error: (-error.count, error.code, error.request_endpoint or ""))[:limit]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
