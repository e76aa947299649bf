"""Which places in business code use a name, read off the newest calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from webapp.log.tables import calls

NEWEST = 2_000


@dataclass(frozen=True, slots=True)
class PointUse:
    """An integration point (None for calls that named none), how often it called, and when last."""

    point: str | None
    calls: int
    last_at: datetime


def points_of(connection: Connection, via: str) -> Sequence[PointUse]:
    """The integration points whose calls named this route, type or contract; looks at the newest 2,000 calls only."""
    query = select(calls.c.integration_point, calls.c.created_at, calls.c.candidates)
    found: dict[str | None, PointUse] = {}
    for row in connection.execute(query.order_by(calls.c.call_id.desc()).limit(NEWEST)):
        if any(candidate.get("via") == via for candidate in row.candidates or ()):
            before = found.get(row.integration_point)
            last_at = before.last_at if before else row.created_at
            count = before.calls + 1 if before else 1
            found[row.integration_point] = PointUse(row.integration_point, count, last_at)
    return sorted(found.values(), key=lambda use: (-use.calls, use.point or ""))
