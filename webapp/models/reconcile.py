"""A call whose outcome nobody knows, until the vendor or a person says what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, BigId, Uuid, utcnow

# Someone still has to say what became of it.
OPEN = ("waiting", "needs_attention")
# Somebody or the vendor has said it.
DECIDED = ("succeeded", "failed", "resent")


class ReconcileItem(Base):
    """One call that ended unknown: what it was, when the vendor is asked next, and what was decided.

    `params_id` points at the sealed parameters of the call, kept only until it is decided.
    """

    __tablename__ = "reconcile_items"
    __table_args__ = (
        Index("ix_reconcile_items_state_call_id", "state", "call_id"),
        Index("ix_reconcile_items_next_lookup_at", "next_lookup_at"),
    )

    call_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(20))  # a word of OPEN or DECIDED
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    operation: Mapped[str] = mapped_column(String(80))
    service_id: Mapped[str | None] = mapped_column(Uuid)
    service_type: Mapped[str | None] = mapped_column(String(80))
    integration_point: Mapped[str | None] = mapped_column(String(120))
    correlation_id: Mapped[str | None] = mapped_column(String(128))
    caller: Mapped[str | None] = mapped_column(Text)
    recipient_mask: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(String(60))  # why it is not known
    params_id: Mapped[str | None] = mapped_column(ForeignKey("secrets.id", ondelete="SET NULL"))
    lookups: Mapped[int] = mapped_column(default=0)
    next_lookup_at: Mapped[datetime | None]
    looked_up_at: Mapped[datetime | None]
    lookup_message: Mapped[dict[str, Any] | None]  # what the vendor said last, as a message
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(254))
    note: Mapped[str | None] = mapped_column(Text)
    resent_call_id: Mapped[int | None] = mapped_column(BigId)
