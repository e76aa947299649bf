"""Passkeys: the public halves of keys that people's devices hold."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, BigId, Uuid, utcnow


class Passkey(Base):
    """One passkey of a person; nothing here is secret."""

    __tablename__ = "passkeys"
    __table_args__ = (
        Index("ix_passkeys_user_id", "user_id"),
        Index("uq_passkeys_credential_id", "credential_id", unique=True),
    )

    passkey_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    user_id: Mapped[str] = mapped_column(Uuid, ForeignKey("users.user_id", ondelete="CASCADE"))
    credential_id: Mapped[str] = mapped_column(String(1400))  # base64url, as the browser names it
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigId, default=0)  # a device that goes back was copied
    name: Mapped[str] = mapped_column(String(120))
    is_synced: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    last_used_at: Mapped[datetime | None]
