"""The rows behind the vault: data keys, versions of secrets and what each is bound to."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.ids import uuid7
from webapp.models.secret import DataKey, Kek, Secret
from webapp.vault import envelope
from webapp.vault.errors import Corrupt, KeyMissing, SecretUnreadable
from webapp.vault.keyset import Keyset
from webapp.vault.provider import KeyContext


class SealedRow(Protocol):
    """What of a secret its sealing is bound to; a row of a query will do as well as a Secret."""

    id: Any
    owner_type: Any
    owner_id: Any
    field: Any
    ct: Any


def primary_id(session: Session) -> str | None:
    """Return the id of the key that wraps at present."""
    return session.scalars(select(Kek.id).where(Kek.state == "primary")).one_or_none()


def active_key(session: Session, keys: Keyset, scope: str, now: datetime) -> DataKey:
    """Return the key that seals in a scope, making the first one; the caller holds the scope's write lock."""
    query = select(DataKey).where(DataKey.scope == scope, DataKey.state == "active")
    key = session.scalars(query).one_or_none()
    if key is None:
        key = new_key(keys, primary_id(session), scope, now)
        session.add(key)
        session.flush()
    return key


def new_key(keys: Keyset, kek_id: str | None, scope: str, now: datetime) -> DataKey:
    """Make a data key of a scope, wrapped by a key-encryption key; raises the provider's errors."""
    if kek_id is None:
        raise KeyMissing("No key is set to wrap data keys.")
    key_id = uuid7()
    blob = keys.get(kek_id).wrap(secrets.token_bytes(envelope.KEY_BYTES), KeyContext.of(key_id, scope))
    return DataKey(id=key_id, scope=scope, kek_id=kek_id, wrapped=blob, created_at=now, enc_count=0, rev=1)


def seal_into(secret: Secret, key: AESGCM, value: str) -> None:
    """Seal a value for exactly this row."""
    assert secret.dek_id is not None
    secret.ct = sealed(secret, key, secret.dek_id, value)


def sealed(secret: SealedRow, key: AESGCM, key_id: str, value: str) -> str:
    """Return a value sealed for the place of a row, under a data key."""
    return envelope.seal(key, key_id, value.encode(), _bound(secret, key_id))


def unseal_from(secret: SealedRow, key: AESGCM, key_id: str) -> str:
    """Open the value of exactly this row; raises Corrupt."""
    try:
        return envelope.unseal(key, key_id, secret.ct, _bound(secret, key_id)).decode()
    except UnicodeDecodeError:
        raise Corrupt("The sealed value is not text.") from None


def _bound(secret: SealedRow, key_id: str) -> bytes:
    """Tie a value to its row, owner, field and key, so that a swap of any of them is noticed."""
    return envelope.associated(
        "pb/sec/1", secret.id, secret.owner_type, secret.owner_id, secret.field, key_id
    )


def key_of(session: Session, secret: Secret) -> DataKey:
    """Return the data key that a sealed value names; raises SecretUnreadable."""
    try:
        key_id = envelope.key_id_of(secret.ct)
    except envelope.Malformed:
        raise SecretUnreadable(secret.id, "malformed", secret.dek_id) from None
    key = session.get(DataKey, key_id)
    if key is None:
        raise SecretUnreadable(secret.id, "unknown_key", key_id)
    if key_id != secret.dek_id:
        raise SecretUnreadable(secret.id, "corrupt", key_id)
    if key.state == "destroyed":
        raise SecretUnreadable(secret.id, "destroyed", key_id)
    return key


def next_version(session: Session, owner_type: str, owner_id: str, field: str) -> int:
    """Return the number of the next value of a field; the caller holds the scope's write lock."""
    newest = select(func.max(Secret.version)).where(
        Secret.owner_type == owner_type, Secret.owner_id == owner_id, Secret.field == field
    )
    return (session.scalar(newest) or 0) + 1
