"""Settings of the sign-in provider (OpenID Connect) that staff may come in by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from webapp.config import Reader

PLAIN = (
    "OIDC_ISSUER",
    "OIDC_CLIENT_ID",
    "OIDC_NAME",
    "OIDC_DOMAINS",
    "OIDC_DEFAULT_ROLE",
    "OIDC_ROLE_CLAIM",
    "OIDC_ROLES",
)
SECRET = ("OIDC_CLIENT_SECRET",)
ROLES = ("member", "viewer", "operator", "admin", "owner")


@dataclass(frozen=True, slots=True)
class Provider:
    """Who vouches for staff, whom of theirs we let in, and as what."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "OpenID Connect"
    domains: tuple[str, ...] = ()
    default_role: str | None = None
    role_claim: str = "groups"
    roles: tuple[tuple[str, str], ...] = ()


def read(reader: Reader) -> Provider | None:
    """Read the provider, None when there is none; raises ConfigError for what cannot be used."""
    from webapp.config import ConfigError  # noqa: PLC0415 - that module reads this one

    issuer = reader.url("OIDC_ISSUER", ("https", "http"))
    client_id, secret = reader.text("OIDC_CLIENT_ID"), reader.text("OIDC_CLIENT_SECRET")
    if issuer is None:
        return None
    if urlsplit(issuer).query or urlsplit(issuer).fragment:
        raise ConfigError("PATCHBAY_OIDC_ISSUER", "must be an address without a query.")
    if not client_id or not secret:
        missing = "OIDC_CLIENT_SECRET" if client_id else "OIDC_CLIENT_ID"
        raise ConfigError(f"PATCHBAY_{missing}", "is needed with PATCHBAY_OIDC_ISSUER.")
    default = reader.text("OIDC_DEFAULT_ROLE")
    if default is not None and default not in ROLES:
        raise ConfigError("PATCHBAY_OIDC_DEFAULT_ROLE", f"must be one of: {', '.join(ROLES)}.")
    return Provider(
        issuer,
        client_id,
        secret,
        reader.text("OIDC_NAME") or urlsplit(issuer).hostname or issuer,
        tuple(domain.lower() for domain in reader.hosts("OIDC_DOMAINS")),
        default,
        reader.text("OIDC_ROLE_CLAIM") or "groups",
        _roles(reader.text("OIDC_ROLES") or ""),
    )


def _roles(text: str) -> tuple[tuple[str, str], ...]:
    """Read `platform-admins=admin, support=operator`; whoever is in several gets the most powerful."""
    from webapp.config import ConfigError  # noqa: PLC0415 - that module reads this one

    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    found = []
    for pair in pairs:
        group, _, role = pair.rpartition("=")
        if not group.strip() or role.strip() not in ROLES:
            raise ConfigError("PATCHBAY_OIDC_ROLES", f"holds {pair!r}; write group=role, as in staff=viewer.")
        found.append((group.strip(), role.strip()))
    return tuple(found)
