"""The rows of envelope encryption: key-encryption keys, data keys, secrets and facts about the key store."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.ids import uuid7
from webapp.models.base import Base, Uuid, utcnow

# Marks a column of ciphertext, which key rotation has to reach: `mapped_column(Text, info=SEALED)`.
SEALED = {"sealed": True}


class Kek(Base):
    """A key-encryption key that once wrapped data keys; the key itself is never here, only how to know it."""

    __tablename__ = "keks"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    uri: Mapped[str] = mapped_column(String(500))
    fingerprint: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(10))  # primary, decrypt, retired or destroyed
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    retired_at: Mapped[datetime | None]


class DataKey(Base):
    """A wrapped data key of one scope; at most one key of a scope is active, older ones only decrypt."""

    __tablename__ = "data_keys"
    __table_args__ = (
        Index(
            "uq_data_keys_scope_active",
            "scope",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    scope: Mapped[str] = mapped_column(String(80))
    kek_id: Mapped[str] = mapped_column(ForeignKey("keks.id", ondelete="RESTRICT"))
    wrapped: Mapped[str] = mapped_column(Text, info=SEALED)
    alg: Mapped[str] = mapped_column(String(20), default="AES-256-GCM")
    state: Mapped[str] = mapped_column(String(10), default="active")  # active, decrypt or destroyed
    rev: Mapped[int] = mapped_column(default=1)
    enc_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    rotated_at: Mapped[datetime | None]


class Secret(Base):
    """One sealed value; immutable apart from re-encryption, so that a revision can point at an old one."""

    __tablename__ = "secrets"
    __table_args__ = (
        # Without this index, re-encrypting the rows of a data key reads the whole table.
        Index("ix_secrets_dek_id", "dek_id"),
        UniqueConstraint("owner_type", "owner_id", "field", "version"),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    owner_type: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[str] = mapped_column(String(80))
    field: Mapped[str] = mapped_column(String(120))
    version: Mapped[int]
    dek_id: Mapped[str | None] = mapped_column(ForeignKey("data_keys.id", ondelete="RESTRICT"))
    ct: Mapped[str | None] = mapped_column(Text, info=SEALED)
    rev: Mapped[int] = mapped_column(default=1)
    kind: Mapped[str] = mapped_column(String(10), default="value")  # value or ref
    ref_uri: Mapped[str | None] = mapped_column(String(500))
    fp: Mapped[str | None] = mapped_column(String(16))  # tells equal values apart from different ones
    hint: Mapped[str | None] = mapped_column(String(4))  # the last characters, where the setting permits it
    expires_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    last_used_at: Mapped[datetime | None]


class KeystoreMeta(Base):
    """A named fact about the key store, such as where its canary is."""

    __tablename__ = "keystore_meta"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
