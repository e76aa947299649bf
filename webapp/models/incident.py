"""Incidents: a time in which a service, or everything at once, was not well, and what people said about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, BigId, Json, Uuid


class Incident(Base):
    """One trouble from its beginning to its end; `subject` is a service's id, or `network` for trouble of our own."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index(
            "uq_incidents_open_subject",
            "subject",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_incidents_opened_at", "opened_at"),
        Index("ix_incidents_subject_opened_at", "subject", "opened_at"),
    )

    incident_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    subject: Mapped[str] = mapped_column(Uuid)
    service_name: Mapped[str | None] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(20))  # the worst it has been: degraded, down, reauth or network
    code: Mapped[str | None] = mapped_column(String(60))
    message: Mapped[dict[str, Any] | None]  # what the check said when it began
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(254))
    affected_calls: Mapped[int] = mapped_column(default=0)
    affected_more: Mapped[bool] = mapped_column(default=False)
    points: Mapped[list[str]] = mapped_column(Json, default=list)
    recipients: Mapped[int] = mapped_column(default=0)
    carried_by: Mapped[dict[str, Any] | None]  # the service that took its place in a route, and how often

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return self.closed_at is None


class IncidentEntry(Base):
    """One line of the timeline of an incident."""

    __tablename__ = "incident_entries"
    __table_args__ = (Index("ix_incident_entries_incident_id", "incident_id"),)

    entry_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[str] = mapped_column(Uuid, ForeignKey("incidents.incident_id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(
        String(20)
    )  # opened, state, acknowledged, note, alert, carried or closed
    actor: Mapped[str | None] = mapped_column(String(254))
    text: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any] | None]
