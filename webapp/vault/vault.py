"""The vault: seals and opens secrets, and knows whether it can."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from collections.abc import Iterable
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session, sessionmaker

from adapters.kit.clock import Clock
from webapp.config import Config
from webapp.db import begin_write
from webapp.ids import uuid7
from webapp.models.secret import DataKey, Secret
from webapp.vault import canary, rows
from webapp.vault.errors import KeyRefused, KeysLocked, ProviderError, SecretUnreadable, word
from webapp.vault.keyring import Keyring
from webapp.vault.keyset import Keyset
from webapp.vault.providers import load_keyset
from webapp.vault.references import Reference
from webapp.vault.resolver import Resolver
from webapp.vault.sources import find_secret
from webapp.vault.state import VaultState

CHECK_EVERY_S = 3600.0
CHECK_LOCKED_EVERY_S = 5.0  # so that a key that was put back is noticed without a restart
HINT_CHARACTERS = 4
HINT_LEAST = 12  # of a shorter secret, four characters would tell too much

_log = logging.getLogger(__name__)


class Vault:
    """Envelope encryption: a provider's key wraps data keys, one per scope, and those seal single values."""

    def __init__(self, config: Config, sessions: sessionmaker[Session], clock: Clock) -> None:
        self._config = config
        self._sessions = sessions
        self._clock = clock
        self._secret = find_secret(config)
        self._keyring = Keyring(clock.monotonic)
        self.references = Resolver(config.places, clock.monotonic)
        self._checking = threading.Lock()
        self._keys = Keyset()
        self._state = VaultState(locked=True, reason="not_initialised")
        self._seen = self._state
        self._checked = clock.monotonic()

    @classmethod
    def create(cls, config: Config, sessions: sessionmaker[Session], clock: Clock) -> Vault:
        """Open the vault, making its keys on the first run; raises KeyRefused for a key it may not use."""
        vault = cls(config, sessions, clock)
        vault.prepare()
        return vault

    def prepare(self) -> VaultState:
        """Look for the key and try it on the check value; to be called again after the first migration."""
        with self._checking:
            self._keyring.clear()
            self._keys, self._state = self._look()
            self._seen = self._state
            return self._state

    def state(self) -> VaultState:
        """Say whether secrets can be used; looks again from time to time."""
        age = self._clock.monotonic() - self._checked
        due = age >= (CHECK_LOCKED_EVERY_S if self._state.locked else CHECK_EVERY_S)
        if due and self._checking.acquire(blocking=False):
            try:
                self._look_again()
            finally:
                self._checking.release()
        return self._state

    def check(self) -> VaultState:
        """Try the key on the check value now, unless that was done a moment ago, and say what came of it.

        A provider that is away is told of here although secrets may still open from the cache.
        """
        age = self._clock.monotonic() - self._checked
        if age >= CHECK_LOCKED_EVERY_S and self._checking.acquire(blocking=False):
            try:
                self._look_again()
            finally:
                self._checking.release()
        return self._seen

    def derive(self, label: bytes, length: int = 32) -> bytes:
        """Derive a key for one purpose from the installation's secret; works in locked mode, too."""
        return HKDF(hashes.SHA256(), length, salt=None, info=b"patchbay/1/" + label).derive(self._secret)

    def seal(
        self,
        session: Session,
        *,
        scope: str,
        owner_type: str,
        owner_id: str,
        field: str,
        value: str,
        actor: str,
        show_last4: bool = False,
        expires_at: datetime | None = None,
    ) -> Secret:
        """Add a new version of a secret to the session; raises KeysLocked."""
        keys = self._unlocked()
        begin_write(session, f"data key {scope}")
        now = self._clock.now()
        secret = Secret(id=uuid7(), owner_type=owner_type, owner_id=owner_id, field=field)
        secret.created_by, secret.created_at, secret.expires_at = actor, now, expires_at
        try:
            data_key = rows.active_key(session, keys, scope, now)
            secret.dek_id = data_key.id
            rows.seal_into(secret, self.key_of(data_key), value)
        except ProviderError as error:
            raise KeysLocked(word(error)) from error
        secret.version = rows.next_version(session, owner_type, owner_id, field)
        secret.fp = self._fingerprint(value)
        secret.hint = value[-HINT_CHARACTERS:] if show_last4 and len(value) >= HINT_LEAST else None
        data_key.enc_count = DataKey.enc_count + 1
        session.add(secret)
        session.flush()
        return secret

    def data_key(self, session: Session, scope: str) -> DataKey:
        """Return the data key that seals in a scope, for tables with ciphertext of their own; raises KeysLocked."""
        keys = self._unlocked()
        query = select(DataKey).where(DataKey.scope == scope, DataKey.state == "active")
        if (known := session.scalars(query).one_or_none()) is not None:
            return known
        begin_write(session, f"data key {scope}")
        try:
            return rows.active_key(session, keys, scope, self._clock.now())
        except ProviderError as error:
            raise KeysLocked(word(error)) from error

    def refer(
        self,
        session: Session,
        *,
        scope: str,
        owner_type: str,
        owner_id: str,
        field: str,
        reference: Reference,
        actor: str,
        expires_at: datetime | None = None,
    ) -> Secret:
        """Add a new version of a secret that stays elsewhere; raises BadReference for what may not be reached."""
        reference.check(self._config.places.references)
        begin_write(session, f"data key {scope}")
        secret = Secret(id=uuid7(), owner_type=owner_type, owner_id=owner_id, field=field, kind="ref")
        secret.created_by, secret.created_at, secret.expires_at = actor, self._clock.now(), expires_at
        secret.ref_uri = reference.uri
        secret.version = rows.next_version(session, owner_type, owner_id, field)
        session.add(secret)
        session.flush()
        return secret

    def open(self, session: Session, secret_id: str) -> str:
        """Return the value of a secret; raises SecretUnreadable, and never returns what was not sealed."""
        secret = session.get(Secret, secret_id)
        if secret is None:
            raise SecretUnreadable(secret_id, "missing")
        if secret.kind == "ref":
            return self._resolved(secret.id, secret.ref_uri or "")
        data_key = rows.key_of(session, secret)
        if self.state().locked:
            raise SecretUnreadable(secret_id, "locked", data_key.id)
        try:
            return rows.unseal_from(secret, self.key_of(data_key), data_key.id)
        except ProviderError as error:
            raise SecretUnreadable(secret_id, word(error), data_key.id) from error

    def is_same(self, secret: Secret, value: str) -> bool:
        """Whether a stored secret has this value, told by its fingerprint."""
        return secret.fp is not None and hmac.compare_digest(secret.fp, self._fingerprint(value))

    def look_up(self, reference: Reference) -> str:
        """Return what a reference names; raises SecretUnreadable."""
        return self._resolved("", reference.uri)

    def fetch_anew(self, session: Session, secret_ids: Iterable[str]) -> bool:
        """Fetch those of these secrets that are elsewhere at their next use; False when there are none."""
        query = select(Secret.ref_uri).where(Secret.id.in_(list(secret_ids)), Secret.kind == "ref")
        uris = [uri for uri in session.scalars(query) if uri]
        for uri in uris:
            self.references.forget(uri)
        return bool(uris)

    def is_elsewhere(self, session: Session, secret_ids: Iterable[str]) -> bool:
        """Whether any of these secrets is a reference."""
        ids = list(secret_ids)
        query = select(Secret.id).where(Secret.id.in_(ids), Secret.kind == "ref").limit(1)
        return bool(ids) and session.scalar(query) is not None

    def _resolved(self, secret_id: str, uri: str) -> str:
        try:
            return self.references.value(uri)
        except ProviderError as error:
            raise SecretUnreadable(secret_id or uri, f"reference_{word(error)}") from error

    @property
    def keys(self) -> Keyset:
        """The key-encryption keys of this process, whether or not the vault is locked."""
        return self._keys

    @property
    def epoch(self) -> int:
        """Changes whenever opened secrets have to be opened again: after a rotation, a revocation, a key's return."""
        return self._keyring.cleared

    def key_of(self, data_key: DataKey) -> AESGCM:
        """Return a data key ready for use, from the cache if it is fresh; raises the provider's errors."""
        return self._keyring.get(data_key.id, lambda: self._keys.unwrap(data_key))

    def refresh(self) -> None:
        """Take up keys that were added since, without a restart; a bad key file changes nothing."""
        try:
            self._keys = load_keyset(self._config, self._keys)
        except KeyRefused as error:
            _log.error("%s", error)

    def forget(self) -> None:
        """Forget the unwrapped data keys, so that the next use asks their provider."""
        self._keyring.clear()
        self.references.forget()

    def _look(self) -> canary.Opened:
        self._checked = self._clock.monotonic()
        with self._sessions() as session:
            if not inspect(session.connection()).has_table("keystore_meta"):
                return self._keys, VaultState(locked=True, reason="not_initialised")
            opened = canary.open_keystore(session, self._config, self._clock.now(), self._keys)
            session.commit()
        return opened

    def _look_again(self) -> None:
        """Notice a key that came back or stopped fitting; a provider that is merely away changes nothing."""
        try:
            keys, state = self._look()
        except KeyRefused as error:
            _log.error("%s", error)
            self._seen = VaultState(locked=True, reason="key_missing")
            return
        self._seen = state
        if state.reason in canary.REFUSALS.values() and not self._state.locked:
            _log.warning("The key provider: %s", state.message)
            return
        if state.locked != self._state.locked:
            self._keyring.clear()
        self._keys, self._state = keys, state

    def _unlocked(self) -> Keyset:
        state = self.state()
        if state.locked:
            raise KeysLocked(state.reason, state.missing_fingerprint)
        return self._keys

    def _fingerprint(self, value: str) -> str:
        """Tell equal secrets apart from different ones, without the value."""
        return hmac.digest(self.derive(b"secret fingerprint"), value.encode(), hashlib.sha256)[:8].hex()
