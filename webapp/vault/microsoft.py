"""Azure Key Vault as a key provider: RSA-OAEP-256, so that wrapping happens here and unwrapping there."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import threading
from collections.abc import Sequence
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import (
    ChainedTokenCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

from webapp.keyconfig import AzureSettings
from webapp.vault.envelope import KEY_BYTES
from webapp.vault.errors import Corrupt, Denied, KeyDisabled, KeyMissing, ProviderError, Unavailable
from webapp.vault.provider import KeyContext, KeyDescription
from webapp.vault.remote import TRY_S, Remote, bound, described, whole

PREFIX = "akv1"
BLOB = re.compile(rf"{PREFIX}\.([0-9A-Za-z]+)\.([0-9A-Za-z+/=]+)")
LEAST_BITS = 3072  # 2048 bits are worth 112, and secrets are meant to last longer than that
FORBIDDEN, TOO_MANY, BAD, SERVER_ERROR = 403, 429, 400, 500


def credential_chain() -> Any:
    """Workload identity, then what AZURE_… variables hold, then managed identity; never a developer's tools."""
    links: list[Any] = [EnvironmentCredential(), ManagedIdentityCredential()]
    if os.environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        links.insert(0, WorkloadIdentityCredential())
    return ChainedTokenCredential(*links)


class AzureKeyProvider:
    """Wraps data keys with an RSA key of at least 3072 bits; a wrapped key names the version that opens it."""

    def __init__(self, settings: AzureSettings, credential: Any = None, **options: Any) -> None:
        self._settings = settings
        self._credential = credential
        self._options = {"connection_timeout": TRY_S, "read_timeout": TRY_S, "retry_total": 0, **options}
        if settings.ca_file:
            self._options["connection_verify"] = str(settings.ca_file)
        self._lock = threading.Lock()
        self._clients: dict[str, CryptographyClient] = {}
        self._remote = Remote("azure-keyvault", translate)
        uri = f"{settings.vault_url}/keys/{settings.key_name}"
        self._description = described("azure-keyvault", uri, uri)

    def __repr__(self) -> str:
        return f"AzureKeyProvider({self._description.id})"

    def wrap(self, dek: bytes, context: KeyContext) -> str:
        """Encrypt a data key of 32 bytes, and a hash of what it is bound to, which RSA cannot be told."""
        payload = whole(dek) + _digest(context)
        return self._remote.call("wrap", lambda: self._wrapped(payload))

    def _wrapped(self, payload: bytes) -> str:
        key = self._current()
        client = CryptographyClient(key, self._signed(), **self._options)
        answer = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, payload)
        return f"{PREFIX}.{key.properties.version}.{base64.b64encode(answer.encrypted_key).decode()}"

    def unwrap(self, blob: str, context: KeyContext) -> bytes:
        """Decrypt a data key with the version that wrapped it."""
        version, packed = _packed(blob)
        if not packed:
            raise Corrupt("The wrapped data key is not from Azure Key Vault.")
        payload = self._remote.call("unwrap", lambda: self._unwrapped(version, packed))
        dek, digest = payload[:KEY_BYTES], payload[KEY_BYTES:]
        if not hmac.compare_digest(digest, _digest(context)):
            raise Corrupt("The data key was wrapped for something else.")
        return whole(dek)

    def _unwrapped(self, version: str, packed: bytes) -> bytes:
        with self._lock:
            if version not in self._clients:
                identifier = f"{self._settings.vault_url}/keys/{self._settings.key_name}/{version}"
                self._clients[version] = CryptographyClient(identifier, self._signed(), **self._options)
            client = self._clients[version]
        # Bytes of the private key never come here, so there is nothing that could be done locally.
        return bytes(client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, packed).key)

    def rewrap(self, blobs: Sequence[tuple[str, KeyContext]]) -> list[str]:
        """Encrypt wrapped data keys under the newest version of the key."""
        return [self.wrap(self.unwrap(blob, context), context) for blob, context in blobs]

    def describe(self) -> KeyDescription:
        """Say which key this is."""
        return self._description

    def health(self) -> None:
        """Ask for the key; raises when it could not unwrap, or is too short."""
        self._remote.call("describe", self._current)

    def _current(self) -> KeyVaultKey:
        client = KeyClient(self._settings.vault_url, self._signed(), **self._options)
        key = client.get_key(self._settings.key_name)
        modulus = bytes(getattr(key.key, "n", None) or b"")
        bits = len(modulus.lstrip(b"\0")) * 8
        if bits < LEAST_BITS:
            raise Denied(f"The Azure key {key.name} has {bits} bits; RSA with {LEAST_BITS} is the least.")
        if key.properties.enabled is False:
            raise KeyDisabled(f"The Azure key {key.name} is disabled.")
        return key

    def _signed(self) -> Any:
        if self._credential is None:
            self._credential = credential_chain()
        return self._credential


def _digest(context: KeyContext) -> bytes:
    return hashlib.sha256(bound(context)).digest()


def _packed(blob: str) -> tuple[str, bytes]:
    """The version and the wrapped key; nothing for what is not from here."""
    match = BLOB.fullmatch(blob)
    try:
        return (match[1], base64.b64decode(match[2], validate=True)) if match else ("", b"")
    except binascii.Error:
        return "", b""


def translate(error: Exception) -> ProviderError | None:
    """Give what the client raised one of our names."""
    if isinstance(error, ResourceNotFoundError):
        return KeyMissing("Azure has no such key.")
    if isinstance(error, ClientAuthenticationError):
        return Denied("Azure does not accept our credentials.")
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return Unavailable("Azure cannot be reached.")
    if isinstance(error, HttpResponseError):
        return _by_status(error)
    if isinstance(error, AzureError):
        return Unavailable("Azure could not answer.")
    return None


def _by_status(error: HttpResponseError) -> ProviderError:
    status = error.status_code or SERVER_ERROR
    if status == TOO_MANY or status >= SERVER_ERROR:
        return Unavailable(f"Azure answered {status}.")
    if status == BAD:
        return Corrupt("Azure cannot open what was wrapped.")
    if "disabled" in str(error.message).lower():
        return KeyDisabled("Azure says that the key is disabled.")
    return Denied(f"Azure answered {status}.")
