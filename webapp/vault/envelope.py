"""The wire format of a sealed value and the associated data that ties it to its place.

    pb1.<id of the key>.<base64url of nonce, ciphertext and tag>

Anything else is an error: a plain value in the place of a sealed one is never handed back.
"""

from __future__ import annotations

import base64
import binascii
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.vault.errors import Corrupt

VERSION = "pb1"
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
_FORMAT = re.compile(r"pb1\.([A-Za-z0-9-]{1,80})\.([A-Za-z0-9_-]+)")


class Malformed(Corrupt):
    """A text that is not in the wire format at all."""


def associated(*parts: str) -> bytes:
    """Join texts so that no two different lists give the same bytes: each goes after its length."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(2) + part for part in encoded)


def seal(key: AESGCM, key_id: str, plain: bytes, bound: bytes) -> str:
    """Encrypt under a fresh random nonce."""
    nonce = os.urandom(NONCE_BYTES)
    return f"{VERSION}.{key_id}.{_encode(nonce + key.encrypt(nonce, plain, bound))}"


def key_id_of(token: str | None) -> str:
    """Return which key a sealed value names; raises Malformed."""
    return _split(token)[0]


def unseal(key: AESGCM, key_id: str, token: str | None, bound: bytes) -> bytes:
    """Decrypt; raises Malformed for another format, Corrupt for other content, place or key."""
    named, packed = _split(token)
    if named != key_id:
        raise Corrupt(f"The value was sealed under the key {named}, not {key_id}.")
    nonce, sealed = packed[:NONCE_BYTES], packed[NONCE_BYTES:]
    # The library would take nonces of other lengths; the format does not.
    if len(nonce) != NONCE_BYTES or len(sealed) < TAG_BYTES:
        raise Corrupt("The sealed value is too short.")
    try:
        return key.decrypt(nonce, sealed, bound)
    except InvalidTag:
        raise Corrupt("The sealed value was changed, or belongs elsewhere.") from None


def _split(token: str | None) -> tuple[str, bytes]:
    # A row changed by hand may hold bytes or a number, whatever the type of its column says.
    match = _FORMAT.fullmatch(token) if isinstance(token, str) else None
    if match is None:
        raise Malformed("The stored text is not a sealed value.")
    return match[1], _decode(match[2])


def _encode(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Decode strictly: one text for one value, so no bit of it can change unseen."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise Malformed("The stored text is not a sealed value.") from None
    if _encode(packed) != text:
        raise Malformed("The stored text is not a sealed value.")
    return packed
