"""Append-only files of records, each with its length and checksum; whoever writes one holds its lock for life."""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from webapp.disk import sync_directory

SUFFIX = ".journal"
_FILE_MAGIC = b"PBJRNL01"
_MAGIC = b"\xabPBr"
_HEAD = struct.Struct("<4sII")  # magic, length, checksum
_MARK = struct.Struct("<Q")
START = len(_FILE_MAGIC) + _MARK.size
RECORD_MAX = 16 * 1024 * 1024
_CHUNK = 1024 * 1024


def frame(payload: bytes) -> bytes:
    """Return a record as it lies in the file."""
    return _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


class Segment:
    """One file, locked by this process. Bytes before `drained` are safe in the database."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        # A second door to the same file: with O_APPEND every write would go to the end, the mark too.
        self._marks = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self.drained = drained(self._marks)
        self.length = os.fstat(
            descriptor
        ).st_size  # about: threads that append at once may count only one of them
        self.users = 0  # calls whose records go here; guarded by the journal's lock
        self.retired = False  # no new call begins here
        self._closed = False

    @classmethod
    def create(cls, directory: Path, name: str) -> Segment:
        """Make a new segment; nobody can see it under its name before it is locked."""
        fresh = directory / f"{name}.new"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(fresh, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, _FILE_MAGIC + _MARK.pack(START))
            path = directory / (name + SUFFIX)
            fresh.rename(path)
            sync_directory(directory)
            return cls(path, descriptor)
        except OSError:
            os.close(descriptor)
            fresh.unlink(missing_ok=True)
            raise

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """Take over a segment whose process is dead; None while that lives, or when another was quicker."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(descriptor, path):
                os.close(descriptor)
                return None
            return cls(path, descriptor)
        except OSError:
            os.close(descriptor)
            return None

    @property
    def size(self) -> int:
        """Return how many bytes the file has; one that was let go of is drained as far as it will be."""
        try:
            return self.drained if self._closed else os.fstat(self._descriptor).st_size
        except OSError:  # let go of between the two
            return self.drained

    @property
    def backlog(self) -> int:
        """Return how many bytes are not in the database yet."""
        return max(0, self.size - self.drained)

    def append(self, record: bytes) -> None:
        """Write one framed record; in the kernel's hands afterwards, so that it outlives this process."""
        written = os.write(self._descriptor, record)
        if written != len(record):  # a full disk; the reader skips the torn piece
            raise OSError(f"Only {written} of {len(record)} bytes could be written.")
        self.length += written

    def sync(self) -> None:
        """Bring what was written to the disk itself."""
        os.fdatasync(self._descriptor)

    def records(self, start: int) -> Iterator[tuple[bytes, int]]:
        """Return the payloads from `start` on, each with the place after it; ends before a torn tail."""
        return read_records(self._marks, start)

    def mark(self, drained: int) -> None:
        """Note that everything before this place is in the database."""
        os.pwrite(self._marks, _MARK.pack(drained), len(_FILE_MAGIC))
        self.drained = drained
        self.length = self.size

    def remove(self) -> None:
        """Delete the file, then let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file: from now on anybody may adopt it."""
        self._closed = True  # the numbers of its descriptors may soon be those of other files
        os.close(self._marks)
        os.close(self._descriptor)


def waiting(path: Path) -> int:
    """Return how many bytes of somebody's segment are not in the database yet; 0 when it is gone."""
    try:
        with path.open("rb") as file:
            return max(0, os.fstat(file.fileno()).st_size - drained(file.fileno()))
    except OSError:
        return 0


def drained(descriptor: int) -> int:
    """Return the place in a segment before which everything is in the database."""
    head = os.pread(descriptor, START, 0)
    if len(head) < START or not head.startswith(_FILE_MAGIC):
        return START
    return max(START, int(_MARK.unpack_from(head, len(_FILE_MAGIC))[0]))


def read_records(descriptor: int, start: int) -> Iterator[tuple[bytes, int]]:
    """Return payloads and the places after them; a damaged record is skipped if a whole one follows it."""
    at, data, base = start, b"", start
    while True:
        found = _next_record(data, at - base)
        if found is None:
            data, base = os.pread(descriptor, max(_CHUNK, len(data) * 2), at), at
            found = _next_record(data, 0)
            if found is None:
                if len(data) >= _CHUNK and len(data) < RECORD_MAX and _more(descriptor, at + len(data)):
                    continue
                return
        payload, length = found
        at += length
        yield payload, at


def _next_record(data: bytes, offset: int) -> tuple[bytes, int] | None:
    """The next whole record in these bytes and how far it reaches from `offset`."""
    place = offset
    while (place := data.find(_MAGIC, place)) >= 0:
        if place + _HEAD.size > len(data):
            return None
        _, length, checksum = _HEAD.unpack_from(data, place)
        begin = place + _HEAD.size
        payload = data[begin : begin + length]
        if length <= RECORD_MAX and len(payload) == length and zlib.crc32(payload) == checksum:
            return payload, begin + length - offset
        place += 1
    return None


def _more(descriptor: int, at: int) -> bool:
    return os.fstat(descriptor).st_size > at


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one under this name, not one that was removed meanwhile."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (named.st_ino, named.st_dev) == (mine.st_ino, mine.st_dev)
