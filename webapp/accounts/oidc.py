"""Sign-in of staff by OpenID Connect: the code flow with PKCE, state and nonce, each good once and for minutes.

The provider's documents are read through the address guard like everything else that leaves this machine.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from flask import session as browser
from pydantic import SecretStr

from adapters.kit.auth import Basic
from adapters.kit.errors import Blocked, Fault
from adapters.kit.http import Http
from adapters.kit.text import Message, N_
from adapters.kit.wire import Wire
from webapp.oidcconfig import Provider
from webapp.runtime import Runtime

PENDING = "oidc"
PENDING_FOR = timedelta(minutes=10)
FRESH = timedelta(minutes=2)
LEEWAY_S = 60
DOCUMENTS_FOR_S = 3600.0
KEYS_AGAIN_S = 60.0
# What is signed with a shared secret, or not at all, is never taken.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")

_documents: dict[str, tuple[float, dict[str, Any]]] = {}


class OidcRefused(Exception):
    """Nobody came in; the message is for the person, reason for the log."""

    def __init__(self, message: Message, reason: str) -> None:
        super().__init__(reason)
        self.message = message
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was begun on this browser: where to go on, and whether it proves again who it is."""

    nonce: str
    verifier: str
    target: str
    again: bool


def begin(runtime: Runtime, provider: Provider, redirect_uri: str, target: str, *, again: bool) -> str:
    """Return the provider's address to go to, and remember on this browser what must come back."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    browser[PENDING] = [state, nonce, verifier, runtime.clock.now().timestamp(), target, again]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid email profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    if again:
        query |= {"prompt": "login", "max_age": "0"}
    endpoint = str(_metadata(runtime, provider)["authorization_endpoint"])
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def finish(
    runtime: Runtime, provider: Provider, redirect_uri: str, answer: Mapping[str, str]
) -> tuple[dict[str, Any], Begun]:
    """Return the verified claims of the person who came back, or raise OidcRefused; works once."""
    begun = _begun(runtime, answer.get("state", ""))
    if "error" in answer:
        raise _refused(f"the provider answered {answer['error'][:80]!r}")
    if answer.get("iss") not in {None, provider.issuer}:
        raise _refused("the answer names another issuer")
    token = _exchange(runtime, provider, redirect_uri, answer.get("code", ""), begun.verifier)
    claims = _verify(runtime, provider, token, begun)
    return claims, begun


def _begun(runtime: Runtime, state: str) -> Begun:
    expected, nonce, verifier, since, target, again = browser.pop(PENDING, None) or (
        "",
        "",
        "",
        0.0,
        "",
        False,
    )
    age = runtime.clock.now().timestamp() - since
    if not expected or not hmac.compare_digest(expected.encode(), state.encode()):
        raise _refused("the state does not belong to this browser")
    if not 0 <= age < PENDING_FOR.total_seconds():
        raise _refused("it took too long")
    return Begun(nonce, verifier, target, again)


def _exchange(runtime: Runtime, provider: Provider, redirect_uri: str, code: str, verifier: str) -> str:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    # Both are form-encoded before they are joined, as RFC 6749 has it.
    proof = Basic(quote(provider.client_id, safe=""), SecretStr(quote(provider.client_secret, safe="")))
    endpoint = str(_metadata(runtime, provider)["token_endpoint"])
    try:
        reply = _http(runtime).post(endpoint, form=form, auth=proof, headers={"Accept": "application/json"})
        token = reply.json_object().get("id_token") if reply.ok else None
    except (Fault, Blocked) as fault:
        raise _unreachable(str(fault)) from fault
    if not isinstance(token, str):
        raise _refused(f"the token endpoint answered {reply.status} without an identity token")
    return token


def _verify(runtime: Runtime, provider: Provider, token: str, begun: Begun) -> dict[str, Any]:
    from joserfc import jwt  # noqa: PLC0415 - an optional extra
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above

    now = int(runtime.clock.now().timestamp())
    rules = jwt.JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        nonce={"essential": True, "value": begun.nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        claims = _decode(runtime, provider, token).claims
        rules.validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _refused(f"the identity token is not valid: {type(error).__name__}") from None
    if isinstance(claims["aud"], list) and claims.get("azp", provider.client_id) != provider.client_id:
        raise _refused("the identity token was made for another program")
    if begun.again and now - int(claims.get("auth_time") or 0) > FRESH.total_seconds():
        raise _refused("the provider did not ask again who it is")
    return dict(claims)


def _decode(runtime: Runtime, provider: Provider, token: str) -> Any:
    """Check the signature; a key we do not know makes us look once more, the provider may have changed it."""
    from joserfc import jwt  # noqa: PLC0415 - an optional extra
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above
    from joserfc.jwk import KeySet  # noqa: PLC0415 - as above

    address = str(_metadata(runtime, provider)["jwks_uri"])
    keys = KeySet.import_key_set(_document(runtime, address, DOCUMENTS_FOR_S))  # type: ignore[arg-type]
    try:
        return jwt.decode(token, keys, algorithms=ALGORITHMS)
    except (JoseError, ValueError):
        fresh = _document(runtime, address, KEYS_AGAIN_S)
        return jwt.decode(token, KeySet.import_key_set(fresh), algorithms=ALGORITHMS)  # type: ignore[arg-type]


def _metadata(runtime: Runtime, provider: Provider) -> dict[str, Any]:
    address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    found = _document(runtime, address, DOCUMENTS_FOR_S)
    if found.get("issuer") != provider.issuer:
        raise _unreachable("its description names another issuer")
    if not all(isinstance(found.get(f"{name}_endpoint"), str) for name in ("authorization", "token")):
        raise _unreachable("its description lacks an endpoint")
    return found


def _document(runtime: Runtime, address: str, max_age_s: float) -> dict[str, Any]:
    """Read a document of the provider, or take the copy of minutes ago."""
    now = runtime.clock.monotonic()
    read_at, content = _documents.get(address, (0.0, {}))
    if content and now - read_at < max_age_s:
        return content
    try:
        reply = _http(runtime).get(address)
        if not reply.ok:
            raise _unreachable(f"{address} answered {reply.status}")
        content = reply.json_object()
    except (Fault, Blocked) as fault:
        raise _unreachable(str(fault)) from fault
    _documents[address] = (now, content)
    return content


def _http(runtime: Runtime) -> Http:
    return Http(Wire.for_check(runtime.policy, clock=runtime.clock, timeout_s=10))


def _refused(reason: str) -> OidcRefused:
    return OidcRefused(Message.of(N_("The sign-in was not completed. Please start again.")), reason)


def _unreachable(reason: str) -> OidcRefused:
    return OidcRefused(
        Message.of(N_("The sign-in provider does not answer as it should. Try again later.")), reason
    )
