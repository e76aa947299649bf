"""Microsoft accounts, of work, school and home, by Microsoft Entra ID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.kit import N_, oidc, setting
from adapters.kit.accounts import Account, Endpoints
from adapters.kit.oauth import POST, Words
from adapters.oauth import IDENTITY, OAuthProvider

_LOGIN = "https://login.microsoftonline.com"
_MANY = {"common", "organizations", "consumers"}


class Entra(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_ENTRA",
    label="Microsoft",
    docs="docs/adapters/entra.md",
    summary=N_("Links Microsoft accounts, for Outlook, OneDrive and the rest of Graph."),
):
    """OpenID Connect of one tenant or of many; there is no way to have a token forgotten."""

    default_scopes = "openid profile email offline_access User.Read"
    client_auth = POST
    api = "https://graph.microsoft.com"
    manage_url = "https://myaccount.microsoft.com/"
    words = Words(client=frozenset(("invalid_resource",)), grant=frozenset(("interaction_required",)))
    scope_words: ClassVar[Mapping[str, str]] = IDENTITY | {
        "User.Read": N_("See your profile"),
        "Mail.Read": N_("Read your mail"),
        "Mail.Send": N_("Send mail in your name"),
        "Calendars.Read": N_("See your calendars"),
        "Calendars.ReadWrite": N_("See and change your calendars"),
        "Files.Read": N_("See your files"),
        "Files.ReadWrite": N_("See and change your files"),
        "Contacts.Read": N_("See your contacts"),
    }

    class Config(OAuthProvider.Config):
        """Whose accounts may be linked."""

        tenant: str = setting(
            N_("Tenant"), default="common", group="endpoint", pattern=r"^[A-Za-z0-9.-]{1,120}$", destination=True,
            hint=N_("The directory's id or domain; common, organizations or consumers for accounts of many."),
        )  # fmt: skip

    config: Config

    def endpoints(self) -> Endpoints:
        """The addresses of the tenant."""
        base = f"{_LOGIN}/{self.config.tenant}"
        return Endpoints(
            f"{base}/oauth2/v2.0/authorize", f"{base}/oauth2/v2.0/token", f"{self.api}/oidc/userinfo"
        )

    def identify(self, said: Mapping[str, Any], nonce: str) -> Account:
        """Check the identity token; of many tenants, its issuer names the person's own."""
        base = f"{_LOGIN}/{self.config.tenant}/v2.0"
        several = self.config.tenant in _MANY
        about = oidc.discover(self.http, base, expected=f"{_LOGIN}/{{tenantid}}/v2.0" if several else None)
        claims = oidc.verify(
            self.http, said.get("id_token"), metadata=about, client_id=self.config.client_id, nonce=nonce
        )
        return self.account(
            {
                name: claims[name]
                for name in ("sub", "preferred_username", "email", "name", "tid", "oid")
                if name in claims
            }
        )
