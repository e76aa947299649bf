"""The protocol of OAuth 2.0 over our guarded client: Authlib writes and reads it, `Http` carries it, faults name it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from authlib.oauth2 import OAuth2Client, OAuth2Error

from adapters.kit.errors import Effect, Fault, Forbidden, Misconfigured, Refused, Unavailable
from adapters.kit.http import Http
from adapters.kit.reply import Reply
from adapters.kit.statuses import fault_by_status
from adapters.kit.text import Message, N_

GRANT_REFUSED = "GRANT_REFUSED"
_WORD_MAX = 200


def _basic(client: Any, method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, Any, str]:  # noqa: ARG001 - Authlib's signature
    """Both are form-encoded before they are joined, as RFC 6749 has it and Authlib has not."""
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return uri, headers, body


BASIC = ("client_secret_basic", _basic)
POST = "client_secret_post"


class _Answer:
    """A reply, as Authlib expects one."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.status_code = reply.status

    def json(self) -> Any:
        return self.reply.json()

    def raise_for_status(self) -> None:
        raise fault_by_status(self.reply) or self.reply.malformed()


class _Session:
    """What Authlib sends with; the last answer stays readable."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.last: Reply | None = None

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Answer:
        return self._send("POST", url, urlencode(data), headers, auth)

    def request(self, method: str, url: str, *, headers: Mapping[str, str], auth: Any) -> _Answer:
        return self._send(method, url, "", headers, auth)

    def _send(self, method: str, url: str, body: str, headers: Mapping[str, str], auth: Any) -> _Answer:
        url, proved, body = auth.prepare(method, url, dict(headers), body)
        kind = proved.pop("Content-Type", None) if body else None
        proved.pop("Content-Length", None)
        self.last = self._http.request(
            method, url, data=body or None, content_type=kind, headers=proved, raw=True
        )
        return _Answer(self.last)


@dataclass(frozen=True, slots=True)
class Words:
    """What the errors of a provider mean beyond the ones of the standard: codes, as it writes them."""

    grant: frozenset[str] = frozenset()
    client: frozenset[str] = frozenset()
    away: frozenset[str] = frozenset()


class Protocol:
    """One provider's token endpoint, and one client there."""

    def __init__(
        self,
        http: Http,
        *,
        client_id: str,
        client_secret: str,
        client_auth: str | tuple[str, Any] = BASIC,
        words: Words | None = None,
    ) -> None:
        self._session = _Session(http)
        self._words = words or Words()
        name = client_auth if isinstance(client_auth, str) else client_auth[0]
        self._client = OAuth2Client(
            self._session,
            client_id,
            client_secret,
            token_endpoint_auth_method=name,
            revocation_endpoint_auth_method=name,
            code_challenge_method="S256",
        )
        if not isinstance(client_auth, str):
            self._client.register_client_auth_method(client_auth)

    def address(
        self,
        endpoint: str,
        *,
        redirect_uri: str,
        scope: str,
        state: str,
        verifier: str | None,
        extra: Mapping[str, str],
    ) -> str:
        """Where to send the person; the verifier goes as its S256 challenge."""
        address, _ = self._client.create_authorization_url(
            endpoint, state=state, code_verifier=verifier, redirect_uri=redirect_uri, scope=scope, **extra
        )
        return str(address)

    def exchange(
        self, endpoint: str, *, code: str, redirect_uri: str, verifier: str | None, method: str = "POST"
    ) -> dict[str, Any]:
        """Turn a code into tokens; raises a Fault."""
        proof = {"code_verifier": verifier} if verifier else {}
        return self._tokens(
            lambda: self._client.fetch_token(
                endpoint,
                method=method,
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                **proof,
            )
        )

    def refresh(self, endpoint: str, refresh_token: str, *, method: str = "POST") -> dict[str, Any]:
        """Turn a refresh token into new tokens; raises a Fault."""
        return self._tokens(
            lambda: self._client.fetch_token(
                endpoint, method=method, grant_type="refresh_token", refresh_token=refresh_token
            )
        )

    def revoke(self, endpoint: str, token: str, kind: str) -> None:
        """Have a token revoked as RFC 7009 says; raises a Fault where the provider does not do it."""
        self._guarded(lambda: self._client.revoke_token(endpoint, token=token, token_type_hint=kind))
        assert self._session.last is not None
        if not self._session.last.ok:
            raise self.fault(self._session.last)

    def _tokens(self, send: Callable[[], Any]) -> dict[str, Any]:
        found = self._guarded(send)
        reply = self._session.last
        assert reply is not None
        if not isinstance(found.get("access_token"), str) or not found["access_token"]:
            raise self.fault(reply)
        return dict(found)

    def _guarded(self, send: Callable[[], Any]) -> Any:
        try:
            return send()
        except OAuth2Error:
            assert self._session.last is not None
            raise self.fault(self._session.last) from None
        except ValueError as problem:
            reply = self._session.last
            raise (fault_by_status(reply) or reply.malformed()) if reply else problem from None

    def fault(self, reply: Reply) -> Fault:
        """Name what a refusing answer of the token endpoint says; never the input it may repeat."""
        said = reply.peek()
        code = next((str(said[name]) for name in ("error", "errcode", "code") if said.get(name)), "")[
            :_WORD_MAX
        ]
        return named(code, reply, self._words)


def named(code: str, reply: Reply, words: Words) -> Fault:  # noqa: PLR0911 - one for each kind of refusal
    """The fault behind an error code of a token endpoint."""
    about = {"vendor_status": reply.status, "vendor_code": code or None, "request_id": reply.request_id}
    if code == "invalid_grant" or code in words.grant:
        text = N_("The provider does not accept the code or the token any more.")
        return Refused(text, code=GRANT_REFUSED, **about)  # type: ignore[arg-type]
    if code in {"invalid_client", "unauthorized_client"} or code in words.client:
        text = N_("The provider does not accept this client and its secret.")
        return Misconfigured(text, **about)  # type: ignore[arg-type]
    if code in {"temporarily_unavailable", "server_error", "slow_down"} or code in words.away:
        text = N_("The provider says it is not available now.")
        return Unavailable(text, retry_after=reply.retry_after, **about)  # type: ignore[arg-type]
    if code in {"access_denied", "invalid_scope"}:
        return Forbidden(N_("The provider does not allow these permissions."), **about)  # type: ignore[arg-type]
    if fault := fault_by_status(reply):
        fault.vendor_code = code or None
        return fault
    if not code:
        return reply.malformed()
    said = Message.of(N_("The provider refused with %(code)s."), code=code)
    return Refused(said, effect=Effect.REJECTED, **about)  # type: ignore[arg-type]
