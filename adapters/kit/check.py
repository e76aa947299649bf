"""A connection test: the steps every adapter shares, then the adapter's own, then one verdict."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from adapters.kit.address import resolve
from adapters.kit.contract import COSTS, Adapter, Cost, Endpoint
from adapters.kit.errors import Fault
from adapters.kit.stage import Stage
from adapters.kit.text import Message, N_
from adapters.kit.tls import tls_context

_LIMITS = {"permission", "quota", "sender", "template", "sign"}
_PROOFS = {"authentication", "request"}
_FEW_DAYS = 21
_TOO_DEAR = {
    "quota": N_(
        "To prove more would use up quota at the vendor, which the settings of this service do not allow."
    ),
    "money": N_(
        "To prove more would cost money at the vendor, which the settings of this service do not allow."
    ),
}


def run_check(adapter: Adapter, allowed: Cost = "money") -> Iterator[Stage]:
    """Yield the stages of a check as they end; stops after the first failed one.

    What costs more than is allowed is left out: then only the connection is checked.
    """
    clock = adapter.wire.clock
    started = clock.monotonic()
    with adapter.wire:
        for stage in _guarded(adapter, allowed):
            yield replace(stage, duration_ms=round((clock.monotonic() - started) * 1000))
            if stage.status == "failed":
                return
            started = clock.monotonic()


def verdict(stages: Iterable[Stage]) -> str:
    """Sum up a check: verified, rejected, limited, unverifiable or failed."""
    seen = list(stages)
    failed = next((stage for stage in seen if stage.status == "failed"), None)
    if failed and failed.name == "authentication":
        return "rejected"
    if failed:
        return "limited" if failed.name in _LIMITS else "failed"
    if any(stage.status == "warning" and stage.name in _LIMITS for stage in seen):
        return "limited"
    proved = any(stage.name in _PROOFS and stage.status in {"ok", "warning"} for stage in seen)
    return "verified" if proved else "unverifiable"


def _guarded(adapter: Adapter, allowed: Cost) -> Iterator[Stage]:
    yield Stage.ok("settings", N_("The settings are complete."))
    try:
        endpoint = adapter.endpoint()
        if endpoint is not None:
            yield from _connection(adapter, endpoint)
        if COSTS.index(adapter.check_cost) <= COSTS.index(allowed):
            yield from adapter.check()
        else:
            yield Stage.skipped("authentication", _TOO_DEAR[adapter.check_cost])
    except Fault as fault:
        yield Stage.of_fault(fault)


def _connection(adapter: Adapter, endpoint: Endpoint) -> Iterator[Stage]:
    wire = adapter.wire
    resolve(endpoint.host, endpoint.port, wire.policy, wire.remaining(), ports=wire.ports)
    yield Stage.ok("dns", Message.of(N_("%(host)s has an address we may connect to."), host=endpoint.host))
    with closing(wire.connect(endpoint.host, endpoint.port)):
        yield Stage.ok("tcp", Message.of(N_("Port %(port)s accepts connections."), port=endpoint.port))
    if endpoint.tls:
        context = tls_context(endpoint.ca_bundle or wire.ca_bundle)
        with closing(wire.connect(endpoint.host, endpoint.port, tls=context)) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            yield certificate_stage(sock, wire.clock.now())


def certificate_stage(sock: ssl.SSLSocket, now: datetime) -> Stage:
    """Report the encryption of a connection and how many days its certificate has left."""
    certificate: dict[str, Any] = sock.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - now).days
    if days < _FEW_DAYS:
        text = Message.of(
            N_("The certificate is valid for %(days)s more days only."), days=days, ends=ends.isoformat()
        )
        return Stage.warning("tls", text, remedy=N_("Ask whoever runs the server to renew its certificate."))
    text = Message.of(
        N_("Encrypted with %(protocol)s; the certificate is valid for %(days)s more days."),
        protocol=sock.version() or "TLS",
        days=days,
        ends=ends.isoformat(),  # not in the sentence: who looks after what expires reads it
    )
    return Stage.ok("tls", text)
