"""Maintenance: times in which trouble is expected and nobody is alarmed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, Uuid


class MaintenanceWindow(Base):
    """One window over some services, or over all when it names none; once, or again and again.

    `starts_at` and `ends_at` are those of the first time: see webapp.monitor.occurrences.
    """

    __tablename__ = "maintenance_windows"
    __table_args__ = (Index("ix_maintenance_windows_over_at", "over_at"),)

    window_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    title: Mapped[str] = mapped_column(String(120))
    services: Mapped[list[str]]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    repeats: Mapped[str | None] = mapped_column(String(10))  # daily, weekly or monthly
    time_zone: Mapped[str] = mapped_column(String(60), default="UTC", server_default="UTC")
    repeat_until: Mapped[datetime | None]  # it does not begin again after this
    skipped_until: Mapped[datetime | None]  # what began until then is over or left out
    over_at: Mapped[datetime | None]  # when the last time ends; empty while it repeats without end
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(254))
    revision: Mapped[int] = mapped_column(default=1, server_default="1")  # grows with each change
