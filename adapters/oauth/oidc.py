"""Any provider that speaks OpenID Connect and describes itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from adapters.kit import Stage, N_, oidc, setting
from adapters.kit.accounts import Account, Endpoints
from adapters.kit.behalf import Behalf
from adapters.oauth import OAuthProvider


class OpenIdConnect(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_OIDC",
    label="OpenID Connect",
    docs="docs/adapters/oidc.md",
    summary=N_("Links accounts at any provider of OpenID Connect, such as Keycloak, Okta or Auth0."),
):
    """Everything is read from the provider's description; who came back is proven by a signed identity token."""

    default_scopes = "openid profile email offline_access"

    class Config(OAuthProvider.Config):
        """Where the provider is."""

        issuer: str = setting(
            N_("Issuer"), kind="url", group="endpoint", destination=True,
            hint=N_("Exactly as the provider writes it, with or without the slash at its end."),
        )  # fmt: skip
        prompt: str = setting(
            N_("Prompt"), default="", group="advanced", pattern="^[a-z_ ]{0,60}$",
            hint=N_("What the provider asks of the person; consent makes most of them issue a refresh token."),
        )  # fmt: skip
        api_base_url: str = setting(
            N_("Interface address"), default="", kind="url", group="advanced", destination=True,
            hint=N_("Where requests on behalf of a person go, if there are any."),
        )  # fmt: skip
        end_url: str = setting(
            N_("Page to end a link"), default="", kind="url", group="advanced",
            hint=N_("Where people end the link at the provider themselves."),
        )  # fmt: skip

    config: Config

    def metadata(self) -> Mapping[str, Any]:
        """Return the provider's description."""
        return oidc.discover(self.http, self.config.issuer)

    def endpoints(self) -> Endpoints:
        """Read the addresses from the description."""
        said = self.metadata()
        return Endpoints(
            said["authorization_endpoint"], said["token_endpoint"], said.get("userinfo_endpoint") or "",
            said.get("revocation_endpoint") or "", {**said, "api": self.config.api_base_url},
        )  # fmt: skip

    def begin_extra(self, *, choose: bool) -> dict[str, str]:
        """Ask for consent where that is needed, and let the person choose where that is asked for."""
        known = self.metadata().get("prompt_values_supported") or ()
        choice = "select_account" if "select_account" in known else "login"
        words = self.config.prompt.split() + ([choice] if choose else [])
        return {"prompt": " ".join(dict.fromkeys(words))} if words else {}

    def identify(self, said: Mapping[str, Any], nonce: str) -> Account:
        """Check the identity token; where it names nobody, ask for a name as well."""
        claims = oidc.verify(
            self.http,
            said.get("id_token"),
            metadata=self.metadata(),
            client_id=self.config.client_id,
            nonce=nonce,
        )
        if not {"preferred_username", "email", "name"} & set(claims) and self.endpoints().userinfo:
            found = self.account_of(self.http, Behalf(SecretStr(str(said["access_token"])), "")).claims
            if found.get("sub") != claims["sub"]:
                raise oidc.invalid("sub")
            claims = {**found, **claims}
        return self.account(
            {name: claims[name] for name in claims if name not in {"nonce", "at_hash", "aud", "exp"}}
        )

    def first_address(self) -> str:
        """The description lies at the issuer."""
        return self.config.issuer

    def check(self) -> Iterator[Stage]:
        """Read description and keys anew, then prove the client."""
        metadata = oidc.discover(self.http, self.config.issuer, max_age_s=0)
        yield Stage.ok("discovery", N_("The provider describes itself, under exactly this issuer."))
        oidc.keys(self.http, str(metadata["jwks_uri"]), max_age_s=0)
        yield Stage.ok("keys", N_("The keys that identity tokens are signed with can be read."))
        yield from super().check()
