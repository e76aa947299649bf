"""The health of services and the leases of the jobs that look after it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, BigId, Json, Uuid


class ServiceHealth(Base):
    """What the last check of a service said, and since when it says so."""

    __tablename__ = "service_health"
    __table_args__ = (
        Index(
            "ix_service_health_gate",
            "gate",
            sqlite_where=text("gate IS NOT NULL"),
            postgresql_where=text("gate IS NOT NULL"),
        ),
    )

    service_id: Mapped[str] = mapped_column(
        Uuid, ForeignKey("services.service_id", ondelete="CASCADE"), primary_key=True
    )
    state: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    latency_ms: Mapped[int | None]
    code: Mapped[str | None] = mapped_column(String(60))
    detail: Mapped[dict[str, Any] | None]
    consecutive_failures: Mapped[int] = mapped_column(default=0)
    # The newest checks as one mark each, the newest last: see webapp.monitor.states.
    marks: Mapped[str] = mapped_column(String(40), default="", server_default="")
    falls: Mapped[list[str] | None] = mapped_column(Json)  # when it went down lately, as ISO moments
    # Seconds since 1970 and thousandths of the interval: a database adds them up to when the next check is due.
    checked_s: Mapped[int | None] = mapped_column(BigId)
    spread: Mapped[int] = mapped_column(default=1000, server_default="1000")
    probed_at: Mapped[datetime | None]  # the last check that went out, rather than one read off the call log
    maintenance_until: Mapped[datetime | None]
    # The breaker as the leading process saw it last: open (until when) or half_open; empty while it is closed.
    gate: Mapped[str | None] = mapped_column(String(12))
    gate_until: Mapped[datetime | None]


class HealthCheck(Base):
    """One check of a service, with its stages; kept for two days."""

    __tablename__ = "health_checks"
    __table_args__ = (
        Index("ix_health_checks_service_id_at", "service_id", "at"),
        Index("ix_health_checks_at", "at"),
    )

    check_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    service_id: Mapped[str] = mapped_column(Uuid)
    at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(10))  # probe or traffic
    mark: Mapped[str] = mapped_column(String(1))
    state: Mapped[str] = mapped_column(String(20))
    verdict: Mapped[str] = mapped_column(String(20))
    code: Mapped[str | None] = mapped_column(String(60))
    latency_ms: Mapped[int]
    stages: Mapped[list[Any]]


class HealthHour(Base):
    """The checks of a service in one hour; kept for 90 days."""

    __tablename__ = "health_hours"
    __table_args__ = (Index("ix_health_hours_start", "start"),)

    service_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    start: Mapped[datetime] = mapped_column(primary_key=True)
    up: Mapped[int] = mapped_column(default=0)
    warned: Mapped[int] = mapped_column(default=0)
    down: Mapped[int] = mapped_column(default=0)
    excused: Mapped[int] = mapped_column(default=0)  # failed during maintenance
    latency_sum: Mapped[int] = mapped_column(BigId, default=0)
    latencies: Mapped[dict[str, Any] | None]  # how many checks took how long: see webapp.monitor.rollup


class HealthDay(Base):
    """The checks of a service in one day of UTC; kept for 400 days."""

    __tablename__ = "health_days"
    __table_args__ = (Index("ix_health_days_start", "start"),)

    service_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    start: Mapped[datetime] = mapped_column(primary_key=True)
    up: Mapped[int] = mapped_column(default=0)
    warned: Mapped[int] = mapped_column(default=0)
    down: Mapped[int] = mapped_column(default=0)
    excused: Mapped[int] = mapped_column(default=0)
    latency_sum: Mapped[int] = mapped_column(BigId, default=0)
    latencies: Mapped[dict[str, Any] | None]


class Lease(Base):
    """Who may do a job that only one process may do, and until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime]


class MonitorSetting(Base):
    """A setting of the monitor that has no place of its own: the public status page, the salt of badges."""

    __tablename__ = "monitor_settings"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[dict[str, Any]]
