"""Secrets in AWS Secrets Manager and Parameter Store."""

from __future__ import annotations

import json
import threading
from typing import Any

from webapp.keyconfig import AwsSettings
from webapp.vault.amazon import client_of, translate
from webapp.vault.errors import Corrupt, KeyMissing
from webapp.vault.remote import Remote


class AwsSecrets:
    """Reads secrets of one region."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._remote = Remote("aws", translate)

    def secret(self, name: str, key: str, stage: str) -> Any:
        """Return a secret, or one member of the JSON it holds; raises the provider errors."""
        text = self._remote.call(
            f"read {name}",
            lambda: self._client("secretsmanager").get_secret_value(
                SecretId=name, VersionStage=stage or "AWSCURRENT"
            )["SecretString"],
        )
        return _member(name, text, key) if key else text

    def parameter(self, name: str) -> Any:
        """Return a parameter, decrypted; raises the provider errors."""
        return self._remote.call(
            f"read {name}",
            lambda: self._client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"],
        )

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = client_of(service, self._settings)
            return self._clients[service]


def _member(name: str, text: str, key: str) -> Any:
    try:
        content = json.loads(text)
    except ValueError:
        raise Corrupt(f"{name} is not JSON.") from None
    if not isinstance(content, dict) or key not in content:
        raise KeyMissing(f"{name} has no member {key}.")
    return content[key]
