"""Everything one attempt needs to reach the outside, and everything that is known about it afterwards."""

from __future__ import annotations

import math
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from adapters.kit.address import EgressPolicy
from adapters.kit.behalf import Behalf
from adapters.kit.clock import Clock, SystemClock
from adapters.kit.dial import dial
from adapters.kit.errors import Fault
from adapters.kit.faults import Phase, fault_of, out_of_time
from adapters.kit.operation import Safety
from adapters.kit.watchdog import Watch, arm

BODY_LIMIT = 5 * 1024 * 1024
CHECK_BODY_LIMIT = 64 * 1024
_IDLE_S = 30.0
_IDLE_UNSAFE_S = 2.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back, as it was on the wire: not redacted. `status` None means no answer."""

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int | None
    response_headers: Mapping[str, str]
    response_body: bytes
    duration_ms: int
    phase: Phase


@dataclass
class Wire:
    """The line to the outside for one attempt. Use it in a `with` block, so that nothing is left open.

    `deadline` is a reading of `clock.monotonic()`; other times are seconds.
    """

    policy: EgressPolicy
    deadline: float = math.inf
    clock: Clock = field(default_factory=SystemClock)
    attempt_timeout_s: float = 10.0
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 8.0
    body_limit: int = BODY_LIMIT
    idempotency_key: str = ""
    nonce: Callable[[], str] = field(default=lambda: secrets.token_hex(16))
    ca_bundle: str | None = None
    trace: dict[str, str] = field(default_factory=dict)  # headers that name the trace this attempt belongs to
    behalf: Behalf | None = None  # the person this attempt is made for
    ports: frozenset[int] = frozenset()
    safety: Safety = Safety.UNSAFE
    probe: bool = False
    exchanges: list[Exchange] = field(default_factory=list)
    phase: Phase = "none"
    status: int | None = None  # of the answer that is being read
    watch: Watch | None = None
    deadline_bound: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count the time of the attempt from now, because it had to wait for its turn."""
        ends = self.clock.monotonic() + self.attempt_timeout_s
        self.deadline_bound = self.deadline < ends
        self._ends = min(self.deadline, ends)

    @classmethod
    def for_call(
        cls,
        policy: EgressPolicy,
        *,
        clock: Clock | None = None,
        deadline: float = math.inf,
        attempt_timeout_s: float = 10.0,
        idempotency_key: str = "",
        safety: Safety = Safety.UNSAFE,
    ) -> Self:
        """Open a line for one attempt of a call; without a deadline only the attempt's timeout ends it."""
        return cls(
            policy,
            deadline,
            clock or SystemClock(),
            attempt_timeout_s,
            read_timeout_s=attempt_timeout_s,
            idempotency_key=idempotency_key,
            safety=safety,
        )

    @classmethod
    def for_check(cls, policy: EgressPolicy, *, clock: Clock | None = None, timeout_s: float = 15.0) -> Self:
        """Open a line for a connection test: small replies only, nothing compressed."""
        return cls(
            policy,
            math.inf,
            clock or SystemClock(),
            timeout_s,
            body_limit=CHECK_BODY_LIMIT,
            safety=Safety.READ,
            probe=True,
        )

    def remaining(self) -> float:
        """Return the seconds left for this attempt, never below zero."""
        return max(0.0, self._ends - self.clock.monotonic())

    @property
    def reuse_idle_s(self) -> float:
        """Return how long a pooled connection may have been idle to be used again.

        A server closes idle connections; a request sent into a closing one is lost without a trace.
        """
        return _IDLE_UNSAFE_S if self.safety is Safety.UNSAFE else _IDLE_S

    def begin(self) -> Watch:
        """Start the watchdog for a conversation: it cuts the connection when the time is up."""
        if self.remaining() <= 0:
            raise out_of_time(self.deadline_bound)
        self.close()
        self.phase = "none"
        self.watch = arm(self.remaining())
        return self.watch

    def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> socket.socket:
        """Open a guarded TCP connection, watched until `close()`; raises Blocked or Unreachable.

        The caller moves `phase` on: "sending" before the first byte that could have an effect, then "sent".
        """
        watch = self.begin()
        self.phase = "connecting"
        sock = self.dial(host, port)
        watch.hold(sock)
        if tls is not None:
            sock = self.secure(sock, tls, host)
        sock.settimeout(min(self.read_timeout_s, self.remaining()) or None)
        self.phase = "connected"
        return sock

    def dial(self, host: str, port: int, *, plain: bool = False) -> socket.socket:
        """Connect to a checked address of the host, without moving the phase or starting the watchdog."""
        timeout_s = min(self.connect_timeout_s, self.remaining())
        return dial(host, port, self.policy, timeout_s=timeout_s, ports=self.ports, plain=plain)

    def secure(self, sock: socket.socket, tls: ssl.SSLContext, host: str) -> ssl.SSLSocket:
        """Encrypt an open connection and check the certificate against the host's name."""
        before, self.phase = self.phase, "connecting"
        sock.settimeout(min(self.connect_timeout_s, self.remaining()) or None)
        try:
            secured = tls.wrap_socket(sock, server_hostname=host)
        except OSError as problem:
            sock.close()
            raise self.fault(problem) from problem
        secured.settimeout(min(self.read_timeout_s, self.remaining()) or None)
        self.phase = before
        return secured

    def fault(self, problem: BaseException) -> Fault:
        """Say what an exception of the transport means, by the phase it happened in."""
        fired = self.watch is not None and self.watch.fired
        return fault_of(problem, self.phase, cut=fired, deadline_bound=self.deadline_bound)

    def close(self) -> None:
        """Stop watching."""
        if self.watch is not None:
            self.watch.disarm()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
