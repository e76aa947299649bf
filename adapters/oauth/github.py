"""GitHub accounts, by an OAuth app or by a GitHub App."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.kit import Basic, Http, N_
from adapters.kit.accounts import Account, Endpoints, Release, Released, make_account
from adapters.kit.oauth import POST, Words
from adapters.oauth import OAuthProvider

_ACCEPT = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class GitHub(
    OAuthProvider,
    service_type="OAUTH_PROVIDER_GITHUB",
    label="GitHub",
    docs="docs/adapters/github.md",
    summary=N_("Links GitHub accounts, for repositories, issues and gists."),
):
    """OAuth without OpenID Connect: errors come with HTTP 200, and tokens of an OAuth app never expire."""

    default_scopes = "read:user user:email"
    client_auth = POST
    api = "https://api.github.com"
    manage_url = "https://github.com/settings/applications"
    words = Words(
        grant=frozenset(("bad_verification_code", "bad_refresh_token")),
        client=frozenset(("incorrect_client_credentials", "Not Found")),
    )
    scope_words: ClassVar[Mapping[str, str]] = {
        "read:user": N_("See your profile"),
        "user:email": N_("See your email addresses"),
        "user": N_("See and change your profile"),
        "repo": N_("See and change your repositories, private ones too"),
        "public_repo": N_("See and change your public repositories"),
        "gist": N_("Write gists in your name"),
        "read:org": N_("See which organisations you belong to"),
        "notifications": N_("See your notifications"),
        "workflow": N_("Change the workflows of your repositories"),
    }

    def endpoints(self) -> Endpoints:
        """GitHub's addresses."""
        return Endpoints(
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            f"{self.api}/user",
        )

    def account(self, said: Mapping[str, Any]) -> Account:
        """GitHub numbers its accounts; the name of an account can change."""
        about = {name: said.get(name) for name in ("login", "name", "email", "html_url")}
        return make_account({**about, "id": said.get("id")}, "id", ("login", "name"), "email", "name")

    def revoke(self, release: Release) -> Released:
        """End the whole grant: what is left of it could be renewed."""
        http = Http(self.wire, base_url=self.api, classify=self.classify)
        proof = Basic(self.config.client_id, self.config.client_secret)
        http.delete(
            f"/applications/{self.config.client_id}/grant",
            json={"access_token": release.access_token},
            headers=_ACCEPT,
            auth=proof,
        )
        return Released()
