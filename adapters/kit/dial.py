"""Opening a TCP connection to an address that has been checked."""

from __future__ import annotations

import socket
import time

from adapters.kit.address import EgressPolicy, resolve
from adapters.kit.errors import Blocked, Unreachable
from adapters.kit.text import Message, N_
from adapters.kit.url import IPAddress

_MOST_ADDRESSES = 4
_PORT_CODES = {ConnectionRefusedError: "CONNECT_REFUSED", TimeoutError: "CONNECT_TIMEOUT"}
_TEXTS = {
    "CONNECT_REFUSED": N_("%(host)s refuses connections on port %(port)s."),
    "CONNECT_TIMEOUT": N_("%(host)s does not answer on port %(port)s."),
    "CONNECT_UNREACHABLE": N_("%(host)s cannot be reached on port %(port)s."),
}


def dial(
    host: str,
    port: int,
    policy: EgressPolicy,
    *,
    timeout_s: float,
    ports: frozenset[int] = frozenset(),
    plain: bool = False,
) -> socket.socket:
    """Return a connected socket; raises Blocked or Unreachable. The time is shared by the host's addresses."""
    addresses = resolve(host, port, policy, timeout_s, ports=ports, plain=plain)[:_MOST_ADDRESSES]
    ends = time.monotonic() + timeout_s
    problem: OSError = TimeoutError()
    for place, address in enumerate(addresses):
        share = (ends - time.monotonic()) / (len(addresses) - place)
        if share <= 0:
            break
        try:
            return _connected(address, port, share)
        except OSError as failed:
            problem = failed
    code = next(
        (code for kind, code in _PORT_CODES.items() if isinstance(problem, kind)), "CONNECT_UNREACHABLE"
    )
    raise Unreachable(
        Message.of(_TEXTS[code], host=host, port=port), code=code, detail=str(problem)
    ) from problem


def _connected(address: IPAddress, port: int, timeout_s: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - the version's number
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect((str(address), port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = sock.getpeername()[0]
    except OSError:
        sock.close()
        raise
    if peer != str(address):
        sock.close()
        raise Blocked(
            N_("This destination is not allowed."), detail=f"connected to {peer} instead of {address}"
        )
    return sock
