"""Which places in business code use a service; never more than its newest 10,000 attempts are read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, distinct, func, select

from webapp.log.tables import call_logs

_MOST = 10_000


def points(connection: Connection, service_id: str, since: datetime) -> list[tuple[str | None, int]]:
    """Integration points with their calls since then, the busiest first; None stands for calls that name none."""
    newest = (
        select(call_logs.c.integration_point, call_logs.c.call_id)
        .where(call_logs.c.service_id == service_id, call_logs.c.request_timestamp >= since)
        .where(call_logs.c.kind == "attempt")
        .order_by(call_logs.c.log_id.desc())
        .limit(_MOST)
        .subquery()
    )
    count = func.count(distinct(newest.c.call_id))
    query = select(newest.c.integration_point, count).group_by(newest.c.integration_point)
    query = query.order_by(count.desc(), newest.c.integration_point)
    return [(name, calls) for name, calls in connection.execute(query)]
