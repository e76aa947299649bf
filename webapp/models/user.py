"""A person with an account."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column, validates

from webapp.ids import uuid7
from webapp.models.base import Base, Uuid, utcnow


class User(Base):
    """Someone who signs in: who they are, what they may do and how they like the pages."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_identity", "identity", unique=True),)
    is_authenticated: ClassVar[bool] = True  # what flask-login asks; visitors are not users

    user_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120), default="")
    role: Mapped[str] = mapped_column(String(20))  # owner, admin, operator, viewer or member
    password_hash: Mapped[str | None] = mapped_column(String(255))
    identity: Mapped[str | None] = mapped_column(String(255))  # issuer and subject at the sign-in provider
    locale: Mapped[str | None] = mapped_column(String(20))
    timezone: Mapped[str | None] = mapped_column(String(64))
    theme: Mapped[str | None] = mapped_column(String(10))
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    last_login_at: Mapped[datetime | None]

    @validates("email")
    def _fold(self, _attribute: str, email: str) -> str:
        """Keep addresses in lower case, so that one person cannot have two accounts by a capital letter."""
        return email.strip().lower()
