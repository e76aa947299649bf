"""Feishu and Lark accounts (飞书)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from adapters.kit import Bearer, Fault, Http, Reply, N_, setting
from adapters.kit.accounts import Account, Code, Endpoints, Grant, Renewal, make_account
from adapters.kit.behalf import Behalf
from adapters.kit.oauth import Words, named
from adapters.oauth import OAuthProvider

_HOSTS = {"feishu": "feishu.cn", "lark": "larksuite.com"}


class Feishu(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_FEISHU",
    label="飞书 Feishu / Lark",
    docs="docs/adapters/feishu.md",
    summary=N_("Links Feishu or Lark accounts, for documents, calendars and messages."),
):
    """OAuth in JSON; refresh tokens work once and come only with offline_access."""

    default_scopes = "offline_access"
    words = Words(
        grant=frozenset(("20003", "20004", "20024", "20026", "20037", "20064", "20073")),
        client=frozenset(("20002", "20048", "20010")),
        away=frozenset(("20050", "20072", "99991400")),
    )
    scope_words: ClassVar[Mapping[str, str]] = {
        "offline_access": N_("Stay connected while you are away"),
        "contact:user.email:readonly": N_("See your email address"),
        "calendar:calendar:readonly": N_("See your calendars"),
        "drive:drive:readonly": N_("See your documents"),
        "im:message": N_("Send messages in your name"),
    }

    class Config(OAuthProvider.Config):
        """Which of the two it is."""

        region: Literal["feishu", "lark"] = setting(
            N_("Region"), default="feishu", group="endpoint", destination=True,
            choices={"feishu": N_("Feishu (China)"), "lark": N_("Lark (elsewhere)")},
        )  # fmt: skip

    config: Config

    def endpoints(self) -> Endpoints:
        """The addresses of the region."""
        host = _HOSTS[self.config.region]
        base = f"https://open.{host}/open-apis/authen"
        return Endpoints(
            f"https://accounts.{host}/open-apis/authen/v1/authorize",
            f"{base}/v2/oauth/token",
            f"{base}/v1/user_info",
            metadata={"api": f"https://open.{host}"},
        )

    def exchange(self, code: Code) -> dict[str, Any]:
        """Codes are exchanged in JSON."""
        return self._tokens(
            {
                "grant_type": "authorization_code",
                "code": code.code_secret,
                "redirect_uri": code.redirect_uri,
                "code_verifier": code.verifier_secret,
            }
        )

    def refresh(self, renewal: Renewal) -> Grant:
        """And so are refresh tokens."""
        return self.grant(
            self._tokens({"grant_type": "refresh_token", "refresh_token": renewal.refresh_token})
        )

    def _tokens(self, what: Mapping[str, str]) -> dict[str, Any]:
        secret = self.config.client_secret.get_secret_value()
        ask = {"client_id": self.config.client_id, "client_secret": secret, **what}
        reply = self.http.request("POST", self.endpoints().token, json=ask, raw=True)
        said = reply.peek()
        if not reply.ok or not said.get("access_token"):
            raise named(str(said.get("code") or said.get("error") or ""), reply, self.words)
        return said

    def account_of(self, http: Http, behalf: Behalf) -> Account:
        """Read the profile."""
        said = http.get(self.endpoints().userinfo, auth=Bearer(behalf.token)).json_object().get("data") or {}
        about = {
            name: said.get(name) for name in ("open_id", "union_id", "name", "en_name", "email", "tenant_key")
        }
        return make_account(about, "union_id", ("name", "en_name"), "email", "name")

    def classify(self, reply: Reply) -> Fault | None:
        """A code means failure whatever the status says."""
        code = str(reply.peek().get("code") or "")
        return named(code, reply, self.words) if code and code != "0" else super().classify(reply)
