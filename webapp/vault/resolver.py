"""Fetches what references name, when a call needs it, and keeps it for a few minutes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webapp.keyconfig import KeyPlaces
from webapp.vault.cache import Cache
from webapp.vault.errors import Corrupt, Denied, KeyMissing
from webapp.vault.references import BadReference, Reference, vault_address

if TYPE_CHECKING:
    from webapp.vault.amazon_secrets import AwsSecrets
    from webapp.vault.hashicorp_secrets import VaultSecrets
    from webapp.vault.microsoft_secrets import AzureSecrets

FRESH_S, USABLE_S, FAILED_S = 5 * 60.0, 60 * 60.0, 5.0
SIZE, JITTER = 1000, 0.1
MOST_BYTES = 64 * 1024


class Resolver:
    """The values of references. Raises the provider errors: Denied also for what the operator does not allow."""

    def __init__(self, places: KeyPlaces, monotonic: Callable[[], float]) -> None:
        self._places = places
        self._cache: Cache[str] = Cache(
            monotonic, fresh_s=FRESH_S, usable_s=USABLE_S, failed_s=FAILED_S, size=SIZE, jitter=JITTER
        )

    def value(self, uri: str) -> str:
        """Return the value of a reference, fetched a few minutes ago at most, unless its source is away."""
        return self._cache.get(uri, lambda: self._fetch(uri))

    def forget(self, uri: str | None = None) -> None:
        """Let the next use of one reference, or of all, fetch it."""
        if uri is None:
            self._cache.clear()
        else:
            self._cache.drop(uri)

    def age(self, uri: str) -> float | None:
        """How many seconds ago this process fetched a reference."""
        return self._cache.age(uri)

    def _fetch(self, uri: str) -> str:
        try:
            reference = Reference.parse(uri)
            reference.check(self._places.references)
        except BadReference as bad:
            raise Denied(str(bad)) from None
        value: Any = getattr(self, f"_{reference.kind.replace('-', '_')}")(reference)
        if not isinstance(value, str) or not value:
            raise Corrupt(f"What {uri} names is not a text.")
        if len(value) > MOST_BYTES:
            raise Corrupt(f"What {uri} names is too long for a secret.")
        return value

    def _env(self, reference: Reference) -> str:
        try:
            return os.environ[reference.path]
        except KeyError:
            raise KeyMissing(f"The variable {reference.path} is not set.") from None

    def _file(self, reference: Reference) -> str:
        assert self._places.references.file_dir
        base = self._places.references.file_dir.resolve()
        path = (base / reference.path).resolve()
        if not path.is_relative_to(base):
            raise Denied(f"{reference.uri} leads out of the directory of secrets.")
        return _read(path).rstrip("\r\n")

    def _vault(self, reference: Reference) -> Any:
        return self._vaults.read(reference.path, reference.key, reference.version)

    def _aws_sm(self, reference: Reference) -> Any:
        return self._aws.secret(reference.path, reference.key, reference.version)

    def _aws_ssm(self, reference: Reference) -> Any:
        return self._aws.parameter(reference.path)

    def _azure_kv(self, reference: Reference) -> Any:
        address = vault_address(reference.path, self._places.references)
        assert address
        return self._azure.secret(address, reference.key, reference.version)

    @cached_property
    def _vaults(self) -> VaultSecrets:
        if self._places.vault is None:
            raise Denied("No Vault is configured here.")
        from webapp.vault.hashicorp_secrets import VaultSecrets  # noqa: PLC0415 - an optional extra

        return VaultSecrets(self._places.vault)

    @cached_property
    def _aws(self) -> AwsSecrets:
        if self._places.aws is None:
            raise Denied("No region of AWS is configured here.")
        from webapp.vault.amazon_secrets import AwsSecrets  # noqa: PLC0415 - an optional extra

        return AwsSecrets(self._places.aws)

    @cached_property
    def _azure(self) -> AzureSecrets:
        from webapp.vault.microsoft_secrets import AzureSecrets  # noqa: PLC0415 - an optional extra

        return AzureSecrets(self._places.azure.ca_file if self._places.azure else None)


def _read(path: Path) -> str:
    """Read a regular file; without O_NONBLOCK a named pipe would wait for its writer for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyMissing(f"There is no file {path.name}.") from None
    except OSError as error:
        raise Denied(f"The file {path.name} cannot be opened: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Denied(f"{path.name} is not a regular file.")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Corrupt(f"The file {path.name} is not text.") from None
