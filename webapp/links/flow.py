"""Linking an account: to the provider and back, by the authorization code flow with PKCE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webapp.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Linked:
    """What coming back led to. `outcome` is linked (new), renewed (same account) or changed (another one).

    `missing` are the scopes that the person did not grant; `target` is where they wanted to go on.
    """

    link_id: str
    service_id: str
    outcome: str
    account_label: str
    missing: tuple[str, ...]
    target: str


def start(
    runtime: Runtime,
    user_id: str,
    service_id: str,
    *,
    browser: str,
    redirect_uri: str,
    target: str,
    choice: str | None = None,
) -> str:
    """Return the provider's address to send the person to, for a new link or to sign in again for one they have.

    `browser` is a random text that only this browser session knows; coming back with another one is refused.
    `redirect_uri` is exactly what is registered at the provider, `target` a path here to go on at afterwards.
    `choice` is that of a LinkRefused with `other_account`, when the person wants to change to the other account.
    Raises LinkRefused (`not_offered`, `provider_away`, `provider_answer`).
    """
    raise NotImplementedError


def finish(runtime: Runtime, user_id: str, *, browser: str, answer: Mapping[str, str]) -> Linked:
    """Take what the provider sent back with the person: check it, exchange the code, keep the tokens sealed.

    `answer` are the query parameters as they came. Works once for each start; raises LinkRefused.
    """
    raise NotImplementedError
