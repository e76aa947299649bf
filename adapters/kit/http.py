"""The HTTP client of an adapter: one request out, one reply back, each recorded, every failure named."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from adapters.kit.auth import Auth, Outgoing
from adapters.kit.errors import Blocked, Effect, Fault, Misconfigured
from adapters.kit.reply import Reply
from adapters.kit.text import Message, N_
from adapters.kit.transport import transport_for
from adapters.kit.url import Target
from adapters.kit.wire import Exchange, Wire

Pairs = Mapping[str, Any] | Sequence[tuple[str, Any]]

_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_BODYLESS = {"GET", "HEAD", "OPTIONS", "TRACE"}


class Http:
    """A client bound to one wire and, usually, to one vendor's address, credentials and error map."""

    def __init__(
        self,
        wire: Wire,
        *,
        base_url: str = "",
        auth: Auth | None = None,
        classify: Callable[[Reply], Fault | None] | None = None,
    ) -> None:
        self.wire = wire
        self.base_url = base_url
        self.auth = auth
        self._classify = classify

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Pairs | None = None,
        json: Any = None,
        form: Pairs | None = None,
        data: bytes | str | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        raw: bool = False,
    ) -> Reply:
        """Send one request and return the reply; raises the Fault that the error map finds in it.

        `path` is joined to the base address. A complete address is taken as it is, and our credentials go
        with it only when it lies on the same host as the base. `raw` leaves the reply unjudged.
        """
        body, kind = _body(json, form, data, content_type)
        outgoing = Outgoing(method.upper(), self._target(path), _pairs(params), dict(headers or {}), body)
        self._complete(outgoing, kind)
        proof = auth or (self.auth if self._ours(outgoing.target) else None)
        if proof:
            proof.sign(outgoing)
        _check_headers(outgoing.headers)
        reply = self._send(outgoing)
        if not raw and self._classify and (fault := self._classify(reply)):
            raise _with_context(fault, reply)
        return reply

    def get(self, path: str, **how: Any) -> Reply:
        """Send a GET request."""
        return self.request("GET", path, **how)

    def post(self, path: str, **how: Any) -> Reply:
        """Send a POST request."""
        return self.request("POST", path, **how)

    def put(self, path: str, **how: Any) -> Reply:
        """Send a PUT request."""
        return self.request("PUT", path, **how)

    def delete(self, path: str, **how: Any) -> Reply:
        """Send a DELETE request."""
        return self.request("DELETE", path, **how)

    def _target(self, path: str) -> Target:
        below = f"{self.base_url.rstrip('/')}/{path.lstrip('/')}" if path else self.base_url
        complete = path if _ABSOLUTE.match(path) else below
        try:
            return Target.parse(complete)
        except ValueError as problem:
            raise Blocked(N_("This is not a web address we can use."), detail=str(problem)) from problem

    def _ours(self, target: Target) -> bool:
        return bool(self.base_url) and self._target("").origin == target.origin

    def _complete(self, outgoing: Outgoing, kind: str | None) -> None:
        present = {name.lower() for name in outgoing.headers}
        usual = {"Accept": "*/*", "User-Agent": "Patchbay"}
        if kind:
            usual["Content-Type"] = kind
        if self.wire.probe:
            usual["Accept-Encoding"] = "identity"
        else:
            usual["Accept-Encoding"] = "gzip, deflate"
        usual |= self.wire.trace
        outgoing.headers.update({name: value for name, value in usual.items() if name.lower() not in present})
        if outgoing.body or outgoing.method not in _BODYLESS:
            outgoing.headers["Content-Length"] = str(len(outgoing.body))

    def _send(self, outgoing: Outgoing) -> Reply:
        started = self.wire.clock.monotonic()
        try:
            reply = transport_for(self.wire.policy, self.wire.ca_bundle).send(outgoing, self.wire)
        except Fault as fault:
            self._record(outgoing, started, status=fault.vendor_status)
            raise
        self._record(outgoing, started, reply)
        return reply

    def _record(
        self, outgoing: Outgoing, started: float, reply: Reply | None = None, *, status: int | None = None
    ) -> None:
        exchange = Exchange(
            method=outgoing.method,
            url=outgoing.url,
            request_headers=dict(outgoing.headers),
            request_body=outgoing.body,
            status=reply.status if reply else status,
            response_headers=dict(reply.headers) if reply else {},
            response_body=reply.body if reply else b"",
            duration_ms=round((self.wire.clock.monotonic() - started) * 1000),
            phase=self.wire.phase,
        )
        self.wire.exchanges.append(exchange)


def _body(
    json: Any, form: Pairs | None, data: bytes | str | None, content_type: str | None
) -> tuple[bytes, str | None]:
    if json is not None:
        text = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode(), content_type or "application/json"
    if form is not None:
        return urlencode(_pairs(form)).encode(), content_type or "application/x-www-form-urlencoded"
    if data is None:
        return b"", content_type
    return (data.encode() if isinstance(data, str) else data), content_type or "application/octet-stream"


def _pairs(values: Pairs | None) -> list[tuple[str, str]]:
    items = values.items() if isinstance(values, Mapping) else values or ()
    pairs: list[tuple[str, str]] = []
    for name, value in items:
        several = value if isinstance(value, (list, tuple)) else [value]
        pairs += [(name, _word(item)) for item in several if item is not None]
    return pairs


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            text = Message.of(N_("The header %(name)s holds characters that cannot be sent."), name=name[:64])
            raise Misconfigured(text, code="CONFIG_INVALID", effect=Effect.NONE)


def _with_context(fault: Fault, reply: Reply) -> Fault:
    fault.vendor_status = fault.vendor_status or reply.status
    fault.request_id = fault.request_id or reply.request_id
    fault.retry_after = reply.retry_after if fault.retry_after is None else fault.retry_after
    return fault
