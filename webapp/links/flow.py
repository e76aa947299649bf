"""Linking an account: to the provider and back, by the authorization code flow with PKCE.

What has to come back is made of the state and a key of this installation, so that nothing but hashes is stored.
Coming back uses the stored row up in the same moment as it is read: a code is exchanged once, whoever opens the
address again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import CursorResult, delete, select

from adapters.kit import Fault, Message, N_
from adapters.kit.accounts import Ask, Code, Grant
from adapters.kit.oidc import ID_TOKEN
from webapp.engine.problems import PatchbayError
from webapp.links import provider
from webapp.links.errors import LinkRefused
from webapp.links.keeping import Linked, keep
from webapp.models.link import LinkAttempt

if TYPE_CHECKING:
    from webapp.runtime import Runtime

PENDING_FOR = timedelta(minutes=10)
_HEX = 64
_AWAY = frozenset(("temporarily_unavailable", "server_error"))
_OUTAGES = frozenset((
    "DNS_FAILURE", "CONNECT_REFUSED", "CONNECT_UNREACHABLE", "CONNECT_TIMEOUT", "TLS_HANDSHAKE_FAILED",
    "CONNECTION_LOST", "READ_TIMEOUT", "DEADLINE_EXCEEDED", "VENDOR_UNAVAILABLE", "VENDOR_SERVER_ERROR",
    "VENDOR_GATEWAY_TIMEOUT", "VENDOR_RATE_LIMITED", "CIRCUIT_OPEN", "BULKHEAD_FULL", "RATE_LIMITED_LOCAL",
    "NO_PROVIDER_AVAILABLE", "STATE_STORE_UNAVAILABLE",
))  # fmt: skip
_SAYS = {
    "denied": N_("You did not allow the link, so nothing was linked."),
    "state": N_("This sign-in was not started in this browser, or was finished already. Please start again."),
    "late": N_("The sign-in took too long. Please start again."),
    "issuer": N_("The answer came from another provider than the one you went to. Nothing was linked."),
    "proof": N_("The provider's proof of who you are is not valid. Nothing was linked."),
    "code": N_("The provider did not accept its own code any more. Please start again."),
    "provider_away": N_("The provider does not answer at the moment. Nothing was linked; please try again later."),
    "provider_answer": N_("The provider gave an answer that cannot be used. Nothing was linked."),
}  # fmt: skip
_log = logging.getLogger(__name__)

__all__ = ["Linked", "finish", "start"]


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
    state = secrets.token_urlsafe(32)
    asked = Ask(
        redirect_uri, state, _made(runtime, "nonce", state), _made(runtime, "verifier", state), bool(choice)
    )
    adapter, line = provider.adapter_of(runtime, service_id)
    try:
        with line:
            address = adapter.begin(asked)
    except Fault as fault:
        raise _refused(_outage(fault.code), f"{fault.code}: {fault}", service_id) from fault
    now = runtime.clock.now()
    with runtime.sessions() as session:
        session.execute(delete(LinkAttempt).where(LinkAttempt.expires_at <= now))
        session.add(
            LinkAttempt(
                state_hash=digest(state), browser_hash=digest(browser), user_id=user_id, service_id=service_id,
                account_hash=choice if choice and len(choice) == _HEX else None, redirect_uri=redirect_uri,
                target=target, created_at=now, expires_at=now + PENDING_FOR,
            )
        )  # fmt: skip
        session.commit()
    return address


def finish(
    runtime: Runtime, user_id: str, service_id: str, *, browser: str, answer: Mapping[str, str]
) -> Linked:
    """Take what the provider sent back with the person: check it, exchange the code, keep the tokens sealed.

    `service_id` is the one whose redirect address was used, `answer` the query parameters as they came. Works once
    for each start; raises LinkRefused.
    """
    state = answer.get("state", "")
    attempt = _used_up(runtime, user_id, service_id, browser, state)
    try:
        grant = _grant(runtime, attempt, state, answer)
        return keep(runtime, attempt, grant)
    except LinkRefused as refused:
        refused.service_id, refused.target = service_id, attempt.target
        raise


def _used_up(runtime: Runtime, user_id: str, service_id: str, browser: str, state: str) -> LinkAttempt:
    """The start that belongs to this state, which nobody can use again; a stranger cannot use it up."""
    with runtime.sessions() as session:
        attempt = session.scalar(select(LinkAttempt).where(LinkAttempt.state_hash == digest(state)))
        if attempt is None or not hmac.compare_digest(attempt.browser_hash, digest(browser)):
            raise _refused("state", "unknown state, or another browser", service_id)
        if (attempt.user_id, attempt.service_id) != (user_id, service_id):
            raise _refused("state", "another person or another provider", service_id)
        gone = session.execute(delete(LinkAttempt).where(LinkAttempt.state_hash == attempt.state_hash))
        session.commit()
        if cast("CursorResult[Any]", gone).rowcount != 1:
            raise _refused("state", "used at the same moment", service_id)
    if attempt.expires_at <= runtime.clock.now():
        raise _refused("late", "expired", service_id)
    return attempt


def _grant(runtime: Runtime, attempt: LinkAttempt, state: str, answer: Mapping[str, str]) -> Grant:
    _check_answer(runtime, attempt.service_id, answer)
    code = Code(
        answer.get("code", ""),
        attempt.redirect_uri,
        _made(runtime, "nonce", state),
        _made(runtime, "verifier", state),
    )
    try:
        return provider.grant_of(provider.carry(runtime, attempt.service_id, provider.LINK, code))
    except PatchbayError as error:
        raise _failed(error, attempt.service_id) from error


def _check_answer(runtime: Runtime, service_id: str, answer: Mapping[str, str]) -> None:
    adapter, line = provider.adapter_of(runtime, service_id)
    try:
        with line:
            ours = adapter.check_issuer(answer)
    except Fault as fault:
        raise _refused(_outage(fault.code), f"{fault.code}: {fault}", service_id) from fault
    if not ours:
        raise _refused("issuer", "the answer names another issuer, or none", service_id)
    error = answer.get("error")
    if error is not None:
        known = {"access_denied": "denied", "authdeny": "denied"}.get(error)
        code = known or ("provider_away" if error in _AWAY else "provider_answer")
        raise _refused(code, f"the provider answered {error[:80]!r}", service_id)
    if not answer.get("code"):
        raise _refused("provider_answer", "no code came back", service_id)


def _failed(error: PatchbayError, service_id: str) -> LinkRefused:
    """What a failed exchange means to the person."""
    cause = error.cause_code or error.code
    if (error.vendor or {}).get("code") == ID_TOKEN:
        return _refused("proof", str(error), service_id)
    if cause == "GRANT_REFUSED":
        return _refused("code", str(error), service_id)
    return _refused(_outage(cause), f"{cause}: {error}", service_id)


def _outage(code: str) -> str:
    return "provider_away" if code in _OUTAGES else "provider_answer"


def _refused(code: str, reason: str, service_id: str) -> LinkRefused:
    _log.warning("An account of service %s was not linked: %s (%s)", service_id, code, reason)
    return LinkRefused(code, Message(_SAYS[code]), reason=reason, service_id=service_id)


def _made(runtime: Runtime, purpose: str, state: str) -> str:
    """A value that only this installation can make of a state: 43 characters, as PKCE has them."""
    key = runtime.vault.derive(b"link attempts")
    made = hmac.digest(key, f"{purpose}\0{state}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def digest(text: str) -> str:
    """What is stored of a state and of a browser's secret."""
    return hashlib.sha256(text.encode()).hexdigest()
