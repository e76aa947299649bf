"""Identifiers made by us, before the insert: text ones for records, time-ordered integers for calls."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import UTC, datetime

SEQUENCE_BITS = 12
NODE_BITS = 10
TIME_SHIFT = SEQUENCE_BITS + NODE_BITS


def uuid7() -> str:
    """Make a UUID of version 7 (RFC 9562): 48 bits of milliseconds, then random bits; sorts by its time."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


class CallIds:
    """Makes 63-bit integers: milliseconds, then a number of this process, then a sequence.

    They never go backwards within a process, even when its clock does, and a fork draws a number of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        """Take a fresh process number; also what a forked child does first, since it inherits our state."""
        self._lock = threading.Lock()
        self._node = int.from_bytes(os.urandom(2)) % (1 << NODE_BITS)
        self._last = 0

    def take_node(self, node: int) -> None:
        """Use this process number, which no other process of this machine has."""
        self._node = node

    def next(self) -> int:
        """Return the next id; when 4,096 were made within one millisecond the next one is borrowed."""
        with self._lock:
            ticks = max((time.time_ns() // 1_000_000) << SEQUENCE_BITS, self._last + 1)
            self._last = ticks
        milliseconds, sequence = ticks >> SEQUENCE_BITS, ticks & ((1 << SEQUENCE_BITS) - 1)
        return milliseconds << TIME_SHIFT | self._node << SEQUENCE_BITS | sequence


_ids = CallIds()
os.register_at_fork(after_in_child=_ids.start)


def use_node(node: int) -> None:
    """Let this process make ids that no other process of this machine can make; `node` is below 1,024."""
    _ids.take_node(node)


def call_id() -> int:
    """Make the id of a call or an attempt: positive, 63 bits, ordered by time, unique in practice."""
    return _ids.next()


def id_at(moment: datetime) -> int:
    """Return the smallest call id of a moment, so that a range of times becomes a range of ids."""
    return max(0, int(moment.timestamp() * 1000)) << TIME_SHIFT


def moment_of(identifier: int) -> datetime:
    """Return when a call id was made, to the millisecond."""
    return datetime.fromtimestamp((identifier >> TIME_SHIFT) / 1000, UTC)
