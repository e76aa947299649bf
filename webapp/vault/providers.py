"""Which key providers an installation has, from its configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from adapters.kit.text import Message, N_
from webapp.config import Config
from webapp.vault.errors import KeyRefused, KeyStepRefused
from webapp.vault.keyfile import read_key
from webapp.vault.keyset import Keyset
from webapp.vault.provider import KeyDescription, KeyProvider, LocalKeyProvider
from webapp.vault.provider import fingerprint as mark_of
from webapp.vault.sources import KEK_FILE, FoundKey, add_kek, find_kek, find_more_keks, key_dir, make_kek

_log = logging.getLogger(__name__)


# The client libraries are optional, and imported only where they are configured.
def _transit(config: Config) -> KeyProvider:
    assert config.places.vault
    try:
        from webapp.vault.hashicorp import TransitKeyProvider  # noqa: PLC0415
    except ImportError as error:
        raise _lacking("PATCHBAY_VAULT_URL", "vault", error) from None
    return TransitKeyProvider(config.places.vault)


def _kms(config: Config) -> KeyProvider:
    assert config.places.aws
    try:
        from webapp.vault.amazon import KmsKeyProvider  # noqa: PLC0415
    except ImportError as error:
        raise _lacking("PATCHBAY_AWS_KMS_KEY", "aws", error) from None
    return KmsKeyProvider(config.places.aws)


def _azure(config: Config) -> KeyProvider:
    assert config.places.azure
    try:
        from webapp.vault.microsoft import AzureKeyProvider  # noqa: PLC0415
    except ImportError as error:
        raise _lacking("PATCHBAY_AZURE_KEY", "azure", error) from None
    return AzureKeyProvider(config.places.azure)


def _lacking(variable: str, extra: str, error: ImportError) -> KeyRefused:
    return KeyRefused(
        variable,
        f"needs the package {error.name}: run pip install -r requirements-{extra}.txt.",
    )


REMOTE: dict[str, Callable[[Config], KeyProvider]] = {
    "vault-transit": _transit,
    "aws-kms": _kms,
    "azure-keyvault": _azure,
}


def load_keyset(config: Config, known: Iterable[KeyProvider] = ()) -> Keyset:
    """Return every key that is configured here, in `known` or not. Raises KeyRefused for a bad key file."""
    return Keyset(_configured(config, known), look=lambda: _looked(config))


def make_first(config: Config, known: Iterable[KeyProvider] = ()) -> KeyProvider:
    """Return the key of a new installation, made if it has to be."""
    chosen = REMOTE.get(config.key_provider)
    if chosen:
        return _kept(chosen(config), known)
    found = find_kek(config) or make_kek(config)
    return _kept(LocalKeyProvider(found.key, found.uri), known)


def add_key(config: Config) -> KeyDescription:
    """Make a further key of the local provider. Raises KeyStepRefused for a provider whose keys others make."""
    if config.key_provider != "local":
        text = N_("Make a new key at %(provider)s and name it in the settings; then add it here.")
        raise KeyStepRefused(Message.of(text, provider=config.key_provider))
    found = add_kek(config)
    return LocalKeyProvider(found.key, found.uri).describe()


def remove_key(config: Config, fingerprint: str) -> None:
    """Delete the file of a local key, wherever Patchbay itself put it; keys from elsewhere are not ours to delete."""
    for path in (config.data_dir / KEK_FILE, key_dir(config) / f"local-{fingerprint}.key"):
        key = read_key(path)
        if key is not None and mark_of(key) == fingerprint:
            path.unlink()


def _looked(config: Config) -> list[KeyProvider]:
    """Keys that were added since; a bad key file among them is for the start and the log to complain about."""
    try:
        return list(_configured(config, ()))
    except KeyRefused as error:
        _log.error("%s", error)
        return []


def _configured(config: Config, known: Iterable[KeyProvider]) -> Iterator[KeyProvider]:
    yield from _local(config, known)
    places = config.places
    if places.vault and places.vault.transit_key:
        yield _kept(_transit(config), known)
    if places.aws and places.aws.kms_key:
        yield _kept(_kms(config), known)
    if places.azure:
        yield _kept(_azure(config), known)


def _local(config: Config, known: Iterable[KeyProvider]) -> Iterator[KeyProvider]:
    first = find_kek(config)
    found: list[FoundKey] = [*([first] if first else []), *find_more_keks(config)]
    seen: set[bytes] = set()
    for item in found:
        if item.key not in seen:
            seen.add(item.key)
            yield _kept(LocalKeyProvider(item.key, item.uri), known)


def _kept(provider: KeyProvider, known: Iterable[KeyProvider]) -> KeyProvider:
    about = provider.describe()
    return next((other for other in known if other.describe() == about), provider)
