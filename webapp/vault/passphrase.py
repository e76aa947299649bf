"""What a passphrase protects outside the database: the key made of it by argon2id, and values sealed under that."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from typing import Any

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.vault.envelope import KEY_BYTES, NONCE_BYTES, associated
from webapp.vault.errors import Corrupt

MEMORY, PASSES, LANES = 65536, 3, 4
LEAST = 12
SALT_BYTES = 16
_LIMITS = {"memory": (8192, 256 * 1024), "passes": (1, 10), "lanes": (1, 16)}


class Passphrase:
    """A passphrase that was turned into a key; `header` is what has to be kept beside the values."""

    def __init__(self, passphrase: str, header: Mapping[str, Any]) -> None:
        """Stretch a passphrase as a header says. Raises ValueError for a header that is none."""
        self.header = checked(header)
        self._key = AESGCM(stretched(passphrase, self.header))

    @classmethod
    def new(cls, passphrase: str) -> Passphrase:
        """Stretch a passphrase with a fresh salt. Raises ValueError for a short one."""
        if len(passphrase) < LEAST:
            raise ValueError("This passphrase is too short.")
        salt = base64.b64encode(secrets.token_bytes(SALT_BYTES)).decode()
        return cls(passphrase, {"memory": MEMORY, "passes": PASSES, "lanes": LANES, "salt": salt})

    def seal(self, value: str, *place: str) -> str:
        """Encrypt a value for one place: it opens nowhere else."""
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(nonce + self._key.encrypt(nonce, value.encode(), associated(*place))).decode()

    def open(self, text: str, *place: str) -> str:
        """Decrypt a value for its place; raises Corrupt."""
        try:
            packed = base64.b64decode(text, validate=True)
            opened = self._key.decrypt(packed[:NONCE_BYTES], packed[NONCE_BYTES:], associated(*place))
        except (InvalidTag, ValueError, binascii.Error):
            raise Corrupt("The passphrase does not fit, or the value was changed or moved.") from None
        return opened.decode()


def checked(header: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a header, bounded, because they decide how much memory we take; raises ValueError."""
    found = {name: header.get(name) for name in (*_LIMITS, "salt")}
    for name, (low, high) in _LIMITS.items():
        number = found[name]
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise ValueError(name)
    if not isinstance(found["salt"], str) or len(base64.b64decode(found["salt"], validate=True)) < SALT_BYTES:
        raise ValueError("salt")
    return found


def stretched(passphrase: str, header: Mapping[str, Any]) -> bytes:
    """Make a key of a passphrase, slowly."""
    salt = base64.b64decode(header["salt"], validate=True)
    return hash_secret_raw(
        passphrase.encode(), salt, header["passes"], header["memory"], header["lanes"], KEY_BYTES, Type.ID
    )
