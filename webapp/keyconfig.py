"""Settings of the places outside that keep keys and secrets: Vault or OpenBao, AWS, Azure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from webapp.config import Reader

PROVIDERS = ("local", "vault-transit", "aws-kms", "azure-keyvault")
SECRET = ("VAULT_TOKEN", "VAULT_SECRET_ID")
PLAIN = (
    "VAULT_URL",
    "VAULT_NAMESPACE",
    "VAULT_CA_FILE",
    "VAULT_AUTH",
    "VAULT_AUTH_MOUNT",
    "VAULT_ROLE",
    "VAULT_JWT_FILE",
    "VAULT_TRANSIT_MOUNT",
    "VAULT_TRANSIT_KEY",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_KMS_KEY",
    "AZURE_KEY",
    "AZURE_CA_FILE",
    "REF_VAULT",
    "REF_AWS_SM",
    "REF_AWS_SSM",
    "REF_AZURE",
    "REF_FILE_DIR",
)
AUTHS = ("token", "approle", "kubernetes")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """A Vault or OpenBao server, how to sign in there, and the transit key that wraps data keys, if one does."""

    url: str
    auth: str = "token"
    namespace: str | None = None
    ca_file: Path | None = None
    auth_mount: str = ""
    role: str = ""
    token: str = field(default="", repr=False)
    secret_id: str = field(default="", repr=False)
    jwt_file: Path = SERVICE_ACCOUNT
    transit_mount: str = "transit"
    transit_key: str | None = None


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """A region of AWS and the KMS key that wraps data keys, if one does; credentials come from AWS's own chain."""

    region: str
    endpoint_url: str | None = None
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """A key of an Azure Key Vault, by its identifier without a version."""

    vault_url: str
    key_name: str
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RefLimits:
    """From where the settings of services may take secrets: prefixes of paths, vaults, one directory."""

    vault: tuple[str, ...] = ()
    aws_sm: tuple[str, ...] = ()
    aws_ssm: tuple[str, ...] = ()
    azure: tuple[str, ...] = ()
    file_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class KeyPlaces:
    """What is configured; None for what is not."""

    vault: VaultSettings | None = None
    aws: AwsSettings | None = None
    azure: AzureSettings | None = None
    references: RefLimits = field(default_factory=RefLimits)


def read_places(reader: Reader, provider: str) -> KeyPlaces:
    """Read the settings; raises ConfigError, also when the chosen provider lacks its own."""
    places = KeyPlaces(_vault(reader), _aws(reader), _azure(reader), _limits(reader))
    if provider == "vault-transit" and not (places.vault and places.vault.transit_key):
        reader.refuse("KEY_PROVIDER", "needs PATCHBAY_VAULT_URL and PATCHBAY_VAULT_TRANSIT_KEY.")
    if provider == "aws-kms" and not (places.aws and places.aws.kms_key):
        reader.refuse("KEY_PROVIDER", "needs PATCHBAY_AWS_REGION and PATCHBAY_AWS_KMS_KEY.")
    if provider == "azure-keyvault" and not places.azure:
        reader.refuse("KEY_PROVIDER", "needs PATCHBAY_AZURE_KEY.")
    return places


def _limits(reader: Reader) -> RefLimits:
    limits = {
        name: _listed(reader, f"REF_{name.upper()}") for name in ("vault", "aws_sm", "aws_ssm", "azure")
    }
    for address in limits["azure"]:
        if urlsplit(address).scheme != "https":
            reader.refuse("REF_AZURE", "must list addresses such as https://NAME.vault.azure.net.")
    for name in ("vault", "aws_sm", "aws_ssm"):
        if "" in limits[name]:
            reader.refuse(f"REF_{name.upper()}", "must list prefixes of paths.")
    return RefLimits(**limits, file_dir=reader.path("REF_FILE_DIR"))


def _listed(reader: Reader, name: str) -> tuple[str, ...]:
    given = reader.text(name)
    return tuple(item.strip().rstrip("/") for item in given.split(",")) if given else ()


def _vault(reader: Reader) -> VaultSettings | None:
    url = reader.url("VAULT_URL", ("https", "http"))
    if url is None:
        return None
    auth = reader.choice("VAULT_AUTH", AUTHS)
    needed = {
        "token": ("VAULT_TOKEN",),
        "approle": ("VAULT_ROLE", "VAULT_SECRET_ID"),
        "kubernetes": ("VAULT_ROLE",),
    }
    for name in needed[auth]:
        if not reader.text(name):
            reader.refuse(name, f"is needed to sign in to Vault by {auth}.")
    return VaultSettings(
        url=url.rstrip("/"),
        auth=auth,
        namespace=reader.text("VAULT_NAMESPACE"),
        ca_file=reader.path("VAULT_CA_FILE"),
        auth_mount=reader.text("VAULT_AUTH_MOUNT") or auth,
        role=reader.text("VAULT_ROLE") or "",
        token=reader.text("VAULT_TOKEN") or "",
        secret_id=reader.text("VAULT_SECRET_ID") or "",
        jwt_file=reader.path("VAULT_JWT_FILE") or SERVICE_ACCOUNT,
        transit_mount=reader.text("VAULT_TRANSIT_MOUNT") or "transit",
        transit_key=reader.text("VAULT_TRANSIT_KEY"),
    )


def _aws(reader: Reader) -> AwsSettings | None:
    region, key = reader.text("AWS_REGION"), reader.text("AWS_KMS_KEY")
    if key and (key.startswith("alias/") or ":alias/" in key):
        reader.refuse("AWS_KMS_KEY", "must be the id or ARN of a key: an alias may point elsewhere tomorrow.")
    if region is None:
        return None
    return AwsSettings(region, reader.url("AWS_ENDPOINT_URL", ("https", "http")), key)


def _azure(reader: Reader) -> AzureSettings | None:
    identifier = reader.url("AZURE_KEY", ("https",))
    if identifier is None:
        return None
    parts = urlsplit(identifier)
    area, _, name = parts.path.strip("/").partition("/")
    if area != "keys" or not name or "/" in name:
        reader.refuse("AZURE_KEY", "must look like https://NAME.vault.azure.net/keys/KEY, without a version.")
    return AzureSettings(f"https://{parts.netloc}", name, reader.path("AZURE_CA_FILE"))
