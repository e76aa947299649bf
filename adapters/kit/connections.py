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
from urllib3.response import HTTPResponse

from adapters.kit.faults import out_of_time
from adapters.kit.wire import Wire

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
    sent = True

    def _new_conn(self) -> socket.socket:
        wire = _wire.get()
        wire.phase = "connecting"
        sock = wire.dial(self.host, self.port or self.default_port, plain=self.plain)
        if wire.watch is not None:
            wire.watch.hold(sock)
            if wire.watch.fired:  # while we were still resolving or connecting: nothing was sent
                sock.close()
                raise out_of_time(wire.deadline_bound)
        return sock

    def putrequest(self, *args: Any, **how: Any) -> None:
        watch = _wire.get().watch
        if self.sock is not None and watch is not None:
            watch.hold(self.sock)
        super().putrequest(*args, **how)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _wire.get().phase = "sending"
        self.sent = False
        super().send(data)
        self.sent = True

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        wire = _wire.get()
        if self.sent:  # urllib3 looks for an early answer also after a write that failed
            wire.phase = "sent"
        response = super().getresponse()
        wire.phase = "headers"
        return response


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


class _FreshTLS(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _TrackedTLS


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Fresh, "https": _FreshTLS}
