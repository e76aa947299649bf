"""Secrets in the key-value engine of Vault or OpenBao."""

from __future__ import annotations

from typing import Any

import hvac

from webapp.keyconfig import VaultSettings
from webapp.vault.errors import KeyMissing
from webapp.vault.hashicorp import VaultConnection


class VaultSecrets:
    """Reads versioned key-value engines."""

    def __init__(self, settings: VaultSettings) -> None:
        self._connection = VaultConnection(settings)

    def read(self, path: str, key: str, version: str) -> Any:
        """Return one member of a secret; raises the provider errors."""
        mount, _, rest = path.partition("/")

        def work(client: hvac.Client) -> Any:
            return client.secrets.kv.v2.read_secret_version(
                rest,
                mount_point=mount,
                version=int(version) if version else None,
                raise_on_deleted_version=True,
            )["data"]["data"]

        content = self._connection.call(f"read {path}", work)
        if not isinstance(content, dict) or key not in content:
            raise KeyMissing(f"{path} has no member {key}.")
        return content[key]
