"""What can go wrong with keys and secrets; no message ever holds a value."""

from __future__ import annotations

from adapters.kit.text import Message

KEY_AWAY = frozenset({"locked", "unavailable", "denied", "disabled", "key_missing"})
"""Reasons of SecretUnreadable that lie with the key and not with the secret."""


class VaultError(Exception):
    """Anything the vault refuses."""


class KeyRefused(VaultError):
    """A key or key file that may not be used; Patchbay does not start with it. Says where and why."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source} {reason}")


class KeysLocked(VaultError):
    """No secret can be sealed, because the right key is not here."""

    def __init__(self, reason: str, missing_fingerprint: str | None = None) -> None:
        self.reason = reason
        self.missing_fingerprint = missing_fingerprint
        suffix = f" ({missing_fingerprint})" if missing_fingerprint else ""
        super().__init__(f"The keys are locked: {reason}{suffix}")


class SecretUnreadable(VaultError):
    """A secret that cannot be opened; `reason` is a word, `key_id` the data key it names, when it names one.

    Reasons: `missing`, `malformed`, `corrupt`, `unknown_key`, `destroyed`, `locked`, those of `word`, and for a
    secret that is a reference those with `reference_` before them.
    """

    def __init__(self, secret_id: str, reason: str, key_id: str | None = None) -> None:
        self.secret_id = secret_id
        self.reason = reason
        self.key_id = key_id
        super().__init__(
            f"Secret {secret_id} cannot be opened: {reason}" + (f" (key {key_id})" if key_id else "")
        )

    @property
    def is_key_away(self) -> bool:
        """Whether the secret itself may be sound: it opens again as soon as its key can be used."""
        return self.reason in KEY_AWAY


class ProviderError(VaultError):
    """A key provider did not do what it was asked for."""


class Unavailable(ProviderError):
    """The provider does not answer; later it may."""


class Denied(ProviderError):
    """The provider does not permit it."""


class KeyDisabled(ProviderError):
    """The key exists and may not be used now."""


class KeyMissing(ProviderError):
    """The provider does not have the key that was named."""


class Corrupt(ProviderError):
    """What was to be opened is not what was once sealed, or was sealed for something else."""


class KeyStepRefused(VaultError):
    """A step in the life of a key that would lose secrets or serves nothing; `message` says why."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


# Nothing is wrong with what was to be opened: the provider itself cannot be used now.
AWAY = (Unavailable, Denied, KeyDisabled)

WORDS: dict[type[ProviderError], str] = {
    Unavailable: "unavailable",
    Denied: "denied",
    KeyDisabled: "disabled",
    KeyMissing: "key_missing",
}


def word(error: ProviderError) -> str:
    """Return the word for what a provider answered: one of WORDS, or `corrupt`."""
    return WORDS.get(type(error), "corrupt")
