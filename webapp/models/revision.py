"""A saved state of a service; every save adds one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, Uuid, utcnow


class ServiceRevision(Base):
    """What a service was after its n-th save: settings as they were, secrets as the ids of their rows."""

    __tablename__ = "service_revisions"

    service_id: Mapped[str] = mapped_column(Uuid, ForeignKey("services.service_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    actor: Mapped[str] = mapped_column(String(254))
    origin: Mapped[str] = mapped_column(String(20))  # ui, api, cli, import or restore
    note: Mapped[str | None] = mapped_column(Text)
    snapshot: Mapped[dict[str, Any]]
    secrets: Mapped[dict[str, str]] = mapped_column(default=dict)
    tested_at: Mapped[datetime | None]
    tested_verdict: Mapped[str | None] = mapped_column(String(20))
