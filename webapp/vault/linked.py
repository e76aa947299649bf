"""Tokens of linked accounts: sealed in a table of their own, which changes with every renewal.

They are no rows of `secrets`: those are kept for revisions, and each new one makes every process look for changed
services. What is sealed here is bound to its row and its data key, and rotation reaches it like everything else.
"""

from __future__ import annotations

from typing import Any, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.vault import envelope
from webapp.vault.errors import Corrupt


class TokenRow(Protocol):
    """What of a row its sealing is bound to."""

    id: Any
    ct: Any


def sealed(row: TokenRow, key: AESGCM, key_id: str, value: str) -> str:
    """Return a value sealed for the tokens of this link, under a data key."""
    return envelope.seal(key, key_id, value.encode(), _bound(row.id, key_id))


def unseal(row: TokenRow, key: AESGCM, key_id: str) -> str:
    """Open the tokens of exactly this link; raises Corrupt."""
    try:
        return envelope.unseal(key, key_id, row.ct, _bound(row.id, key_id)).decode()
    except UnicodeDecodeError:
        raise Corrupt("The sealed value is not text.") from None


def _bound(link_id: str, key_id: str) -> bytes:
    return envelope.associated("pb/link/1", link_id, key_id)
