"""The journal of this process: what calls began and how they ended, on file before anything else happens."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from webapp.ids import NODE_BITS, use_node
from webapp.log.records import encode
from webapp.log.segments import SUFFIX, Segment, frame

CAP = 64 * 1024 * 1024
NODES = 1 << NODE_BITS
SEGMENT_SIZE = 8 * 1024 * 1024


class Unwritable(Exception):
    """The journal is full or its disk refuses; the text says which."""


class Journal:
    """Segments of one process. A call enters one, writes all its records there, and leaves it.

    So each segment tells whole stories, and may go as soon as it is drained and everybody has left it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cap: int = CAP,
        segment_size: int = SEGMENT_SIZE,
    ) -> None:
        """`cap` is how many bytes may wait for the database."""
        self.directory = directory
        self.cap = cap
        self._segment_size = segment_size
        self.written: Callable[[], None] = lambda: None  # told of every record
        self._reset()
        _journals.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._synced = threading.Condition()
        self._places: dict[Segment, tuple[int, bool]] = {}
        self._segments: tuple[Segment, ...] = ()
        self._count = 0
        self._node: int | None = None
        self._name = f"{os.getpid()}-{os.urandom(6).hex()}"

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of this process, oldest first; calls begin in the last one."""
        return self._segments

    @property
    def backlog(self) -> int:
        """Bytes of this process that are not in the database yet."""
        return sum(segment.backlog for segment in self._segments)

    def enter(self) -> Segment:
        """Begin a call: the segment for all its records. Raises Unwritable when too much waits already."""
        with self._lock:
            if self._waiting() >= self.cap:
                raise Unwritable(f"{self.cap // 1024 // 1024} MB wait for the database.")
            segment = self._segments[-1] if self._segments else None
            if segment is None or segment.retired or segment.length >= self._segment_size:
                segment = self._turn_over(segment)
            segment.users += 1
            return segment

    def leave(self, segment: Segment) -> None:
        """End a call."""
        with self._lock:
            segment.users -= 1

    def write(self, segment: Segment, record: Mapping[str, Any]) -> None:
        """Write one record. Raises Unwritable."""
        try:
            segment.append(frame(encode(record)))
        except OSError as error:
            raise Unwritable(str(error)) from None
        self.written()

    def sync(self, segment: Segment) -> None:
        """Wait until what was written is on the disk; threads that wait at once share one turn of the disk."""
        target = segment.size
        while True:
            with self._synced:
                done, busy = self._places.get(segment, (0, False))
                if done >= target:
                    return
                if busy:
                    self._synced.wait()
                    continue
                self._places[segment] = done, True
            self._sync_now(segment, done)

    def forget(self, segment: Segment) -> bool:
        """Remove a segment that is drained and that nobody uses; False while somebody does."""
        with self._lock:
            if segment.users or segment.backlog or segment is self._segments[-1]:
                return False
            self._segments = tuple(one for one in self._segments if one is not segment)
        self._places.pop(segment, None)
        segment.remove()
        return True

    def strangers(self) -> list[Path]:
        """Segments of other processes, dead or alive, oldest first."""
        mine = {segment.path for segment in self._segments}
        try:
            return sorted(path for path in self.directory.glob(f"*{SUFFIX}") if path not in mine)
        except OSError:
            return []

    def close(self) -> None:
        """Remove what is drained; what is not stays for another process to adopt."""
        with self._lock:
            segments, self._segments = self._segments, ()
        for segment in segments:
            if segment.backlog or segment.users:
                segment.close()
            else:
                segment.remove()
        if self._node is not None:
            os.close(self._node)
            self._node = None

    def _waiting(self) -> int:
        """About as much as `backlog`, without asking the kernel: every call wants to know."""
        return sum(segment.length - segment.drained for segment in self._segments)

    def _turn_over(self, old: Segment | None) -> Segment:
        """Let the next call begin in a new segment."""
        try:
            if self._node is None:
                self._node = _claim_node(self.directory)
            self._count += 1
            segment = Segment.create(self.directory, f"{self._name}-{self._count:06}")
        except OSError as error:
            raise Unwritable(f"{self.directory}: {error.strerror or error}") from None
        if old is not None:
            old.retired = True
        self._segments = (*self._segments, segment)
        return segment

    def _sync_now(self, segment: Segment, done: int) -> None:
        reached = segment.size
        try:
            segment.sync()
            done = reached
        except OSError as error:
            raise Unwritable(str(error)) from None
        finally:
            with self._synced:
                self._places[segment] = done, False
                self._synced.notify_all()

    def after_fork(self) -> None:
        """Let go of the parent's segments without unlocking them, and begin with none."""
        for segment in self._segments:
            segment.close()
        if self._node is not None:
            os.close(self._node)
        self._reset()


def _claim_node(directory: Path) -> int:
    """Make the directory, and the ids of this process its own: the lock on a number lasts as long as the process.

    Two processes that made the same id would hide each other's records.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = f"{platform.node()}{directory.absolute()}".encode()
    first = int.from_bytes(hashlib.blake2b(place, digest_size=4).digest())
    for number in range(NODES):
        node = (first + number) % NODES
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(directory / f"node-{node:04}", flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        use_node(node)
        return descriptor
    raise OSError("Too many processes write calls.")


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _let_go() -> None:
    for journal in list(_journals):
        journal.after_fork()


os.register_at_fork(after_in_child=_let_go)
