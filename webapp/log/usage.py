"""Which places in business code use a service; never more than its newest 10,000 attempts are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from webapp.log.days import id_range
from webapp.log.reading import Reading
from webapp.log.tables import call_logs

_MOST, _LEFT = 10_000, "left"


def points(log: Reading, service_id: str, since: datetime) -> list[tuple[str | None, int]]:
    """Integration points with their calls since then, the busiest first; None stands for calls that name none."""
    query = (
        select(call_logs.c.integration_point, call_logs.c.call_id)
        .where(call_logs.c.service_id == service_id, call_logs.c.request_timestamp >= since)
        .where(call_logs.c.kind == "attempt")
        .order_by(call_logs.c.log_id.desc())
        .limit(bindparam(_LEFT))
    )
    looked_at, calls = 0, set[tuple[str | None, int]]()

    def ask(connection: Connection, _low: int, _high: int) -> Sequence[Row[Any, Any]]:
        return connection.execute(query, {_LEFT: _MOST - looked_at}).all()

    for rows in log.each(ask, *id_range(log.days, since, None)):
        looked_at += len(rows)
        calls.update((row.integration_point, row.call_id) for row in rows)
    counts = Counter(point for point, _ in calls)
    return sorted(counts.items(), key=lambda one: (-one[1], one[0] is not None, one[0] or ""))
