"""A signed-in connection to Vault or OpenBao, and its transit engine as a key provider."""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import hvac
import requests
from hvac import exceptions

from webapp.keyconfig import VaultSettings
from webapp.vault.errors import (
    Corrupt,
    Denied,
    KeyDisabled,
    KeyMissing,
    ProviderError,
    Unavailable,
)
from webapp.vault.provider import KeyContext, KeyDescription
from webapp.vault.remote import TRY_S, Remote, bound, described, whole

T = TypeVar("T")

RENEW_AT = 2 / 3
# OpenBao refuses a request of more than a thousand strings; each item with its context counts four.
BATCH = 100
SAID: tuple[tuple[str, type[ProviderError]], ...] = (
    ("encryption key not found", KeyMissing),
    ("too old", KeyDisabled),
    ("message authentication failed", Corrupt),
)
# Read from top to bottom: the general names come last.
NAMES: tuple[tuple[tuple[type[Exception], ...], type[ProviderError], str], ...] = (
    ((exceptions.VaultDown,), Unavailable, "Vault is sealed or starting."),
    (
        (exceptions.Forbidden, exceptions.Unauthorized),
        Denied,
        "Vault does not permit it: the token has ended, or its policy lacks this.",
    ),
    ((exceptions.InvalidPath,), KeyMissing, "Vault has nothing at this path."),
    ((requests.ConnectionError, requests.Timeout), Unavailable, "Vault cannot be reached."),
    ((exceptions.VaultError, requests.RequestException), Unavailable, "Vault could not answer."),
)


class VaultConnection:
    """Signs in when it has to, renews its token in time, and signs in anew once when it is refused."""

    def __init__(self, settings: VaultSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._now = monotonic
        self._lock = threading.Lock()
        self._client: hvac.Client | None = None
        self._renew_at: float | None = None
        self._remote = Remote("vault", translate)

    def call(self, action: str, work: Callable[[hvac.Client], T]) -> T:
        """Do some work as a signed-in client; raises the provider errors."""
        return self._remote.call(action, lambda: self._signed_in(work))

    def _signed_in(self, work: Callable[[hvac.Client], T]) -> T:
        client = self._ready()
        try:
            return work(client)
        except exceptions.Forbidden:
            # An expired token and a missing permission look alike: a new token tells them apart.
            if self._settings.auth == "token":
                raise
            return work(self._ready(instead_of=client))

    def _ready(self, instead_of: hvac.Client | None = None) -> hvac.Client:
        with self._lock:
            if self._client is None or self._client is instead_of:
                self._client = self._sign_in()
            elif self._renew_at is not None and self._now() >= self._renew_at:
                self._renew(self._client)
            return self._client

    def _sign_in(self) -> hvac.Client:
        settings = self._settings
        verify = str(settings.ca_file) if settings.ca_file else True
        client = hvac.Client(
            url=settings.url, namespace=settings.namespace, verify=verify, timeout=TRY_S, token=settings.token
        )
        if settings.auth == "token":
            self._plan(client.auth.token.lookup_self()["data"])
        else:
            self._plan(self._admitted(client)["auth"])
        return client

    def _admitted(self, client: hvac.Client) -> Any:
        try:
            return self._log_in(client)
        except exceptions.InvalidRequest as error:
            raise Denied(f"Vault does not accept our {self._settings.auth} credentials.") from error

    def _log_in(self, client: hvac.Client) -> Any:
        settings = self._settings
        if settings.auth == "approle":
            return client.auth.approle.login(
                settings.role, settings.secret_id, mount_point=settings.auth_mount
            )
        try:
            jwt = settings.jwt_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise Denied(f"The service account token {settings.jwt_file} cannot be read.") from None
        return client.auth.kubernetes.login(settings.role, jwt, mount_point=settings.auth_mount)

    def _plan(self, token: Any) -> None:
        """Note when to renew: at two thirds of the token's life; a token that cannot be renewed is used to its end."""
        life = token.get("lease_duration") or token.get("ttl") or 0
        self._renew_at = self._now() + life * RENEW_AT if life and token.get("renewable") else None

    def _renew(self, client: hvac.Client) -> None:
        try:
            self._plan(client.auth.token.renew_self()["auth"])
        except exceptions.Forbidden:
            self._client = self._sign_in()


class TransitKeyProvider:
    """Wraps data keys with a derived key of the transit engine; wrapped keys name its version."""

    def __init__(self, settings: VaultSettings, connection: VaultConnection | None = None) -> None:
        assert settings.transit_key
        self._key, self._mount = settings.transit_key, settings.transit_mount
        self._connection = connection or VaultConnection(settings)
        place = f"{settings.transit_mount}/keys/{settings.transit_key}"
        # Without the address: the same store may be reached by another name tomorrow.
        identity = f"{settings.namespace or ''}\0{place}"
        self._description = described("vault-transit", identity, f"{settings.url}/v1/{place}")

    def __repr__(self) -> str:
        return f"TransitKeyProvider({self._description.id})"

    def wrap(self, dek: bytes, context: KeyContext) -> str:
        """Encrypt a data key of 32 bytes."""
        options = {"plaintext": _text(whole(dek)), "context": _text(bound(context))}
        return str(self._ask("wrap", "encrypt_data", "ciphertext", **options))

    def unwrap(self, blob: str, context: KeyContext) -> bytes:
        """Decrypt a data key."""
        answer = self._ask(
            "unwrap", "decrypt_data", "plaintext", ciphertext=blob, context=_text(bound(context))
        )
        return whole(_bytes(answer))

    def rewrap(self, blobs: Sequence[tuple[str, KeyContext]]) -> list[str]:
        """Encrypt wrapped data keys under the newest version of the key, without seeing them."""
        inputs = [{"ciphertext": blob, "context": _text(bound(context))} for blob, context in blobs]
        return [
            str(one) for one in self._batched("rewrap", "rewrap_data", "ciphertext", inputs, ciphertext="")
        ]

    def wrap_many(self, items: Sequence[tuple[bytes, KeyContext]]) -> list[str]:
        """Encrypt data keys, many in one request."""
        inputs = [{"plaintext": _text(whole(dek)), "context": _text(bound(at))} for dek, at in items]
        return [str(one) for one in self._batched("wrap", "encrypt_data", "ciphertext", inputs, plaintext="")]

    def unwrap_many(self, items: Sequence[tuple[str, KeyContext]]) -> list[bytes]:
        """Decrypt data keys, many in one request."""
        inputs = [{"ciphertext": blob, "context": _text(bound(at))} for blob, at in items]
        found = self._batched("unwrap", "decrypt_data", "plaintext", inputs, ciphertext="")
        return [whole(_bytes(one)) for one in found]

    def _batched(
        self, action: str, method: str, member: str, inputs: Sequence[dict[str, str]], **options: Any
    ) -> list[Any]:
        """The member of each answer; raises when there was an error among them."""
        found: list[Any] = []
        for start in range(0, len(inputs), BATCH):
            batch = list(inputs[start : start + BATCH])
            answer = self._ask(action, method, "batch_results", batch_input=batch, **options)
            found += [_item(item, member) for item in answer]
        return found

    def describe(self) -> KeyDescription:
        """Say which key this is."""
        return self._description

    def health(self) -> None:
        """Ask for the key; raises when it could not unwrap, or is not of the kind that context needs."""
        if not self._ask("describe", "read_key", "derived"):
            raise Denied(f"The transit key {self._key} must be made with derived=true.")

    def _ask(self, action: str, method: str, member: str, **options: Any) -> Any:
        """Return one member of an answer."""

        def work(client: hvac.Client) -> Any:
            transit = client.secrets.transit
            return getattr(transit, method)(self._key, mount_point=self._mount, **options)["data"][member]

        return self._connection.call(f"{action} with {self._key}", work)


def _item(item: Any, member: str) -> Any:
    if item.get("error"):
        raise _said(str(item["error"]))
    return item[member]


def translate(error: Exception) -> ProviderError | None:
    """Give what the client raised one of our names."""
    if isinstance(error, exceptions.InvalidRequest):
        return _said(str(error))
    for kinds, name, sentence in NAMES:
        if isinstance(error, kinds):
            return name(sentence)
    return None


def _said(text: str) -> ProviderError:
    kind = next((kind for words, kind in SAID if words in text), Corrupt)
    known = next((words for words, _ in SAID if words in text), "the request is not valid")
    return kind(f"Vault said: {known}.")


def _text(packed: bytes) -> str:
    return base64.b64encode(packed).decode()


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise Corrupt("Vault gave back something else than base64.") from None
