"""How people prove who they are besides the password: second factors, recovery codes and one-time links."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, BigId, Uuid, utcnow


class SecondFactor(Base):
    """The authenticator app of a person; its seed is a sealed secret. It counts once a code of it was given."""

    __tablename__ = "second_factors"

    user_id: Mapped[str] = mapped_column(
        Uuid, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True
    )
    secret_id: Mapped[str | None] = mapped_column(Uuid, ForeignKey("secrets.id", ondelete="SET NULL"))
    pending_id: Mapped[str | None] = mapped_column(Uuid, ForeignKey("secrets.id", ondelete="SET NULL"))
    last_step: Mapped[int] = mapped_column(
        BigId, default=0
    )  # of the last code that was taken; each works once
    confirmed_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """One way back in without the authenticator app; works once, and only its argon2id hash is kept."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_user_id", "user_id"),)

    code_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    user_id: Mapped[str] = mapped_column(Uuid, ForeignKey("users.user_id", ondelete="CASCADE"))
    hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    used_at: Mapped[datetime | None]


class AccountLink(Base):
    """A link that lets a person choose a password, once; only the SHA-256 of its text is kept."""

    __tablename__ = "account_links"
    __table_args__ = (Index("ix_account_links_user_id", "user_id"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(Uuid, ForeignKey("users.user_id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(10))  # invite or reset
    created_by: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
