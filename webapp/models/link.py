"""Linked accounts: what people allowed us to do with their accounts elsewhere, and what used it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, Json, Uuid, utcnow
from webapp.models.secret import SEALED

_LIVE = text("ended_at IS NULL")
_FAILED = text("failure IS NOT NULL")


class Link(Base):
    """One account at a provider that belongs to one person here. Ended ones stay for a while, without tokens."""

    __tablename__ = "links"
    __table_args__ = (
        Index(
            "uq_links_live_person",
            "user_id",
            "service_id",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index(
            "uq_links_live_account",
            "service_id",
            "account_id",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index("ix_links_user_id", "user_id"),
        Index("ix_links_service_id_state", "service_id", "state", "link_id"),
        Index("ix_links_refresh_due_at", "refresh_due_at"),
        Index(
            "ix_links_service_id_failure",
            "service_id",
            "failure",
            sqlite_where=_FAILED,
            postgresql_where=_FAILED,
        ),
    )

    link_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    user_id: Mapped[str] = mapped_column(Uuid, ForeignKey("users.user_id", ondelete="CASCADE"))
    service_id: Mapped[str] = mapped_column(Uuid, ForeignKey("services.service_id", ondelete="CASCADE"))
    account_id: Mapped[str] = mapped_column(String(255))  # the provider's own number of the account
    account_label: Mapped[str] = mapped_column(String(255))  # a name or address that its owner recognises
    asked: Mapped[list[str]] = mapped_column(Json, default=list)  # the scopes we asked for
    scopes: Mapped[list[str]] = mapped_column(Json, default=list)  # and those that were granted
    state: Mapped[str] = mapped_column(String(20), default="active")  # active, needs_sign_in or ended
    linked_at: Mapped[datetime] = mapped_column(default=utcnow)
    ended_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_by: Mapped[str | None] = mapped_column(String(120))  # the integration point
    seen_at: Mapped[datetime | None]  # when its owner last put the notices about it away
    asked_again_at: Mapped[datetime | None]  # when an administrator asked its owner to sign in again
    # The tokens: how long they last and when they are due for renewal, never what they are.
    expires_at: Mapped[datetime | None]
    refresh_expires_at: Mapped[datetime | None]
    can_refresh: Mapped[bool] = mapped_column(default=False)
    refreshed_at: Mapped[datetime | None]
    refresh_due_at: Mapped[datetime | None]
    generation: Mapped[int] = mapped_column(
        default=1
    )  # grows with every new token: what a renewal is compared with
    lease_until: Mapped[datetime | None]  # who renews holds this, longer than any request lasts
    lease_by: Mapped[str | None] = mapped_column(Uuid)
    # What went wrong last, and how often in a row; an outage counts as a failure, never as a refusal.
    failure: Mapped[str | None] = mapped_column(String(60))
    failed_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    refusals: Mapped[int] = mapped_column(default=0)


class LinkTokens(Base):
    """The tokens of a link as one sealed value; made anew with every renewal, gone with the link."""

    __tablename__ = "link_tokens"
    __table_args__ = (Index("ix_link_tokens_dek_id", "dek_id"),)

    id: Mapped[str] = mapped_column(Uuid, ForeignKey("links.link_id", ondelete="CASCADE"), primary_key=True)
    dek_id: Mapped[str] = mapped_column(Uuid, ForeignKey("data_keys.id", ondelete="RESTRICT"))
    ct: Mapped[str] = mapped_column(Text, info=SEALED)
    rev: Mapped[int] = mapped_column(default=1)


class LinkAttempt(Base):
    """A person on the way to a provider and back. Only hashes are kept; coming back uses the row up."""

    __tablename__ = "link_attempts"
    __table_args__ = (Index("ix_link_attempts_expires_at", "expires_at"),)

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(Uuid, ForeignKey("users.user_id", ondelete="CASCADE"))
    service_id: Mapped[str] = mapped_column(Uuid, ForeignKey("services.service_id", ondelete="CASCADE"))
    account_hash: Mapped[str | None] = mapped_column(
        String(64)
    )  # the other account its owner agreed to change to
    redirect_uri: Mapped[str] = mapped_column(String(2048))
    target: Mapped[str] = mapped_column(String(2048))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    expires_at: Mapped[datetime]


class LinkUsage(Base):
    """How often one place in business code used a link on one day (UTC)."""

    __tablename__ = "link_usage"

    link_id: Mapped[str] = mapped_column(
        Uuid, ForeignKey("links.link_id", ondelete="CASCADE"), primary_key=True
    )
    point: Mapped[str] = mapped_column(String(120), primary_key=True)  # empty for calls that name none
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    calls: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
