"""DingTalk accounts (钉钉)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.kit import Auth, HeaderKey, Http, N_
from adapters.kit.accounts import Account, Code, Endpoints, Grant, Renewal, make_account
from adapters.kit.behalf import Behalf
from adapters.kit.oauth import Words
from adapters.oauth import OAuthProvider

_API = "https://api.dingtalk.com"
_HEADER = "x-acs-dingtalk-access-token"


class DingTalk(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_DINGTALK",
    label="钉钉 DingTalk",
    docs="docs/adapters/dingtalk.md",
    summary=N_("Links DingTalk accounts of one company or of many."),
):
    """JSON with names of its own, and a header of its own for the token; no PKCE, no revocation."""

    default_scopes = "openid"
    pkce = False
    api = _API
    words = Words(
        grant=frozenset(("invalidAuthCode", "invalidRefreshToken", "InvalidAuthentication")),
        client=frozenset(("invalidClientIdOrSecret", "invalidClientId", "invalidClientSecret")),
        away=frozenset(("Throttling", "Throttling.Api", "ServiceUnavailable")),
    )
    scope_words: ClassVar[Mapping[str, str]] = {
        "openid": N_("Know that it is you, and see your name and picture"),
        "corpid": N_("Know which company you chose"),
    }

    def endpoints(self) -> Endpoints:
        """DingTalk's addresses."""
        return Endpoints(
            "https://login.dingtalk.com/oauth2/auth",
            f"{_API}/v1.0/oauth2/userAccessToken",
            f"{_API}/v1.0/contact/users/me",
        )

    def begin_extra(self, *, choose: bool) -> dict[str, str]:  # noqa: ARG002 - it always asks
        """DingTalk wants to be told to ask."""
        return {"prompt": "consent"}

    def exchange(self, code: Code) -> dict[str, Any]:
        """Codes are exchanged in JSON."""
        return self._tokens({"code": code.code_secret, "grantType": "authorization_code"})

    def refresh(self, renewal: Renewal) -> Grant:
        """And so are refresh tokens."""
        said = self._tokens({"refreshToken": renewal.refresh_token, "grantType": "refresh_token"})
        return self.grant({"refresh_token": renewal.refresh_token} | said)

    def _tokens(self, what: Mapping[str, str]) -> dict[str, Any]:
        secret = self.config.client_secret.get_secret_value()
        ask = {"clientId": self.config.client_id, "clientSecret": secret, **what}
        reply = self.http.request("POST", self.endpoints().token, json=ask, raw=True)
        said = reply.peek()
        if not reply.ok or not said.get("accessToken"):
            raise self.protocol(self.http).fault(reply)
        names = {"access_token": "accessToken", "refresh_token": "refreshToken", "expires_in": "expireIn"}
        return {ours: said[theirs] for ours, theirs in names.items() if said.get(theirs)}

    def account_of(self, http: Http, behalf: Behalf) -> Account:
        """Read the profile."""
        reply = http.get(self.endpoints().userinfo, auth=HeaderKey(_HEADER, behalf.token))
        said = {
            name: value for name, value in reply.json_object().items() if name not in {"mobile", "stateCode"}
        }
        return make_account(said, "unionId", ("nick",), "email", "nick")

    def person_auth(self) -> Auth:
        """The token goes in a header of DingTalk's own."""
        return HeaderKey(_HEADER, self.behalf.token)
