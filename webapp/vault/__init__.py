"""The vault: envelope encryption of secrets, key providers and the audit chain."""

from __future__ import annotations

from webapp.vault.errors import (
    Corrupt,
    Denied,
    KeyDisabled,
    KeyMissing,
    KeyRefused,
    KeysLocked,
    KeyStepRefused,
    ProviderError,
    SecretUnreadable,
    Unavailable,
    VaultError,
)
from webapp.vault.provider import KeyContext, KeyDescription, KeyProvider, LocalKeyProvider
from webapp.vault.references import BadReference, Reference
from webapp.vault.state import VaultState
from webapp.vault.vault import Vault

__all__ = [
    "BadReference",
    "Corrupt",
    "Denied",
    "KeyContext",
    "KeyDescription",
    "KeyDisabled",
    "KeyMissing",
    "KeyProvider",
    "KeyRefused",
    "KeyStepRefused",
    "KeysLocked",
    "LocalKeyProvider",
    "ProviderError",
    "Reference",
    "SecretUnreadable",
    "Unavailable",
    "Vault",
    "VaultError",
    "VaultState",
]
