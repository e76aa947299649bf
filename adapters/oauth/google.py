"""Google accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.kit import N_, oidc
from adapters.kit.accounts import Account, Endpoints
from adapters.kit.oauth import POST
from adapters.oauth import IDENTITY, OAuthProvider

_API = "https://www.googleapis.com/auth"


class Google(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_GOOGLE",
    label="Google",
    docs="docs/adapters/google.md",
    summary=N_("Links Google accounts, for Calendar, Drive and whatever else their owners allow."),
):
    """OpenID Connect at known addresses; a refresh token comes only with offline access and a new consent."""

    default_scopes = "openid profile email"
    client_auth = POST
    api = "https://www.googleapis.com"
    manage_url = "https://myaccount.google.com/connections"
    scope_words: ClassVar[Mapping[str, str]] = IDENTITY | {
        f"{_API}/userinfo.email": N_("See your email address"),
        f"{_API}/userinfo.profile": N_("See your name and picture"),
        f"{_API}/calendar.readonly": N_("See your calendars"),
        f"{_API}/calendar": N_("See and change your calendars"),
        f"{_API}/drive.file": N_("See and change the files in your Drive that you open with us"),
        f"{_API}/drive.readonly": N_("See the files in your Drive"),
        f"{_API}/gmail.send": N_("Send mail in your name"),
        f"{_API}/contacts.readonly": N_("See your contacts"),
    }

    def endpoints(self) -> Endpoints:
        """Google's addresses, as its description names them."""
        return Endpoints(
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://openidconnect.googleapis.com/v1/userinfo",
            "https://oauth2.googleapis.com/revoke",
            {
                "issuer": "https://accounts.google.com",
                "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            },
        )

    def begin_extra(self, *, choose: bool) -> dict[str, str]:
        """Ask for a refresh token, which Google issues only with a new consent."""
        prompt = "consent select_account" if choose else "consent"
        return {"access_type": "offline", "prompt": prompt, "include_granted_scopes": "false"}

    def identify(self, said: Mapping[str, Any], nonce: str) -> Account:
        """Check the identity token."""
        about = self.endpoints().metadata
        claims = oidc.verify(
            self.http, said.get("id_token"), metadata=about, client_id=self.config.client_id, nonce=nonce
        )
        return self.account({name: claims[name] for name in ("sub", "email", "name", "hd") if name in claims})
