"""A route: services in the order in which a call tries them, under one name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, utcnow


class Route(Base):
    """A named preference list over services of one contract."""

    __tablename__ = "routes"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    contract: Mapped[str] = mapped_column(String(80))
    description: Mapped[str | None] = mapped_column(Text)
    members: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)
