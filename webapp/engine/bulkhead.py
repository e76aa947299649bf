"""The bulkhead: one slow service never holds more than half of a process's threads."""

from __future__ import annotations

import os
import threading
import weakref

WAIT_S = 0.1
MOST_SLOTS = 10


def slots_for(threads: int) -> int:
    """How many attempts of one process may be under way at one service."""
    return max(1, min(MOST_SLOTS, threads // 2))


class Bulkhead:
    """Slots per service in this process; a slot is held for one attempt, never while waiting for the next."""

    def __init__(self, slots: int, wait_s: float = WAIT_S) -> None:
        self.slots = slots
        self._wait_s = wait_s
        self.forget_all()
        _all.add(self)

    def forget_all(self) -> None:
        """Begin with every slot free: in a forked child none of the threads that hold one exists."""
        self._lock = threading.Lock()
        self._free: dict[str, threading.BoundedSemaphore] = {}

    def enter(self, key: str) -> bool:
        """Take a slot, waiting a moment for one; False when none became free."""
        free = self._of(key)
        return free.acquire(blocking=False) or free.acquire(timeout=self._wait_s)

    def leave(self, key: str) -> None:
        """Give the slot back."""
        self._of(key).release()

    def taken(self, key: str) -> int:
        """How many slots are held now."""
        return self.slots - self._of(key)._value  # noqa: SLF001 - it offers no other way to look

    def _of(self, key: str) -> threading.BoundedSemaphore:
        free = self._free.get(key)
        if free is None:
            with self._lock:
                free = self._free.setdefault(key, threading.BoundedSemaphore(self.slots))
        return free


_all: weakref.WeakSet[Bulkhead] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_all):
        one.forget_all()


os.register_at_fork(after_in_child=_after_fork)
