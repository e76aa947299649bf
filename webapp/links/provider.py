"""What Patchbay itself asks of a provider: calls like any other, recorded and guarded, of operations nobody else has."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapters.kit import Message, Operation, Safety, Wire, N_
from adapters.kit.accounts import Account, Code, Grant, Release, Released, Renewal
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.opening import open_candidate
from webapp.engine.request import CallRequest
from webapp.links.errors import LinkRefused
from webapp.links.reading import CONTRACT

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from adapters.oauth import OAuthProvider
    from webapp.runtime import Runtime

LINK = Operation("oauth.link", "link", Code, Grant, Safety.UNSAFE, N_("Link an account"))
REFRESH = Operation("oauth.refresh", "refresh", Renewal, Grant, Safety.UNSAFE, N_("Renew a token"))
REVOKE = Operation("oauth.revoke", "revoke", Release, Released, Safety.IDEMPOTENT, N_("Revoke a token"))
REQUEST_MS = 15_000
_CALLER = "links"
_SECRET = ("code_secret", "verifier_secret", "access_token", "refresh_token")


def carry(runtime: Runtime, service_id: str, operation: Operation, params: object) -> Mapping[str, Any]:
    """Make one of our own calls to a provider and return what came of it; raises PatchbayError."""
    request = CallRequest(
        operation=operation, contract=CONTRACT, params=params, prefer=(service_id,), point=None, deadline_ms=REQUEST_MS,
        call_key=None, correlation_id=str(uuid.uuid4()), caller=_CALLER, may_duplicate=False, secrets=_secrets(params),
    )  # fmt: skip
    return runtime.hub.carry(request).result


def _secrets(params: object) -> tuple[str, ...]:
    """The codes and tokens among the parameters."""
    found = (getattr(params, name, None) for name in _SECRET)
    return tuple(value for value in found if value)


def grant_of(said: Mapping[str, Any]) -> Grant:
    """Read the answer of LINK or REFRESH."""
    members = dict(said)
    account = members.pop("account", None)
    scopes = members.pop("scopes", None)
    return Grant(
        **members,
        scopes=None if scopes is None else tuple(scopes),
        account=Account(**account) if account else None,
    )


def adapter_of(runtime: Runtime, service_id: str) -> tuple[OAuthProvider, AbstractContextManager[object]]:
    """The provider's adapter with a line of its own, to be used within the context; raises LinkRefused."""
    opened = open_candidate(runtime, Candidate(via=service_id, service_id=service_id))
    if isinstance(opened, Skip) or opened.adapter.contract != CONTRACT:
        reason = opened.code if isinstance(opened, Skip) else opened.adapter.contract
        raise not_offered(service_id, reason)
    wire = Wire.for_call(runtime.policy, clock=runtime.clock, attempt_timeout_s=8.0, safety=Safety.READ)
    adapter: Any = opened.adapter(opened.config, wire)
    return adapter, wire


def not_offered(service_id: str, reason: str) -> LinkRefused:
    """The refusal where there is no such provider now."""
    text = Message.of(N_("Accounts of this provider cannot be linked at the moment."))
    return LinkRefused("not_offered", text, reason=reason, service_id=service_id)
