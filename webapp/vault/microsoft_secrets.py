"""Secrets in Azure Key Vault."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from azure.keyvault.secrets import SecretClient

from webapp.vault.microsoft import credential_chain, translate
from webapp.vault.remote import TRY_S, Remote


class AzureSecrets:
    """Reads secrets of any vault it is given."""

    def __init__(self, ca_file: Path | None = None, credential: Any = None, **options: Any) -> None:
        self._credential = credential
        self._options = {"connection_timeout": TRY_S, "read_timeout": TRY_S, "retry_total": 0, **options}
        if ca_file:
            self._options["connection_verify"] = str(ca_file)
        self._lock = threading.Lock()
        self._clients: dict[str, SecretClient] = {}
        self._remote = Remote("azure-keyvault", translate)

    def secret(self, vault_url: str, name: str, version: str) -> Any:
        """Return a secret; raises the provider errors."""
        return self._remote.call(
            f"read {name}", lambda: self._client(vault_url).get_secret(name, version or None).value
        )

    def _client(self, vault_url: str) -> SecretClient:
        with self._lock:
            if vault_url not in self._clients:
                self._credential = self._credential or credential_chain()
                self._clients[vault_url] = SecretClient(vault_url, self._credential, **self._options)
            return self._clients[vault_url]
