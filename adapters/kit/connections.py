"""urllib3's connections, made to dial only checked addresses and to say how far a request has come."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from adapters.kit.answer import Answer, request_head
from adapters.kit.faults import out_of_time
from adapters.kit.watchdog import line_of
from adapters.kit.wire import Wire

_SENT_AT_ONCE = 64 * 1024  # a body up to here shares its packet with the head

_wire: ContextVar[Wire] = ContextVar("wire")


@contextmanager
def carried_by(wire: Wire) -> Iterator[None]:
    """Let the connections used inside belong to this wire."""
    token = _wire.set(wire)
    try:
        yield
    finally:
        _wire.reset(token)


class _Tracked(HTTPConnection):
    """A connection that dials through the wire and moves its phase."""

    plain = True
    idle_since = 0.0
    _line: socket.socket | None = None  # what the watchdog cuts it by

    def _new_conn(self) -> socket.socket:
        wire = _wire.get()
        wire.phase = "connecting"
        sock = wire.dial(self.host, self.port or self.default_port, plain=self.plain)
        self._line = line_of(sock)
        if wire.watch is not None:
            wire.watch.borrow(self._line)
            if wire.watch.fired:  # while we were still resolving or connecting: nothing was sent
                sock.close()
                raise out_of_time(wire.deadline_bound)
        return sock

    def exchange(self, head: bytes, body: bytes, answer: Answer) -> None:
        """Send one request and read its answer."""
        wire = _wire.get()
        if self.sock is None:
            self.connect()
        elif wire.watch is not None and self._line is not None:
            wire.watch.borrow(self._line)
        sock = self.sock
        patience = _patience(wire)
        if sock.gettimeout() != patience:
            sock.settimeout(patience)
        wire.phase = "sending"
        try:
            sock.sendall(head + body if len(body) <= _SENT_AT_ONCE else head)
            if len(body) > _SENT_AT_ONCE:
                sock.sendall(body)
        except (BrokenPipeError, ConnectionResetError):
            answer.read(sock)  # a vendor that would not read all of it may have said why before it hung up
            self.close()
            return
        wire.phase = "sent"
        answer.read(sock)

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again: still open, and nothing came on it that nobody asked for."""
        if self.sock is None or self._line is None:
            return False
        try:
            self._line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        line, self._line = self._line, None
        super().close()
        if line is not None:
            line.close()


def _patience(wire: Wire) -> float | None:
    """Seconds the socket itself waits. As long as the attempt lasts the watchdog waits: a socket's own limit costs more."""
    remaining = wire.remaining()
    if wire.watch is not None and wire.read_timeout_s >= remaining:
        return None
    return min(wire.read_timeout_s, remaining) or None


class _TrackedTLS(_Tracked, HTTPSConnection):
    plain = False


class _Fresh(HTTPConnectionPool):
    """A pool that does not use again what has been idle for longer than the wire accepts."""

    ConnectionCls = _Tracked

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn: Any = super()._get_conn(timeout)
        if conn.sock is not None and time.monotonic() - conn.idle_since > _wire.get().reuse_idle_s:
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)

    def urlopen(  # type: ignore[override] # called by requests' adapter only
        self, method: str, url: str, body: Any = None, headers: Any = None, **_: Any
    ) -> Answer:
        """Send one request and read the whole answer, without the repetitions and redirects of urllib3."""
        answer = Answer(_wire.get(), headless=method == "HEAD")
        head = request_head(method, url, headers)
        conn = self._get_conn()
        try:
            conn.exchange(head, body or b"", answer)
        finally:
            if not answer.reusable:
                conn.close()
            self._put_conn(conn)
        return answer


class _FreshTLS(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _TrackedTLS


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Fresh, "https": _FreshTLS}
