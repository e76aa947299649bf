"""What is kept, for how long, and how much of it there is: bodies, attempts, sums and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, func, select

from adapters.kit import N_
from webapp.log import rollups_tables as sums
from webapp.log.days import MS_PER_DAY
from webapp.log.rollups_read import KEPT_S
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S
from webapp.log.sizes import DaySize
from webapp.models.health import HealthCheck
from webapp.monitor.rollup import DAILY, HOURLY, RAW

if TYPE_CHECKING:
    from webapp.config import Config
    from webapp.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing: how many there are, since when, and how many bytes where that is known."""

    label: str
    kept: timedelta
    count: int
    oldest: datetime | None
    size: int | None = None


def inventory(runtime: Runtime, days: Sequence[DaySize]) -> list[Kind]:
    """Everything that goes with time, what goes first first."""
    config = runtime.config
    with runtime.engine.connect() as connection:
        return [*_of_log(config, days), *_of_sums(connection), *_of_checks(connection)]


def start_of(day: DaySize) -> datetime:
    """When a day of the log began."""
    return datetime.fromtimestamp(day.day * MS_PER_DAY / 1000, UTC)


def _of_log(config: Config, days: Sequence[DaySize]) -> list[Kind]:
    with_bodies = [start_of(day) for day in days if day.bodies > 0]
    return [
        Kind(
            N_("Headers and bodies of attempts"),
            timedelta(days=config.log_body_retention_days),
            sum(day.bodies for day in days),
            min(with_bodies, default=None),
            sum(day.body_bytes for day in days),
        ),
        Kind(
            N_("Attempts with their calls and words"),
            timedelta(days=config.log_retention_days),
            sum(day.attempts for day in days),
            min(map(start_of, days), default=None),
            sum(day.row_bytes for day in days),
        ),
    ]


def _of_sums(connection: Connection) -> list[Kind]:
    grains = (
        (N_("Sums of minutes, for charts"), sums.minutes, MINUTE_S),
        (N_("Sums of hours, for charts"), sums.hours, HOUR_S),
        (N_("Sums of days, for charts"), sums.days, DAY_S),
    )
    found = []
    for label, table, grain_s in grains:
        count, oldest, size = _count(connection, table.c.start_s)
        began = datetime.fromtimestamp(oldest, UTC) if oldest is not None else None
        found.append(Kind(label, timedelta(seconds=KEPT_S[grain_s]), count, began, size))
    return found


def _of_checks(connection: Connection) -> list[Kind]:
    table = HealthCheck.metadata.tables
    return [
        Kind(N_("Health checks, each"), RAW, *_count(connection, table["health_checks"].c.at)),
        Kind(N_("Health by hour"), HOURLY, *_count(connection, table["health_hours"].c.start)),
        Kind(N_("Health by day"), DAILY, *_count(connection, table["health_days"].c.start)),
    ]


def _count(connection: Connection, since: Column[Any]) -> tuple[int, Any, int | None]:
    """How many rows, the oldest, and their bytes where the database tells them of a single table."""
    count, oldest = connection.execute(select(func.count(), func.min(since))).one()
    if connection.dialect.name == "sqlite":
        return count, oldest, None
    size = connection.scalar(select(func.pg_total_relation_size(since.table.name)))
    return count, oldest, size
