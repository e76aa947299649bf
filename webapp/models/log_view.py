"""What people keep beside the call log: searches, and what calls asked for so that they can be made again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, BigId, Uuid, utcnow


class LogView(Base):
    """A saved search of the log: the parameters of its address, for one person or for everybody."""

    __tablename__ = "log_views"
    __table_args__ = (UniqueConstraint("owner", "name"), Index("ix_log_views_is_shared", "is_shared"))

    view_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(String(80))
    search: Mapped[dict[str, str]]
    owner: Mapped[str] = mapped_column(String(60))  # user:<id> or token:<id>
    owner_name: Mapped[str] = mapped_column(String(254))
    is_shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)


class KeptInput(Base):
    """What a call asked for, sealed as a secret, of services that keep it; gone with the bodies of the log."""

    __tablename__ = "kept_inputs"
    __table_args__ = (Index("ix_kept_inputs_created_at", "created_at"),)

    call_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    params_id: Mapped[str] = mapped_column(ForeignKey("secrets.id", ondelete="CASCADE"))


class CallReplay(Base):
    """A call that was made by making an earlier one again, and by whom."""

    __tablename__ = "call_replays"
    __table_args__ = (
        Index("ix_call_replays_original_id", "original_id"),
        Index("ix_call_replays_created_at", "created_at"),
    )

    call_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    original_id: Mapped[int] = mapped_column(BigId)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    actor: Mapped[str] = mapped_column(String(254))
