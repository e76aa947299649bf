"""Key providers: what wraps and unwraps data keys, and the one that holds its key in this process."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.vault import envelope
from webapp.vault.errors import Corrupt, KeyMissing

APP = "patchbay"


@dataclass(frozen=True, slots=True)
class KeyContext:
    """What a wrapped data key is bound to: its id and the kind of its scope."""

    dek_id: str
    scope_kind: str

    @classmethod
    def of(cls, dek_id: str, scope: str) -> KeyContext:
        """Bind a data key of a scope such as `svc:0193…` or `system`."""
        return cls(dek_id, scope.partition(":")[0])


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """The key that wraps at present, in words that may be shown."""

    id: str
    kind: str
    uri: str
    fingerprint: str


class KeyProvider(Protocol):
    """Keeps key-encryption keys. Raises the provider errors of `webapp.vault.errors`, nothing else."""

    def wrap(self, dek: bytes, context: KeyContext) -> str:
        """Encrypt a data key of 32 bytes."""

    def unwrap(self, blob: str, context: KeyContext) -> bytes:
        """Decrypt a data key; what comes back has 32 bytes."""

    def rewrap(self, blobs: Sequence[tuple[str, KeyContext]]) -> list[str]:
        """Encrypt wrapped data keys anew under the present key."""

    def describe(self) -> KeyDescription:
        """Say which key wraps at present."""

    def health(self) -> None:
        """Raise when the provider could not unwrap now."""


def fingerprint(kek: bytes) -> str:
    """Name a key without telling anything about it: 16 hexadecimal digits."""
    return hmac.digest(kek, b"patchbay kek check", hashlib.sha256)[:8].hex()


class LocalKeyProvider:
    """Holds one key-encryption key in memory, read from the environment or a file."""

    def __init__(self, kek: bytes, uri: str) -> None:
        self._key = AESGCM(kek)
        mark = fingerprint(kek)
        self._description = KeyDescription(id=f"local-{mark}", kind="local", uri=uri, fingerprint=mark)

    def __repr__(self) -> str:
        return f"LocalKeyProvider({self._description.id})"

    def wrap(self, dek: bytes, context: KeyContext) -> str:
        """Encrypt a data key of 32 bytes."""
        if len(dek) != envelope.KEY_BYTES:
            raise Corrupt("A data key has 32 bytes.")
        return envelope.seal(self._key, self._description.id, dek, self._bound(context))

    def unwrap(self, blob: str, context: KeyContext) -> bytes:
        """Decrypt a data key; raises KeyMissing when another key wrapped it."""
        named = envelope.key_id_of(blob)
        if named != self._description.id:
            raise KeyMissing(f"The data key was wrapped by {named}, which is not here.")
        dek = envelope.unseal(self._key, named, blob, self._bound(context))
        if len(dek) != envelope.KEY_BYTES:
            raise Corrupt("A data key has 32 bytes.")
        return dek

    def rewrap(self, blobs: Sequence[tuple[str, KeyContext]]) -> list[str]:
        """Encrypt wrapped data keys anew."""
        return [self.wrap(self.unwrap(blob, context), context) for blob, context in blobs]

    def describe(self) -> KeyDescription:
        """Say which key this is."""
        return self._description

    def health(self) -> None:
        """A key in memory always answers."""

    def _bound(self, context: KeyContext) -> bytes:
        return envelope.associated("pb/dek/1", APP, self._description.id, context.dek_id, context.scope_kind)
