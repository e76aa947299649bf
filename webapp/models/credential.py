"""Credentials in time: the next and the previous value of a secret, and reminders of what ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, Uuid, utcnow

NEXT, PREVIOUS = "next", "previous"


class StagedSecret(Base):
    """A sealed value beside the one in use: waiting to be promoted, or kept for a while after it was replaced."""

    __tablename__ = "staged_secrets"
    __table_args__ = (Index("ix_staged_secrets_until", "until"),)

    service_id: Mapped[str] = mapped_column(
        Uuid, ForeignKey("services.service_id", ondelete="CASCADE"), primary_key=True
    )
    field: Mapped[str] = mapped_column(String(120), primary_key=True)
    stage: Mapped[str] = mapped_column(String(10), primary_key=True)  # next or previous
    secret_id: Mapped[str] = mapped_column(Uuid, ForeignKey("secrets.id", ondelete="CASCADE"))
    settings: Mapped[dict[str, Any] | None]  # plain settings that go with this value, such as the id of a key
    until: Mapped[datetime | None]  # when a previous value is wiped
    added_by: Mapped[str] = mapped_column(String(254))
    added_at: Mapped[datetime] = mapped_column(default=utcnow)
    tested_at: Mapped[datetime | None]
    tested_verdict: Mapped[str | None] = mapped_column(String(20))
    used_at: Mapped[datetime | None]  # when a previous value last stood in for the current one


class ExpiryReminder(Base):
    """That something ends in so many days; written once for each step on the way."""

    __tablename__ = "expiry_reminders"
    __table_args__ = (
        UniqueConstraint("subject", "expires_at", "days"),
        Index("ix_expiry_reminders_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    service_id: Mapped[str | None] = mapped_column(
        Uuid, ForeignKey("services.service_id", ondelete="CASCADE")
    )
    subject: Mapped[str] = mapped_column(String(200))  # such as `secret:<service_id>:api_key`
    field: Mapped[str | None] = mapped_column(String(120))
    days: Mapped[int]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
