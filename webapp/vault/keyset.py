"""The key-encryption keys that this process can use, by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from webapp.models.secret import DataKey
from webapp.vault.errors import KeyMissing
from webapp.vault.provider import KeyContext, KeyDescription, KeyProvider


class Keyset:
    """Several providers at once: while keys rotate, data keys are wrapped by the old one and the new one."""

    def __init__(
        self, providers: Iterable[KeyProvider] = (), look: Callable[[], Iterable[KeyProvider]] | None = None
    ) -> None:
        """Hold the providers; `look` finds those that appeared since, and is asked only for a key that is missing."""
        self._providers = {provider.describe().id: provider for provider in providers}
        self._look = look

    def __contains__(self, kek_id: object) -> bool:
        return kek_id in self._providers

    def __iter__(self) -> Iterator[KeyProvider]:
        return iter(self._providers.values())

    def __repr__(self) -> str:
        return f"Keyset({', '.join(self._providers)})"

    def get(self, kek_id: str) -> KeyProvider:
        """Return the provider of one key; raises KeyMissing, which names the key."""
        if kek_id not in self._providers and self._look:
            found = {provider.describe().id: provider for provider in self._look()}
            self._providers = found | self._providers
        provider = self._providers.get(kek_id)
        if provider is None:
            raise KeyMissing(f"The key {kek_id} is not here.")
        return provider

    def marked(self, fingerprint: str) -> KeyProvider | None:
        """Return the provider of the key of a fingerprint."""
        return next((key for key in self if key.describe().fingerprint == fingerprint), None)

    def descriptions(self) -> list[KeyDescription]:
        """Say which keys these are."""
        return [provider.describe() for provider in self]

    def fingerprints(self) -> list[str]:
        """Name the keys, sorted."""
        return sorted(about.fingerprint for about in self.descriptions())

    def unwrap(self, data_key: DataKey) -> bytes:
        """Unwrap a data key with the key that its row names; raises the provider's errors."""
        return self.get(data_key.kek_id).unwrap(data_key.wrapped, context_of(data_key))


def context_of(data_key: DataKey) -> KeyContext:
    """What the wrapping of a data key is bound to."""
    return KeyContext.of(data_key.id, data_key.scope)
