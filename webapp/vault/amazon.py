"""AWS KMS as a key provider."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from webapp.keyconfig import AwsSettings
from webapp.vault.errors import Corrupt, Denied, KeyDisabled, KeyMissing, ProviderError, Unavailable
from webapp.vault.provider import APP, KeyContext, KeyDescription
from webapp.vault.remote import TRY_S, Remote, described, whole

PREFIX = "kms1."
CODES: dict[str, type[ProviderError]] = {
    "NotFoundException": KeyMissing,
    "ResourceNotFoundException": KeyMissing,
    "ParameterNotFound": KeyMissing,
    "ParameterVersionNotFound": KeyMissing,
    "InvalidRequestException": KeyMissing,  # Secrets Manager: it was deleted
    "DisabledException": KeyDisabled,
    "KMSInvalidStateException": KeyDisabled,
    "InvalidKeyUsageException": KeyDisabled,
    "InvalidCiphertextException": Corrupt,
    "IncorrectKeyException": Corrupt,
    "ValidationException": Corrupt,
    "KeyUnavailableException": Unavailable,
    "DependencyTimeoutException": Unavailable,
    "KMSInternalException": Unavailable,
    "ThrottlingException": Unavailable,
    "LimitExceededException": Unavailable,
    "RequestLimitExceeded": Unavailable,
    "ServiceUnavailable": Unavailable,
    "InternalFailure": Unavailable,
}
SERVER_ERROR = 500


def client_of(service: str, settings: AwsSettings) -> Any:
    """Make a client that gives up in time and leaves trying again to us."""
    config = BotoConfig(
        connect_timeout=TRY_S, read_timeout=TRY_S, retries={"mode": "standard", "total_max_attempts": 1}
    )
    session = boto3.session.Session(region_name=settings.region)
    return session.client(service, endpoint_url=settings.endpoint_url, config=config)


class KmsKeyProvider:
    """Wraps data keys with a symmetric KMS key. KMS replaces key material by itself and opens old blobs still."""

    def __init__(self, settings: AwsSettings) -> None:
        assert settings.kms_key
        self._settings, self._key = settings, settings.kms_key
        self._lock = threading.Lock()
        self._client: Any = None
        self._remote = Remote("aws-kms", translate)
        identity = f"{settings.region}\0{settings.kms_key.rpartition('/')[2]}"
        self._description = described("aws-kms", identity, f"aws-kms:{settings.region}:{settings.kms_key}")

    def __repr__(self) -> str:
        return f"KmsKeyProvider({self._description.id})"

    def wrap(self, dek: bytes, context: KeyContext) -> str:
        """Encrypt a data key of 32 bytes."""
        whole(dek)
        answer = self._ask(
            "encrypt", "CiphertextBlob", KeyId=self._key, Plaintext=dek, EncryptionContext=_tied(context)
        )
        return PREFIX + base64.b64encode(answer).decode()

    def unwrap(self, blob: str, context: KeyContext) -> bytes:
        """Decrypt a data key, with this key and no other."""
        answer = self._ask(
            "decrypt",
            "Plaintext",
            KeyId=self._key,
            CiphertextBlob=_packed(blob),
            EncryptionContext=_tied(context),
        )
        return whole(answer)

    def rewrap(self, blobs: Sequence[tuple[str, KeyContext]]) -> list[str]:
        """Encrypt wrapped data keys anew, without seeing them."""
        return [self._rewrapped(_packed(blob), _tied(context)) for blob, context in blobs]

    def _rewrapped(self, packed: bytes, tied: dict[str, str]) -> str:
        answer = self._ask(
            "re_encrypt",
            "CiphertextBlob",
            CiphertextBlob=packed,
            SourceKeyId=self._key,
            SourceEncryptionContext=tied,
            DestinationKeyId=self._key,
            DestinationEncryptionContext=tied,
        )
        return PREFIX + base64.b64encode(answer).decode()

    def describe(self) -> KeyDescription:
        """Say which key this is."""
        return self._description

    def health(self) -> None:
        """Ask for the key; raises when it could not unwrap now."""
        if not self._ask("describe_key", "KeyMetadata", KeyId=self._key).get("Enabled"):
            raise KeyDisabled(f"The KMS key {self._key} is disabled.")

    def _ask(self, method: str, member: str, **options: Any) -> Any:
        """Return one member of an answer."""
        return self._remote.call(
            f"{method} with {self._key}", lambda: getattr(self._kms(), method)(**options)[member]
        )

    def _kms(self) -> Any:
        with self._lock:  # sessions of boto3 are not safe to share while a client is made
            if self._client is None:
                self._client = client_of("kms", self._settings)
            return self._client


def _tied(context: KeyContext) -> dict[str, str]:
    """What the wrapping is bound to; CloudTrail shows it, so it holds no names."""
    return {"app": APP, "dek_id": context.dek_id, "scope": context.scope_kind}


def _packed(blob: str) -> bytes:
    text = blob.removeprefix(PREFIX)
    try:
        return base64.b64decode(text if text != blob else "?", validate=True)
    except binascii.Error:
        raise Corrupt("The wrapped data key is not from AWS KMS.") from None


def translate(error: Exception) -> ProviderError | None:
    """Give what the client raised one of our names."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return Denied("There are no credentials for AWS here.")
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = CODES.get(code, Unavailable if status >= SERVER_ERROR else Denied)
        return kind(f"AWS said: {code or status}.")
    if isinstance(error, BotoCoreError):
        return Unavailable(f"AWS cannot be reached: {type(error).__name__}.")
    return None
