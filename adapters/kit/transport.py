"""Sending an HTTP request over shared, guarded connections: no redirects, no proxies, no retries, bounded replies."""

from __future__ import annotations

import http.client
import os
import threading
from collections import OrderedDict
from typing import Any

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from adapters.kit.address import EgressPolicy
from adapters.kit.answer import Answer
from adapters.kit.auth import Outgoing
from adapters.kit.connections import POOLS, carried_by
from adapters.kit.errors import Blocked, Fault
from adapters.kit.faults import cut_off
from adapters.kit.reply import Reply
from adapters.kit.text import N_
from adapters.kit.tls import http_context
from adapters.kit.url import Target
from adapters.kit.wire import Wire

_CHUNK = 65_536
_NO_TIMEOUT = (None, None)  # the wire has its own
_ACCIDENTS = (
    Fault, requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError,
)  # fmt: skip
_HOSTS = 64
_MOST_TRANSPORTS = 32


class _Prepared(requests.PreparedRequest):
    """A request that knows its target, so that nobody takes its address apart again."""

    target: Target


class _Line(HTTPAdapter):
    """requests' adapter over our pools.

    It is called directly: a Session would add cookies, redirects and environment proxies, and cost as much again.
    What remains of requests is the door, where other libraries look at traffic or stand in for it.
    """

    def __init__(self, ca_bundle: str | None, pool_size: int) -> None:
        self._context = http_context(ca_bundle)
        self._pools: dict[tuple[str, str, int], Any] = {}
        super().__init__(pool_connections=_HOSTS, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **how: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **how)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        # Naming the authorities here would make every new connection parse them again.
        return host, {name: value for name, value in pool.items() if name not in {"ca_certs", "ca_cert_dir"}}

    def get_connection_with_tls_context(self, request: Any, *rest: Any, **how: Any) -> Any:
        origin = request.target.origin
        pool = self._pools.get(origin)
        if pool is None or pool.pool is None:  # closed to make room for others
            if len(self._pools) >= _HOSTS:
                self._pools.clear()
            pool = self._pools[origin] = super().get_connection_with_tls_context(request, *rest, **how)
        return pool

    def request_url(self, request: Any, proxies: Any) -> str:  # noqa: ARG002 - requests' signature
        url: str = request.url
        return url[len(f"{request.target.scheme}://{request.target.netloc}") :]

    def build_response(self, req: Any, resp: Any) -> Any:
        return resp if isinstance(resp, Answer) else super().build_response(req, resp)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ARG002 - requests' signature
        conn.cert_reqs = "CERT_REQUIRED"

    def proxy_manager_for(self, proxy: Any, **proxy_kwargs: Any) -> Any:  # noqa: ARG002 - requests' signature
        raise Blocked(N_("Proxies are not supported."))


class Transport:
    """Connections for one policy and one set of authorities, shared by every thread of the process."""

    def __init__(self, policy: EgressPolicy, ca_bundle: str | None = None, pool_size: int = 10) -> None:
        self.policy = policy
        self._line = _Line(ca_bundle, pool_size)

    def send(self, outgoing: Outgoing, wire: Wire) -> Reply:
        """Send one request and read the whole reply; raises the Fault that describes what went wrong."""
        self.policy.check_url(outgoing.target, ports=wire.ports)
        watch = wire.begin()
        try:
            with carried_by(wire):
                reply = self._exchange(_prepared(outgoing), wire)
        finally:
            cut = watch.disarm()
        if cut:  # a cut looks like a proper end where the reply's length was not announced
            raise cut_off(wire.deadline_bound)
        wire.phase = "done"
        return reply

    def close(self) -> None:
        """Close the idle connections."""
        self._line.close()

    def _exchange(self, prepared: requests.PreparedRequest, wire: Wire) -> Reply:
        wire.status = None
        try:
            answer: Any = self._line.send(prepared, stream=True, timeout=_NO_TIMEOUT, proxies={})
            if not isinstance(answer, Answer):
                answer = _received(answer, wire)
            body = answer.content
        except _ACCIDENTS as problem:
            named = wire.fault(problem)
            named.vendor_status = wire.status
            raise named from None  # the libraries' texts hold the whole address, which may hold a secret
        return Reply(answer.status_code, answer.headers, body, prepared.url or "", wire.clock.now())


def _prepared(outgoing: Outgoing) -> _Prepared:
    prepared = _Prepared()
    prepared.target = outgoing.target
    prepared.method = outgoing.method
    prepared.url = outgoing.url
    prepared.headers = CaseInsensitiveDict(outgoing.headers)
    prepared.headers.setdefault("Host", outgoing.target.netloc)
    prepared.body = outgoing.body if "Content-Length" in prepared.headers else None
    prepared.hooks = {"response": []}
    return prepared


def _received(response: requests.Response, wire: Wire) -> Answer:
    """The answer of somebody who stands in for the network."""
    wire.status = response.status_code
    return Answer.of(response.status_code, response.headers, response.iter_content(_CHUNK), wire)


_lock = threading.Lock()
_transports: OrderedDict[tuple[EgressPolicy, str | None], Transport] = OrderedDict()
_latest: tuple[EgressPolicy | None, str | None, Transport | None] = None, None, None


def transport_for(policy: EgressPolicy, ca_bundle: str | None = None) -> Transport:
    """Return the process's transport for this policy and these authorities."""
    global _latest  # noqa: PLW0603 - nearly always the same one, and comparing policies takes its time
    known_policy, known_bundle, known = _latest
    if known is not None and known_policy is policy and known_bundle == ca_bundle:
        return known
    with _lock:
        key = (policy, ca_bundle)
        if key not in _transports:
            _transports[key] = Transport(policy, ca_bundle)
            if len(_transports) > _MOST_TRANSPORTS:
                _transports.popitem(last=False)
        _transports.move_to_end(key)
        _latest = policy, ca_bundle, _transports[key]
        return _transports[key]


def _forget() -> None:
    """Drop connections inherited by a forked child: two processes talking over one socket mix up replies."""
    global _lock, _latest  # noqa: PLW0603 - the parent's lock may have been held at the moment of the fork
    _lock = threading.Lock()
    _latest = None, None, None
    _transports.clear()


os.register_at_fork(after_in_child=_forget)
