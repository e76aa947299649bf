"""WeCom accounts (企业微信): who somebody is in the company; there are no tokens of persons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from pydantic import SecretStr

from adapters.kit import Fault, Http, Reply, Stage, N_, setting
from adapters.kit.accounts import Account, Ask, Code, Endpoints, Grant, Renewal, make_account
from adapters.kit.behalf import Behalf
from adapters.kit.errors import Unsupported
from adapters.kit.oauth import Words, named
from adapters.oauth import OAuthProvider

_API = "https://qyapi.weixin.qq.com/cgi-bin"


class WeCom(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_WECOM",
    label="企业微信 WeCom",
    docs="docs/adapters/wecom.md",
    summary=N_("Links the members of a company by their WeCom accounts; identity only."),
):
    """The company's own token reads who came back. It is asked for anew each time and kept nowhere."""

    default_scopes = "snsapi_base"
    keeps_tokens = False
    words = Words(
        grant=frozenset(("40029", "40078", "42001")),
        client=frozenset(("40013", "40001", "40091")),
        away=frozenset(("-1", "45009")),
    )
    scope_words: ClassVar[Mapping[str, str]] = {"snsapi_base": N_("Know which member of the company you are")}

    class Config(OAuthProvider.Config):
        """The application of the company."""

        agent_id: str = setting(N_("Agent ID"), group="credentials", pattern="^[0-9]{1,12}$")

    config: Config

    def endpoints(self) -> Endpoints:
        """WeCom's addresses."""
        return Endpoints(
            "https://login.work.weixin.qq.com/wwlogin/sso/login", f"{_API}/gettoken", f"{_API}/user/get"
        )

    def begin(self, ask: Ask) -> str:
        """The page with the QR code."""
        query = {"login_type": "CorpApp", "appid": self.config.client_id, "agentid": self.config.agent_id}
        return f"{self.endpoints().authorize}?{urlencode(query | {'redirect_uri': ask.redirect_uri, 'state': ask.state})}"

    def link(self, code: Code) -> Grant:
        """Ask whose code it is."""
        query = {"access_token": self._company(), "code": code.code_secret}
        said = self.http.get(f"{_API}/auth/getuserinfo", params=query).json_object()
        account_id = str(
            said.get("userid") or said.get("UserId") or said.get("openid") or said.get("OpenId") or ""
        )
        return Grant("", account=make_account({"id": account_id}, "id", (), "email", "name"))

    def refresh(self, renewal: Renewal) -> Grant:  # noqa: ARG002 - nothing of it is used
        """There is nothing to renew."""
        raise Unsupported(N_("This provider has no tokens of persons."))

    def account_of(self, http: Http, behalf: Behalf) -> Account:
        """Read the member's profile."""
        said = http.get(
            f"{_API}/user/get", params={"access_token": self._company(), "userid": behalf.account_id}
        )
        about: dict[str, Any] = {
            name: said.json_object().get(name) for name in ("userid", "name", "email", "alias")
        }
        return make_account(about, "userid", ("name", "alias"), "email", "name")

    def _company(self) -> str:
        secret: SecretStr = self.config.client_secret
        query = {"corpid": self.config.client_id, "corpsecret": secret.get_secret_value()}
        return str(self.http.get(f"{_API}/gettoken", params=query).json_object().get("access_token") or "")

    def classify(self, reply: Reply) -> Fault | None:
        """An errcode means failure whatever the status says."""
        code = str(reply.peek().get("errcode") or "")
        return named(code, reply, self.words) if code and code != "0" else super().classify(reply)

    def check(self) -> Iterator[Stage]:
        """The company's token proves the company and its secret."""
        if self._company():
            yield Stage.ok(
                "authentication", N_("The provider issued a token for this company and its secret.")
            )
