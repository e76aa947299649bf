"""Moves records from journals into the log, in batches, and takes over what dead processes left behind."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from webapp.log.batch import Batch, Unfinished, batch_of, read
from webapp.log.journal import Journal
from webapp.log.records import stamp
from webapp.log.segments import START, Segment, waiting

MOST, EVERY_S = 500, 0.05
ADOPT_EVERY_S = 5.0
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_CLOSING_S, _STUCK_S = 2.0, 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: bytes of this process, bytes of all processes of this machine, and since when it cannot be written."""

    own: int
    all: int
    segments: int
    stuck_s: float
    error: str | None
    refused: int


class Drain:
    """One thread per process, begun with the first record. `write` writes a batch or raises SQLAlchemyError."""

    def __init__(self, journal: Journal, write: Callable[[Batch], object]) -> None:
        self._journal = journal
        self._write = write
        self.refused = 0  # records that no database would take
        self._reset()
        _drains.add(self)

    def _reset(self) -> None:
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._work, self._urgent = threading.Event(), threading.Event()
        self._moved = threading.Condition()
        self._turning = threading.Lock()
        self._stopping = False
        self._failing: tuple[float, str] | None = None
        self._adopted = 0.0
        self._began = 0.0  # when the transaction under way began

    def wake(self) -> None:
        """Say that there is something to do."""
        if not self._work.is_set():
            if self._thread is None:
                self._start()
            self._work.set()

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until what was written so far is in the log; False when that did not come true in time.

        A log that cannot be written just now is not waited for.
        """
        began = self._began
        if self._failing or (began and time.monotonic() - began > _STUCK_S):
            return False
        wanted = [(segment, segment.size) for segment in self._journal.segments]
        if all(segment.drained >= size for segment, size in wanted):
            return True
        return self.wait(wanted, timeout_s)

    def wait(self, wanted: list[tuple[Segment, int]], timeout_s: float) -> bool:
        """Wait until these segments are drained as far as that."""
        self.wake()
        self._urgent.set()
        with self._moved:
            return self._moved.wait_for(
                lambda: all(segment.drained >= size for segment, size in wanted), timeout_s
            )

    def adopt(self) -> int:
        """Take over the segments of dead processes; returns how many. Raises SQLAlchemyError."""
        self._adopted = time.monotonic()
        count = 0
        for path in self._journal.strangers():
            segment = Segment.adopt(path)
            if segment is not None:
                self._finish(segment)
                count += 1
        return count

    def backlog(self) -> Backlog:
        """Return what waits, for the System page and the metrics."""
        own, failing = self._journal.backlog, self._failing
        sizes = [own, *map(waiting, self._journal.strangers())]
        return Backlog(
            own, sum(sizes), len(sizes) - 1 + len(self._journal.segments),
            time.monotonic() - failing[0] if failing else 0.0, failing[1] if failing else None, self.refused,
        )  # fmt: skip

    def close(self) -> None:
        """Write what waits, if the database lets us, and stop."""
        if self._thread is not None:
            if not self._failing:
                self.flush(_CLOSING_S)
            self._stopping = True
            self._work.set()
            self._urgent.set()
            self._thread.join(_CLOSING_S)
        if self._turning.acquire(timeout=_CLOSING_S):
            self._journal.close()
            self._turning.release()
        _drains.discard(self)

    def after_fork(self) -> None:
        """Begin without the thread of the parent."""
        self._reset()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="patchbay-drain", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            self._work.wait(ADOPT_EVERY_S)
            if self._work.is_set():
                self._work.clear()
                self._urgent.wait(EVERY_S)
                self._urgent.clear()
                self._quietly(self._drain)
            elif time.monotonic() - self._adopted > ADOPT_EVERY_S:
                self._quietly(self.adopt)

    def _quietly(self, work: Callable[[], object]) -> None:
        """A thread that died would stop the log for good; whatever went wrong is tried again."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - as its documentation says
            if not self._stopping:
                _log.error("The journal could not be drained: %s", type(error).__name__)
                self._urgent.wait(_PAUSES_S[-1])
                self._work.set()

    def _drain(self) -> None:
        """Move everything there is; while the database refuses, try again and again, ever more seldom.

        What comes in meanwhile waits for the next time: transactions of a few records cost more than the records.
        """
        failures = 0
        with self._turning:
            while True:
                try:
                    moved = [self._turn(segment) for segment in self._journal.segments]
                    failures, self._failing = 0, None
                    if max(moved, default=0) < MOST:
                        if any(moved):
                            self._work.set()
                        return
                except SQLAlchemyError as error:
                    self._note(error)
                    if self._stopping:
                        return
                    self._urgent.clear()
                    self._urgent.wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                    failures += 1

    def _note(self, error: SQLAlchemyError) -> None:
        if self._failing is None:
            _log.error("The log cannot be written (%s); calls are kept in the journal.", type(error).__name__)
            self._failing = time.monotonic(), type(error).__name__
        else:
            self._failing = self._failing[0], type(error).__name__

    def _turn(self, segment: Segment) -> int:
        """Move one batch of a segment; returns how many records."""
        records, end = [], segment.drained
        for payload, place in segment.records(segment.drained):
            records.append(payload)
            end = place
            if len(records) >= MOST:
                break
        if records:
            self._began = time.monotonic()
            try:
                self._store(records)
            finally:
                self._began = 0.0
            segment.mark(end)
        elif segment.retired and not segment.users:
            segment.mark(segment.size)  # a torn record, if any, stays unread
            self._journal.forget(segment)
        with self._moved:
            self._moved.notify_all()
        return len(records)

    def _store(self, payloads: list[bytes]) -> None:
        """Write records as one batch; those that the database refuses are set aside, the others are not held up."""
        try:
            self._write(batch_of(map(read, payloads)))
        except (IntegrityError, DataError, ValueError) as error:
            if len(payloads) == 1:
                self._set_aside(payloads[0], error)
                return
            middle = len(payloads) // 2
            self._store(payloads[:middle])
            self._store(payloads[middle:])

    def _set_aside(self, payload: bytes, error: Exception) -> None:
        self.refused += 1
        _log.error("A record of the journal was refused (%s) and set aside.", type(error).__name__)
        with (self._journal.directory / "refused.jsonl").open("ab") as file:
            file.write(payload + b"\n")

    def _finish(self, segment: Segment) -> None:
        """Write what a dead process left, give an end to what it had begun, remove its segment."""
        unfinished, records, end = Unfinished(), [], segment.drained
        try:
            for payload, place in segment.records(START):
                _learn(unfinished, payload)
                if place <= segment.drained:
                    continue
                records.append(payload)
                end = place
                if len(records) >= MOST:
                    self._store(records)
                    records = []
            if records:
                self._store(records)
            segment.mark(end)
            if ends := unfinished.ends(stamp(datetime.now(UTC))):
                self._write(ends)
                _log.warning("A process died: %s attempts have no known outcome.", len(unfinished.attempts))
        except BaseException:
            segment.close()
            raise
        segment.remove()


def _learn(unfinished: Unfinished, payload: bytes) -> None:
    try:
        unfinished.learn(read(payload))
    except (ValueError, KeyError):
        return


_drains: weakref.WeakSet[Drain] = weakref.WeakSet()


def _close_all() -> None:
    for drain in list(_drains):
        drain.close()


def _begin_anew() -> None:
    for drain in list(_drains):
        drain.after_fork()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_begin_anew)
