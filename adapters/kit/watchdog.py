"""A hard end for conversations: when the time is up the connection is cut, whatever the peer does.

A socket's own timeout starts again with every byte, so a peer that sends one byte a second is never late.
One thread per process waits for the earliest end and shuts down the socket behind it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import socket
import threading
import time
from contextlib import suppress


def line_of(sock: socket.socket) -> socket.socket:
    """A second door to a connection: wrapping a socket in TLS and reading a reply both move the first one."""
    return socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))


class Watch:
    """One conversation under watch. `fired` says that it was cut."""

    def __init__(self) -> None:
        self.fired = False
        self.over = False
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._borrowed = False

    def hold(self, sock: socket.socket) -> None:
        """Take the connection that is to be cut; a later one replaces it."""
        self._take(line_of(sock), borrowed=False)

    def borrow(self, line: socket.socket) -> None:
        """As `hold`, through a line that whoever made it goes on to use, and closes."""
        self._take(line, borrowed=True)

    def _take(self, line: socket.socket, *, borrowed: bool) -> None:
        with self._lock:
            self._drop()
            self._line, self._borrowed = line, borrowed
            if self.fired:
                self._cut()
            elif self.over:
                self._drop()

    def fire(self) -> None:
        """Cut the connection, unless the conversation is over."""
        with self._lock:
            if not self.over:
                self.fired = True
                self._cut()

    def disarm(self) -> bool:
        """End the watch; returns whether it had fired."""
        with self._lock:
            self.over = True
            self._drop()
            return self.fired

    def _cut(self) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
            self._drop()

    def _drop(self) -> None:
        if self._line is not None and not self._borrowed:
            self._line.close()
        self._line = None


class Watchdog:
    """The thread that waits for the earliest end."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: a forked child has neither the thread nor the conversations of its parent."""
        self._changed = threading.Condition()
        self._ends: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def arm(self, seconds: float) -> Watch:
        """Begin a watch that fires after this many seconds."""
        watch = Watch()
        with self._changed:
            item = (time.monotonic() + seconds, next(self._numbers), watch)
            heapq.heappush(self._ends, item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="patchbay-watchdog", daemon=True)
                self._thread.start()
            elif self._ends[0] is item:
                self._changed.notify()
        return watch

    def _run(self) -> None:
        while True:
            self._next().fire()

    def _next(self) -> Watch:
        with self._changed:
            while True:
                while self._ends and self._ends[0][2].over:
                    heapq.heappop(self._ends)
                wait = self._ends[0][0] - time.monotonic() if self._ends else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._ends)[2]
                self._changed.wait(wait)


_dog = Watchdog()
arm = _dog.arm
os.register_at_fork(after_in_child=_dog.reset)
