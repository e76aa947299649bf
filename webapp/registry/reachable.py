"""A courtesy when saving: say at once that an address can never be reached. The control is at the connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.kit import Adapter, Blocked, EgressPolicy, Message, N_
from adapters.kit.url import canonical_host, ip_literal
from webapp.registry.errors import Flaw

_REFUSED = Message(N_("This destination is not allowed."))


def address_flaws(
    policy: EgressPolicy, adapter: type[Adapter], wanted: Mapping[str, Any], stored: Mapping[str, Any]
) -> Iterator[Flaw]:
    """The settings that lead where nothing may go; those that stay as they are stored are left in peace."""
    for spec in adapter.Config.specs():
        value = wanted.get(spec.name)
        if not isinstance(value, str) or not value or value == stored.get(spec.name):
            continue
        if spec.kind == "url" and not _may_read(policy, adapter, value):
            yield Flaw.at("configurations", spec.name, code="blocked", message=_REFUSED)
        if (
            spec.destination
            and spec.name == "host"
            and not _may_reach(policy, adapter, value, wanted.get("port"))
        ):
            yield Flaw.at("configurations", spec.name, code="blocked", message=_REFUSED)


def endpoint_flaws(policy: EgressPolicy, adapter: type[Adapter], wanted: Any, stored: Any) -> Iterator[Flaw]:
    """The same for the address that the health check reads, when it is a whole one."""
    whole = isinstance(wanted, str) and wanted != stored and not wanted.startswith("/")
    if whole and not _may_read(policy, adapter, wanted):
        yield Flaw.at("health_check_endpoint", code="blocked", message=_REFUSED)


def _may_read(policy: EgressPolicy, adapter: type[Adapter], url: str) -> bool:
    try:
        target = policy.check_url(url, ports=adapter.ports)
    except Blocked:
        return False
    return _may_reach(policy, adapter, target.host, target.port, plain=not target.tls)


def _may_reach(
    policy: EgressPolicy, adapter: type[Adapter], host: str, port: Any, *, plain: bool = False
) -> bool:
    """Whether a literal address may be reached; a name is judged when it is resolved, but for this very machine."""
    try:
        name = canonical_host(host)
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        name = "127.0.0.1" if (name, port) not in policy.endpoints else "1.1.1.1"
    literal = ip_literal(name)
    if literal is None:
        return True
    number = port if isinstance(port, int) else 443
    return policy.allows(literal, number, host=host, ports=adapter.ports | {number}, plain=plain)
