"""The check value: a sealed secret whose hash is known, which only the right key opens.

Its first writing is the first run: a key is made only while the database knows of none.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.config import Config
from webapp.db import begin_write
from webapp.ids import uuid7
from webapp.models.secret import DataKey, Kek, KeystoreMeta, Secret
from webapp.vault import rows
from webapp.vault.errors import Denied, KeyDisabled, ProviderError, SecretUnreadable, Unavailable
from webapp.vault.keyset import Keyset
from webapp.vault.providers import load_keyset, make_first
from webapp.vault.state import VaultState

FORMAT = "1"
SCOPE = "system"
OWNER = ("system", "keystore", "canary")

Opened = tuple[Keyset, VaultState]
# What a provider answers when it could open the check value but will not, now.
REFUSALS = {Unavailable: "unavailable", Denied: "denied", KeyDisabled: "disabled"}


def open_keystore(session: Session, config: Config, now: datetime, known: Keyset) -> Opened:
    """Find the keys and try them on the check value; on the first run make both. Raises KeyRefused.

    Providers in `known` are kept, with their connections.
    """
    primary = _primary(session)
    if primary is None:
        begin_write(session, "keystore")
        primary = _primary(session)  # another process may have been first
    if primary is None and _untouched(session):
        return _first_run(session, config, now, known)
    return _later_run(session, load_keyset(config, known), primary)


def _primary(session: Session) -> Kek | None:
    return session.scalars(select(Kek).where(Kek.state == "primary")).one_or_none()


def _untouched(session: Session) -> bool:
    """Whether nothing was ever sealed here; a new key over old secrets would lose them."""
    return session.scalars(select(DataKey.id).limit(1)).first() is None


def _first_run(session: Session, config: Config, now: datetime, known: Keyset) -> Opened:
    provider = make_first(config, known)
    about = provider.describe()
    try:
        provider.health()
    except ProviderError as error:
        session.rollback()
        return Keyset([provider]), VaultState(True, refusal_of(error), about.fingerprint, about.fingerprint)
    session.add(
        Kek(
            id=about.id,
            kind=about.kind,
            uri=about.uri,
            fingerprint=about.fingerprint,
            state="primary",
            created_at=now,
        )
    )
    session.flush()
    keys = load_keyset(config, Keyset([provider, *known]))
    _write(session, keys, now)
    return keys, VaultState()


def _later_run(session: Session, keys: Keyset, primary: Kek | None) -> Opened:
    missing = primary.fingerprint if primary else None
    if not keys.fingerprints():
        return keys, VaultState(locked=True, reason="key_missing", missing_fingerprint=missing)
    if missing is None or keys.marked(missing) is None:
        return keys, VaultState(True, "key_differs", missing, ", ".join(keys.fingerprints()))
    lacking = _lacking(session, keys, primary)
    if lacking:
        return keys, VaultState(True, "key_missing", lacking, missing)
    try:
        intact = _is_intact(session, keys)
    except (Unavailable, Denied, KeyDisabled) as error:
        return keys, VaultState(True, refusal_of(error), missing, missing)
    return keys, VaultState() if intact else VaultState(True, "canary_failed", missing, missing)


def refusal_of(error: ProviderError) -> str:
    """The word, of REASONS, for a provider that does not do what it could."""
    return REFUSALS.get(type(error), "key_gone")


def _lacking(session: Session, keys: Keyset, primary: Kek | None) -> str | None:
    """The fingerprint of an older key that the check value still needs, when that key is not here."""
    query = (
        select(Kek)
        .join(DataKey, DataKey.kek_id == Kek.id)
        .join(Secret, Secret.dek_id == DataKey.id)
        .join(KeystoreMeta, (KeystoreMeta.name == "canary") & (KeystoreMeta.value == Secret.id))
    )
    needed = session.scalars(query).one_or_none()
    if needed is None or needed.id in keys or (primary and needed.id == primary.id):
        return None
    return needed.fingerprint


def _write(session: Session, keys: Keyset, now: datetime) -> None:
    owner_type, owner_id, field = OWNER
    data_key = rows.active_key(session, keys, SCOPE, now)
    value = secrets.token_hex(32)
    canary = Secret(
        id=uuid7(),
        owner_type=owner_type,
        owner_id=owner_id,
        field=field,
        version=1,
        dek_id=data_key.id,
        created_by="system",
        created_at=now,
    )
    rows.seal_into(canary, AESGCM(keys.unwrap(data_key)), value)
    session.add_all(
        [
            canary,
            KeystoreMeta(name="format", value=FORMAT),
            KeystoreMeta(name="canary", value=canary.id),
            KeystoreMeta(name="canary_digest", value=_digest(value)),
        ]
    )
    session.flush()


def _is_intact(session: Session, keys: Keyset) -> bool:
    """Whether the check value opens and is the one that was sealed; raises Unavailable, Denied, KeyDisabled."""
    known = {fact.name: fact.value for fact in session.scalars(select(KeystoreMeta))}
    canary = session.get(Secret, known.get("canary", ""))
    if canary is None:
        return False
    try:
        data_key = rows.key_of(session, canary)
        value = rows.unseal_from(canary, AESGCM(keys.unwrap(data_key)), data_key.id)
    except (Unavailable, Denied, KeyDisabled):
        raise
    except (ProviderError, SecretUnreadable):
        return False
    return hmac.compare_digest(_digest(value), known.get("canary_digest", ""))


def _digest(value: str) -> str:
    return hmac.digest(value.encode(), b"patchbay canary", hashlib.sha256).hex()
