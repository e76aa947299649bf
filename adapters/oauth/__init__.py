"""OAUTH_PROVIDER: let people link their accounts at a provider, and act there on their behalf.

A vendor's file declares facts; what is done with them is here, once: authorization code with PKCE, identity,
renewal, revocation. `begin`, `link`, `refresh` and `revoke` are Patchbay's own steps; business code has the operations.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import SecretStr

from adapters.kit import (
    Adapter,
    Auth,
    Bearer,
    Endpoint,
    Http,
    Message,
    Misconfigured,
    Operation,
    Refused,
    Safety,
    Settings,
    Stage,
    Target,
    Unsupported,
    N_,
    oidc,
    operation,
    secret,
    setting,
)
from adapters.kit.accounts import (
    Account,
    ApiReply,
    ApiRequest,
    Ask,
    Code,
    Endpoints,
    Grant,
    Nothing,
    Release,
    Released,
    Renewal,
    api_reply,
    make_account,
    seconds,
)
from adapters.kit.behalf import Behalf
from adapters.kit.errors import Effect, Fault
from adapters.kit.oauth import BASIC, GRANT_REFUSED, Protocol, Words

READS, REPEATABLE = {"GET", "HEAD"}, {"PUT", "DELETE"}
IDENTITY: dict[str, str] = {
    "openid": N_("Know that it is you"),
    "profile": N_("See your name and picture"),
    "email": N_("See your email address"),
    "address": N_("See your postal address"),
    "phone": N_("See your phone number"),
    "offline_access": N_("Stay connected while you are away"),
}


class OAuthProvider(Adapter, contract="OAUTH_PROVIDER", namespace="oauth", label=N_("Linked accounts")):
    """What every provider of accounts can do, and how, unless it differs."""

    scope_words: ClassVar[Mapping[str, str]] = IDENTITY
    default_scopes: ClassVar[str] = ""
    separator: ClassVar[str] = " "
    pkce: ClassVar[bool] = True
    client_auth: ClassVar[str | tuple[str, Any]] = BASIC
    token_method: ClassVar[str] = "POST"  # noqa: S105 - of the request
    words: ClassVar[Words] = Words()
    api: ClassVar[str] = ""
    manage_url: ClassVar[str] = ""  # where a person ends the link at the provider
    keeps_tokens: ClassVar[bool] = True  # False where there is an identity only
    breaker_groups: ClassVar[Mapping[str, str]] = {
        "oauth.link": "tokens", "oauth.refresh": "tokens", "oauth.revoke": "tokens",
    }  # fmt: skip

    class Config(Settings):
        """What every provider asks of a client."""

        client_id: str = setting(N_("Client ID"), group="credentials", max_length=256)
        client_secret: SecretStr = secret(N_("Client secret"))
        scopes: str = setting(
            N_("Permissions"),
            default="",
            max_length=2000,
            hint=N_("The scopes to ask for, with spaces between them."),
        )
        scope_words: str = setting(
            N_("Permissions in plain words"), default="", group="advanced", multiline=True, max_length=4000,
            hint=N_("One line for each scope: scope = What it allows | the same in Chinese."),
        )  # fmt: skip

    config: Any

    @operation(Safety.READ, N_("Read who the person is"))
    def userinfo(self, _nothing: Nothing) -> Account:
        """Read the linked account, as its owner."""
        return self.account_of(self.http, self.behalf)

    @operation(Safety.UNSAFE, N_("Make a request on behalf of a person"))
    def request(self, request: ApiRequest) -> ApiReply:
        """Make one request to the provider's interface, as the owner of the account."""
        base = self.endpoints().metadata.get("api") or self.api
        if not base:
            raise Unsupported(N_("This provider has no interface to make requests to."))
        self.behalf  # noqa: B018 - nothing is sent for nobody
        reply = self.http.request(
            request.method, f"{base.rstrip('/')}{request.path}", params=request.query, json=request.json,
            headers=request.headers, auth=self.person_auth(),
        )  # fmt: skip
        return api_reply(reply)

    # What Patchbay does itself, in the order in which it happens.

    def begin(self, ask: Ask) -> str:
        """Return the address to send the person to."""
        extra = {"nonce": ask.nonce} if "openid" in self.scopes() else {}
        return self.protocol(self.http).address(
            self.endpoints().authorize, redirect_uri=ask.redirect_uri, scope=self.separator.join(self.scopes()),
            state=ask.state, verifier=ask.verifier if self.pkce else None,
            extra=extra | self.begin_extra(choose=ask.choose),
        )  # fmt: skip

    def link(self, code: Code) -> Grant:
        """Turn a code into tokens and learn whose they are."""
        said = self.exchange(code)
        # What else the provider tells about the person is nobody's business here, and not the log's either.
        return self.grant(said, account=replace(self.identify(said, code.nonce), claims={}))

    def refresh(self, renewal: Renewal) -> Grant:
        """Turn a refresh token into new tokens; without a new one the old one stays."""
        endpoint = self.endpoints().token
        said = self.protocol(self.http).refresh(endpoint, renewal.refresh_token, method=self.token_method)
        return self.grant({"refresh_token": renewal.refresh_token} | said)

    def revoke(self, release: Release) -> Released:
        """Have the provider forget the tokens; raises Unsupported where it cannot."""
        endpoint = self.endpoints().revoke
        if not endpoint:
            raise Unsupported(N_("This provider cannot be asked to forget a token."))
        token, kind = (
            release.refresh_token or release.access_token,
            "refresh_token" if release.refresh_token else "access_token",
        )
        self.protocol(self.http).revoke(endpoint, token, kind)
        return Released()

    def check_issuer(self, answer: Mapping[str, str]) -> bool:
        """Whether what came back names the right issuer, where it names one (RFC 9207)."""
        about = self.endpoints().metadata
        if "iss" in answer:
            return bool(answer["iss"] == about.get("issuer", answer["iss"]))
        return not about.get("authorization_response_iss_parameter_supported")

    # Facts that may take more than a word to say.

    @abstractmethod
    def endpoints(self) -> Endpoints:
        """Return where the steps happen."""

    def begin_extra(self, *, choose: bool) -> dict[str, str]:
        """Return what else goes to the provider; `choose` asks it to let the person choose an account."""
        return {"prompt": "select_account"} if choose else {}

    def exchange(self, code: Code) -> dict[str, Any]:
        """Turn the code into the token endpoint's answer."""
        return self.protocol(self.http).exchange(
            self.endpoints().token, code=code.code_secret, redirect_uri=code.redirect_uri,
            verifier=code.verifier_secret if self.pkce else None, method=self.token_method,
        )  # fmt: skip

    def identify(self, said: Mapping[str, Any], nonce: str) -> Account:  # noqa: ARG002 - identity tokens need it
        """Learn whose tokens these are."""
        return self.account_of(self.http, Behalf(SecretStr(str(said["access_token"])), ""))

    def account_of(self, http: Http, behalf: Behalf) -> Account:
        """Read the account that a token belongs to."""
        return self.account(http.get(self.endpoints().userinfo, auth=Bearer(behalf.token)).json_object())

    def account(self, said: Mapping[str, Any]) -> Account:
        """Read the account from what the provider says about it; the standard's names of claims."""
        return make_account(said, "sub", ("preferred_username", "email", "name"), "email", "name")

    # The rest is the same for all.

    @classmethod
    def scopes_of(cls, values: Mapping[str, Any]) -> list[str]:
        """Return the scopes that settings ask for, the adapter's own where they name none."""
        return list(
            dict.fromkeys((str(values.get("scopes") or "") or cls.default_scopes).replace(",", " ").split())
        )

    def scopes(self) -> list[str]:
        """Return the scopes to ask for."""
        return self.scopes_of({"scopes": self.config.scopes})

    def protocol(self, http: Http) -> Protocol:
        """Return the token endpoint's client."""
        return Protocol(
            http, client_id=self.config.client_id, client_secret=self.config.client_secret.get_secret_value(),
            client_auth=self.client_auth, words=self.words,
        )  # fmt: skip

    @property
    def behalf(self) -> Behalf:
        """For whom this call is made; raises Refused when it is for nobody."""
        if self.wire.behalf is None:
            raise Refused(
                N_("Say for whom: this operation needs on_behalf_of."),
                code="REQUEST_INVALID",
                effect=Effect.NONE,
            )
        return self.wire.behalf

    def person_auth(self) -> Auth:
        """Return how requests prove for whom they are made."""
        return Bearer(self.behalf.token)

    def safety_of(self, operation: Operation, params: object) -> Safety:
        """Judge a request by its method."""
        if not isinstance(params, ApiRequest):
            return operation.safety
        usual = Safety.READ if params.method in READS else Safety.IDEMPOTENT
        return usual if params.method in READS | REPEATABLE else Safety.UNSAFE

    def endpoint(self) -> Endpoint | None:
        """Connect to the token endpoint's host first."""
        target = Target.parse(self.first_address())
        return Endpoint(target.host, target.port, target.tls)

    def first_address(self) -> str:
        """Return an address of the provider that is known without asking it."""
        return self.endpoints().token

    def check(self) -> Iterator[Stage]:
        """Prove the client with a code that cannot exist: the provider names what is wrong first."""
        try:
            self.exchange(Code("patchbay-test", "https://localhost/none", "", "x" * 43))
        except Fault as fault:
            if fault.code == GRANT_REFUSED:
                text = N_(
                    "The provider knows this client and its secret; it refused the made-up code of the test."
                )
                yield Stage.ok("authentication", text)
                return
            if (
                isinstance(fault, Misconfigured)
                or fault.effect is not Effect.REJECTED
                or not fault.vendor_code
            ):
                raise
            yield unproven(fault.vendor_code)
            return
        raise oidc.invalid("code")

    def grant(self, said: Mapping[str, Any], account: Account | None = None) -> Grant:
        """Read the token endpoint's answer."""
        scope = said.get("scope")
        return Grant(
            access_token=str(said["access_token"]),
            refresh_token=str(said["refresh_token"]) if said.get("refresh_token") else None,
            expires_in=seconds(said.get("expires_in")),
            refresh_expires_in=seconds(
                said.get("refresh_token_expires_in") or said.get("refresh_expires_in")
            ),
            scopes=tuple(re.split(r"[ ,]+", scope.strip()))
            if isinstance(scope, str) and scope.strip()
            else None,
            account=account,
        )


def unproven(code: str) -> Stage:
    """The stage that says that the secret could not be proven without a person."""
    text = Message.of(
        N_("The provider answers, but says nothing about the secret without a person (%(code)s)."), code=code
    )
    return Stage.skipped("authentication", text)
