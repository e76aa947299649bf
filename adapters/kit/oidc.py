"""OpenID Connect: a provider's description and keys, and the identity tokens signed with them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from adapters.kit.errors import Effect, Fault, Misconfigured, Unsure
from adapters.kit.http import Http
from adapters.kit.statuses import fault_by_status
from adapters.kit.text import Message, N_

# What is signed with a shared secret, or not at all, is never taken.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S = 60
KEPT_S, AGAIN_S = 3600.0, 60.0
ID_TOKEN = "id_token"  # noqa: S105 - the name of the proof that was not valid
_MOST_DOCUMENTS = 256
_lock = threading.Lock()
_documents: OrderedDict[tuple[str, str | None], tuple[float, dict[str, Any]]] = OrderedDict()


def document(http: Http, address: str, *, max_age_s: float = KEPT_S) -> dict[str, Any]:
    """Read a JSON document of a provider, or take the copy of minutes ago; raises a Fault."""
    key, now = (address, http.wire.ca_bundle), http.wire.clock.monotonic()
    with _lock:
        read_at, content = _documents.get(key, (0.0, {}))
    if content and 0 <= now - read_at < max_age_s:
        return content
    reply = http.request("GET", address, headers={"Accept": "application/json"}, raw=True)
    if fault := fault_by_status(reply):
        raise fault
    content = reply.json_object()
    with _lock:
        _documents[key] = (now, content)
        _documents.move_to_end(key)
        while len(_documents) > _MOST_DOCUMENTS:
            _documents.popitem(last=False)
    return content


def forget() -> None:
    """Read every document anew at its next use."""
    with _lock:
        _documents.clear()


def discover(
    http: Http, issuer: str, *, expected: str | None = None, max_age_s: float = KEPT_S
) -> dict[str, Any]:
    """Read the description of an issuer, which must name exactly that issuer; raises a Fault.

    `expected` is what it names instead, where that is known to differ.
    """
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    found = document(http, address, max_age_s=max_age_s)
    if found.get("issuer") != (expected or issuer):
        text = Message.of(
            N_("The description names another issuer: %(issuer)s."), issuer=str(found.get("issuer"))[:200]
        )
        raise Misconfigured(text, code="CONFIG_INVALID", field="issuer")
    missing = [
        name
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if not isinstance(found.get(name), str)
    ]
    if missing:
        text = Message.of(N_("The description of the provider lacks %(names)s."), names=", ".join(missing))
        raise Misconfigured(text, code="CONFIG_INVALID", field="issuer")
    return found


def keys(http: Http, address: str, *, max_age_s: float = KEPT_S) -> KeySet:
    """Read the public keys of a provider; raises a Fault."""
    try:
        return KeySet.import_key_set(document(http, address, max_age_s=max_age_s))  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise Unsure(
            N_("The keys of the provider could not be read."),
            code="MALFORMED_RESPONSE",
            effect=Effect.REJECTED,
        ) from None


def verify(
    http: Http, token: object, *, metadata: Mapping[str, Any], client_id: str, nonce: str | None
) -> dict[str, Any]:
    """Return the claims of an identity token that is meant for us and for this very flow; raises a Fault.

    `nonce` is None for a token that came with a renewal, which need not repeat it.
    """
    if not isinstance(token, str) or not token:
        raise invalid("missing")
    now = int(http.wire.clock.now().timestamp())
    fits: Any = {} if nonce is None else {"nonce": {"essential": True, "value": nonce}}
    rules = jwt.JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_S,
        aud={"essential": True, "value": client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        **fits,
    )
    try:
        claims = _decode(http, token, metadata)
        rules.validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as problem:
        raise invalid(type(problem).__name__) from None
    if claims.get("iss") != _issuer(metadata, claims):
        raise invalid("issuer")
    if isinstance(claims["aud"], list) and claims.get("azp", client_id) != client_id:
        raise invalid("azp")
    return dict(claims)


def _decode(http: Http, token: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Check the signature; a key we do not know makes us look once more, the provider may have changed it."""
    address = str(metadata["jwks_uri"])
    promised = metadata.get("id_token_signing_alg_values_supported")
    allowed = [name for name in ALGORITHMS if not isinstance(promised, list) or name in promised]
    try:
        return dict(jwt.decode(token, keys(http, address), algorithms=allowed).claims)
    except (JoseError, ValueError):
        return dict(jwt.decode(token, keys(http, address, max_age_s=AGAIN_S), algorithms=allowed).claims)


def _issuer(metadata: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """The issuer to expect; a provider of many tenants names the tenant of the person in it."""
    return str(metadata["issuer"]).replace("{tenantid}", str(claims.get("tid", "")))


def invalid(reason: str) -> Fault:
    """The fault of an identity token that proves nothing."""
    text = Message.of(N_("The provider's proof of identity is not valid (%(reason)s)."), reason=reason)
    return Unsure(text, code="MALFORMED_RESPONSE", effect=Effect.REJECTED, vendor_code=ID_TOKEN)
