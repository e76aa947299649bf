"""Alerts: where they go, who is told what, and what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, BigId, Json, Uuid


class AlertChannel(Base):
    """One way to reach people: a route and recipients, or a webhook whose address is sealed."""

    __tablename__ = "alert_channels"

    channel_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(10))  # email, sms, http or webhook
    route: Mapped[str | None] = mapped_column(String(80))
    recipients: Mapped[list[str]] = mapped_column(Json, default=list)
    options: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    secret_id: Mapped[str | None] = mapped_column(Uuid, ForeignKey("secrets.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(default=1, server_default="1")  # grows with each change
    worked_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(60))
    tested_at: Mapped[datetime | None]  # the daily self-test


class AlertRule(Base):
    """Who is told of which states of which services, after how long, and how often again."""

    __tablename__ = "alert_rules"

    rule_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    services: Mapped[list[str]] = mapped_column(Json, default=list)  # none means all
    states: Mapped[list[str]] = mapped_column(Json)
    after_s: Mapped[int] = mapped_column(default=0)
    channels: Mapped[list[str]] = mapped_column(Json)  # in the order in which they are tried
    remind_every_s: Mapped[int | None]
    digest_s: Mapped[int | None]
    quiet_from: Mapped[str | None] = mapped_column(String(5))
    quiet_to: Mapped[str | None] = mapped_column(String(5))
    time_zone: Mapped[str] = mapped_column(String(60), default="UTC")
    created_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(default=1, server_default="1")


class AlertDelivery(Base):
    """One message to be sent, and what became of it. Its key is unique, so that no leader sends it twice."""

    __tablename__ = "alert_deliveries"
    __table_args__ = (
        Index("ix_alert_deliveries_status_due_at", "status", "due_at"),
        Index("ix_alert_deliveries_incident_id", "incident_id"),
    )

    delivery_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(12))  # problem, recovery, reminder, fallback or test
    rule_id: Mapped[str | None] = mapped_column(Uuid)
    incident_id: Mapped[str | None] = mapped_column(Uuid)
    channels: Mapped[list[str]] = mapped_column(Json)
    step: Mapped[int] = mapped_column(default=0)  # which of the channels is next
    tries: Mapped[int] = mapped_column(default=0)  # how often that channel was tried
    status: Mapped[str] = mapped_column(String(12))  # waiting, sent, failed or dropped
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reached: Mapped[str | None] = mapped_column(Uuid)  # the channel that took it
    code: Mapped[str | None] = mapped_column(String(60))
    text: Mapped[str | None] = mapped_column(Text)
