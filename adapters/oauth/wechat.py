"""WeChat accounts (微信), by a website application of the open platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from adapters.kit import Fault, Http, Reply, N_
from adapters.kit.accounts import Account, Ask, Endpoints, Grant, Renewal, make_account
from adapters.kit.behalf import Behalf
from adapters.kit.oauth import Words, named
from adapters.oauth import OAuthProvider

_API = "https://api.weixin.qq.com"


def _in_query(client: Any, method: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:  # noqa: ARG001
    """WeChat wants its own names, and the secret in the query."""
    return f"{uri}&{urlencode({'appid': client.client_id, 'secret': client.client_secret})}", headers, body


class WeChat(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_WECHAT",
    label="微信 WeChat",
    docs="docs/adapters/wechat.md",
    summary=N_("Links WeChat accounts by a QR code on the screen."),
):
    """OAuth with names of its own: errors come as errcode with HTTP 200, PKCE and revocation do not exist."""

    default_scopes = "snsapi_login"
    separator = ","
    pkce = False
    client_auth = ("wechat", _in_query)
    token_method = "GET"  # noqa: S105 - of the request
    words = Words(
        grant=frozenset(("40029", "40163", "42002", "42003", "40030", "41002")),
        client=frozenset(("40013", "40125", "41004")),
        away=frozenset(("-1", "45009", "45011")),
    )
    scope_words: ClassVar[Mapping[str, str]] = {
        "snsapi_login": N_("Know that it is you, and see your nickname and picture"),
        "snsapi_base": N_("Know that it is you"),
        "snsapi_userinfo": N_("See your nickname and picture"),
    }

    def endpoints(self) -> Endpoints:
        """WeChat's addresses."""
        sns = f"{_API}/sns"
        return Endpoints(
            "https://open.weixin.qq.com/connect/qrconnect", f"{sns}/oauth2/access_token", f"{sns}/userinfo"
        )

    def begin(self, ask: Ask) -> str:
        """The page with the QR code; WeChat asks for its fragment."""
        address = urlsplit(super().begin(ask)).query.replace("client_id=", "appid=", 1)
        return f"{self.endpoints().authorize}?{address}#wechat_redirect"

    def refresh(self, renewal: Renewal) -> Grant:
        """Renewal has an address of its own."""
        query = {
            "appid": self.config.client_id,
            "grant_type": "refresh_token",
            "refresh_token": renewal.refresh_token,
        }
        said = self.http.get(f"{_API}/sns/oauth2/refresh_token", params=query).json_object()
        return self.grant({"refresh_token": renewal.refresh_token} | said)

    def identify(self, said: Mapping[str, Any], nonce: str) -> Account:  # noqa: ARG002 - WeChat knows no nonce
        """The token's answer says whose it is."""
        return self._person(str(said["access_token"]), str(said.get("openid", "")))

    def account_of(self, http: Http, behalf: Behalf) -> Account:  # noqa: ARG002 - one client is enough
        """Read the profile."""
        return self._person(behalf.bearer, behalf.account_id)

    def _person(self, token: str, openid: str) -> Account:
        query = {"access_token": token, "openid": openid, "lang": "zh_CN"}
        said = self.http.get(self.endpoints().userinfo, params=query).json_object()
        return make_account(said, "openid", ("nickname",), "email", "nickname")

    def classify(self, reply: Reply) -> Fault | None:
        """An errcode means failure whatever the status says."""
        code = str(reply.peek().get("errcode") or "")
        return named(code, reply, self.words) if code and code != "0" else super().classify(reply)
