"""Which destinations we may connect to: every address is checked, and the checked one is the one used.

A name is resolved once. If a single answer is forbidden the whole name is, because a name that points to a
public and to a private address is an attack or a mistake. The connection then goes to a checked address,
never to the name again, so that a second, different answer changes nothing.
"""

from __future__ import annotations

import ipaddress
import logging
import queue
import re
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.kit.errors import Blocked, Unreachable
from adapters.kit.text import Message, N_
from adapters.kit.url import IPAddress, Target, canonical_host, ip_literal

RESOLVER_TIMEOUT_S = 3.0
_HTTPS = 443

_log = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Sequence[str]]


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in text.split())


# Link-local addresses and the metadata services of the clouds hand out credentials to whoever asks:
# AWS (also for containers), Azure, Alibaba, Oracle, Google. No operator has a reason to allow them.
_NEVER = _networks(
    "169.254.0.0/16 fe80::/10 168.63.129.16/32 100.100.100.200/32 192.0.0.192/32 "
    "fd00:ec2::254/128 fd00:ec2::23/128 fd20:ce::254/128"
)
_NOT_PUBLIC_4 = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 "
    "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32"
)
_PUBLIC_6 = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC_6 = _networks("2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20")


def is_public(address: IPAddress) -> bool:
    """Say whether an address belongs to the open internet."""
    address = _unmapped(address)
    if address.version == 4:  # noqa: PLR2004 - the version's own number
        return not _within(address, _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not _within(address, _NOT_PUBLIC_6)


def _unmapped(address: IPAddress) -> IPAddress:
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return inner or address


def _within(address: IPAddress, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def system_lookup(host: str, port: int) -> list[str]:
    """Ask the machine's resolver; raises OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True)
class EgressPolicy:
    """Where connections may go: public addresses on https, plus what the operator allowed.

    `networks` are allowed on every port and for plain http, `endpoints` are pairs of host and port.
    """

    networks: tuple[Network, ...] = ()
    endpoints: frozenset[tuple[str, int]] = frozenset()
    lookup: Lookup = system_lookup

    @classmethod
    def parse(cls, text: str, *, lookup: Lookup = system_lookup) -> EgressPolicy:
        """Read a list of networks, addresses and host:port pairs; raises ValueError naming the bad entry."""
        networks: list[Network] = []
        endpoints: set[tuple[str, int]] = set()
        for word in re.split(r"[\s,;]+", text.strip()):
            if word:
                entry = _entry(word)
                networks += [entry] if not isinstance(entry, tuple) else []
                endpoints |= {entry} if isinstance(entry, tuple) else set()
        return cls(tuple(networks), frozenset(endpoints), lookup)

    def allows(
        self,
        address: IPAddress,
        port: int,
        *,
        host: str = "",
        ports: frozenset[int] = frozenset(),
        plain: bool = False,
    ) -> bool:
        """Decide on one address; `plain` is http, `ports` are those the adapter declares besides 443."""
        address = _unmapped(address)
        if _within(address, _NEVER):
            return False
        if self._listed(host, port) or self._listed(str(address), port) or _within(address, self.networks):
            return True
        return not plain and (port == _HTTPS or port in ports) and is_public(address)

    def check_url(self, url: str | Target, *, ports: frozenset[int] = frozenset()) -> Target:
        """Refuse what can be refused before resolving the name; raises Blocked."""
        try:
            target = url if isinstance(url, Target) else Target.parse(url)
        except ValueError as problem:
            raise _blocked(str(problem)) from problem
        if literal := ip_literal(target.host):
            allowed = self.allows(literal, target.port, host=target.host, ports=ports, plain=not target.tls)
        else:
            usual = target.tls and (target.port == _HTTPS or target.port in ports)
            allowed = usual or bool(self.networks) or self._listed(target.host, target.port)
        if not allowed:
            raise _blocked(f"{target.scheme} to {target.netloc} is not allowed")
        return target

    def _listed(self, host: str, port: int) -> bool:
        return (host, port) in self.endpoints


def resolve(
    host: str,
    port: int,
    policy: EgressPolicy,
    timeout_s: float = RESOLVER_TIMEOUT_S,
    *,
    ports: frozenset[int] = frozenset(),
    plain: bool = False,
) -> list[IPAddress]:
    """Return the addresses of a host, all of them checked; raises Blocked or Unreachable (DNS_FAILURE)."""
    try:
        name = canonical_host(host)
    except ValueError as problem:
        raise _blocked(str(problem)) from problem
    literal = ip_literal(name)
    answers = (
        [literal] if literal else _answers(name, port, policy.lookup, min(timeout_s, RESOLVER_TIMEOUT_S))
    )
    for address in answers:
        if not policy.allows(address, port, host=name, ports=ports, plain=plain):
            raise _blocked(f"{name} resolves to {address}, which is not allowed on port {port}")
    return [_unmapped(address) for address in answers]


def _answers(host: str, port: int, lookup: Lookup, timeout_s: float) -> list[IPAddress]:
    """Ask in a thread of its own: the system's resolver knows no deadline."""
    box: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            box.put(lookup(host, port))
        except (OSError, UnicodeError) as problem:
            box.put(problem)

    threading.Thread(target=ask, name="patchbay-resolver", daemon=True).start()
    try:
        found = box.get(timeout=max(0.0, timeout_s))
    except queue.Empty:
        found = TimeoutError("the resolver did not answer in time")
    if isinstance(found, Exception) or not found:
        text = Message.of(N_("The name %(host)s could not be resolved."), host=host)
        raise Unreachable(text, code="DNS_FAILURE", detail=str(found))
    return [ipaddress.ip_address(answer) for answer in found]


def _entry(word: str) -> Network | tuple[str, int]:
    problem = f"{word!r} is neither a network such as 10.0.0.0/8 nor a host:port pair such as localhost:1025"
    try:
        network = ipaddress.ip_network(word)
    except ValueError:
        host, _, port = word.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:  # noqa: PLR2004
            raise ValueError(problem) from None
        try:
            return canonical_host(host.removeprefix("[").removesuffix("]")), int(port)
        except ValueError:
            raise ValueError(problem) from None
    if any(network.version == never.version and network.subnet_of(never) for never in _NEVER):  # type: ignore[arg-type]
        raise ValueError(f"{word!r} is an address of a cloud's metadata service, which can never be allowed")
    return network


def _blocked(detail: str) -> Blocked:
    """Whoever asked learns only that it is not allowed; what a name resolves to is for the operator's log."""
    _log.warning("Refused a destination: %s.", detail)
    return Blocked(N_("This destination is not allowed."), detail=detail)
