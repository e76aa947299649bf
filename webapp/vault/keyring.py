"""Unwrapped data keys, kept for a while so that a call need not ask the key provider."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.vault.cache import Cache

FRESH_S = 15 * 60.0
USABLE_S = 60 * 60.0  # how long a key outlives its provider; also how late a revocation takes effect
FAILED_S = 30.0
SIZE = 1000


class Keyring:
    """A cache of data keys by their id."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._cache: Cache[AESGCM] = Cache(
            monotonic, fresh_s=FRESH_S, usable_s=USABLE_S, failed_s=FAILED_S, size=SIZE
        )

    def get(self, dek_id: str, unwrap: Callable[[], bytes]) -> AESGCM:
        """Return a key, unwrapping it when it is not fresh; raises what the provider raised."""
        return self._cache.get(dek_id, lambda: AESGCM(unwrap()))

    @property
    def cleared(self) -> int:
        """How often everything was forgotten."""
        return self._cache.cleared

    def clear(self) -> None:
        """Forget every key and every failure."""
        self._cache.clear()
