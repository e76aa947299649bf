"""The rows of key management: which processes can use which keys, and the jobs that move rows to newer ones."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, Uuid, utcnow


class KeyProcess(Base):
    """A running process and the fingerprints of the keys it can use; it says so again every few seconds."""

    __tablename__ = "key_processes"

    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))  # web, worker or another word for what it does
    host: Mapped[str] = mapped_column(String(80))
    pid: Mapped[int]
    fingerprints: Mapped[list[str]]
    started_at: Mapped[datetime] = mapped_column(default=utcnow)
    seen_at: Mapped[datetime] = mapped_column(default=utcnow)


class KeyJob(Base):
    """One rewrap, rotation, re-encryption or examination: what was asked for, how far it is, how it ended."""

    __tablename__ = "key_jobs"
    __table_args__ = (Index("ix_key_jobs_state", "state"),)

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    kind: Mapped[str] = mapped_column(String(20))  # rewrap, rotate, reencrypt or doctor
    state: Mapped[str] = mapped_column(String(10), default="waiting")  # waiting, running, done or failed
    holder: Mapped[str | None] = mapped_column(String(120))
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    detail: Mapped[dict[str, Any] | None]
    actor: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    beat_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
