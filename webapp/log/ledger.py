"""The book of running calls: every word of theirs goes into the journal first, and from there into the log."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from webapp.log.drain import Backlog, Drain
from webapp.log.entries import Bodies
from webapp.log.journal import CAP, Journal, Unwritable
from webapp.log.lag import lag_s
from webapp.log.records import encode
from webapp.log.segments import Segment
from webapp.log.writer import write

PROCESS, DISK, DATABASE = "process", "disk", "database"
LEVELS = (PROCESS, DISK, DATABASE)
COMMIT_WAIT_S, SETTLE_S = 2.0, 3.0
_LATE_MAX = 1_000
_AS_TEXT = ("result", "candidates", "problem")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    """A call that runs: where its records go, and the words about it that wait for its first attempt."""

    segment: Segment
    opening: Mapping[str, Any] | None
    level: str = PROCESS


class Ledger:
    """One per process. Levels say what a record must have reached before the caller may go on.

    `process`: the kernel, so that it survives the death of this process. `disk`: the disk, so that it survives
    that of the machine. `database`: the log itself.
    """

    def __init__(self, directory: Path, engine: Engine, *, cap: int = CAP) -> None:
        self.journal = Journal(directory, cap=cap)
        self.drain = Drain(self.journal, lambda batch: write(engine, batch))
        self.journal.written = self.drain.wake
        self._calls: dict[int, _Open] = {}
        self._late: deque[tuple[Segment, Mapping[str, Any], bool]] = deque(maxlen=_LATE_MAX)
        self._lock = threading.Lock()
        self.dropped = 0  # words that nothing could take

    def open(self, call_id: int, values: Mapping[str, Any]) -> None:
        """Begin a call. Its row waits for the first attempt. Raises Unwritable."""
        self._calls[call_id] = _Open(self.journal.enter(), values)

    def seen(self, call_id: int) -> None:
        """The row lies in the database already, because every process has to see it; so have they to see its end."""
        call = self._calls[call_id]
        self._calls[call_id] = _Open(call.segment, None, DATABASE)
        self._write(call.segment, {"open": call.opening}, last=False)

    def abandon(self, call_id: int) -> None:
        """Forget a call that does not take place."""
        self.journal.leave(self._calls.pop(call_id).segment)

    def begin(self, call_id: int, values: Mapping[str, Any], level: str = PROCESS) -> None:
        """Note an attempt that is about to be sent. Raises Unwritable when that word cannot be kept."""
        call = self._calls.get(call_id)
        if call is None:
            raise Unwritable("The journal is full.")
        record = {"call": call_id, "begin": values}
        if call.opening is not None:
            record["open"] = call.opening
        self.journal.write(call.segment, record)
        call.opening = None
        if level != PROCESS and not self._reached(call.segment, level):
            raise Unwritable("The database does not take the record in time.")

    def end(
        self,
        call_id: int,
        log_id: int,
        values: Mapping[str, Any],
        bodies: Bodies | None,
        close: Mapping[str, Any] | None = None,
        *,
        level: str = PROCESS,
    ) -> None:
        """Note how an attempt ended, and its call if that ends with it. Never raises."""
        kept = bodies.to_dict() if bodies else None
        record: dict[str, Any] = {"call": call_id, "end": [log_id, values, kept]}
        if close is not None:
            record["close"] = [call_id, _texts(close)]
        self._note(call_id, record, level, last=close is not None)

    def close_call(self, call_id: int, values: Mapping[str, Any]) -> None:
        """Note how a call ended whose last attempt has its end, or that had none. Never raises."""
        self._note(call_id, {"call": call_id, "close": [call_id, _texts(values)]}, PROCESS, last=True)

    def row(self, values: Mapping[str, Any]) -> None:
        """Note something that is complete in itself. Never raises."""
        try:
            segment = self.journal.enter()
        except Unwritable:
            self.dropped += 1
            return
        if self._write(segment, {"begin": values}, last=True):
            self.journal.leave(segment)

    def settle(self, timeout_s: float = SETTLE_S) -> bool:
        """Wait until everything this process wrote is in the log; at once when the log cannot be written."""
        return self.drain.flush(timeout_s)

    def write_late(self) -> None:
        """Write what the disk refused before, and take over from dead processes."""
        with self._lock:
            while self._late:
                segment, record, last = self._late[0]
                try:
                    self.journal.write(segment, record)
                except Unwritable:
                    break
                self._late.popleft()
                if last:
                    self.journal.leave(segment)
        self.drain.adopt()

    @property
    def late(self) -> int:
        """How many records wait for the disk."""
        return len(self._late)

    def backlog(self) -> Backlog:
        """What waits for the database."""
        return self.drain.backlog()

    def lag_s(self, now: datetime) -> float:
        """How old the oldest record is that waits for the database, on this machine."""
        return lag_s(self.journal.directory, now)

    def close(self) -> None:
        """Write what waits, if possible, and let the rest be adopted."""
        self.drain.close()

    def _note(self, call_id: int, record: dict[str, Any], level: str, *, last: bool) -> None:
        call = self._calls.pop(call_id, None) if last else self._calls.get(call_id)
        if call is None:
            self.dropped += 1
            return
        if call.opening is not None:
            record["open"] = call.opening
            call.opening = None
        kept = self._write(call.segment, record, last=last)
        if kept and level != PROCESS:
            self._reached(call.segment, level)
        if kept and last and call.level != PROCESS:
            self._reached(call.segment, call.level)
        if last and kept:
            self.journal.leave(call.segment)

    def _write(self, segment: Segment, record: Mapping[str, Any], *, last: bool) -> bool:
        try:
            self.journal.write(segment, record)
        except Unwritable as error:
            _log.error("The journal cannot be written (%s); a record is kept for later.", error)
            self._late.append((segment, record, last))
            return False
        return True

    def _reached(self, segment: Segment, level: str) -> bool:
        """Wait until the records so far have reached their level; False when that takes too long."""
        try:
            if level == DISK:
                self.journal.sync(segment)
                return True
        except Unwritable as error:
            _log.error("The journal cannot be brought to the disk: %s", error)
            return False
        return self.drain.wait([(segment, segment.size)], COMMIT_WAIT_S)


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they lie in the columns: objects as JSON, made once."""
    changed = {name: encode(values[name], str).decode() for name in _AS_TEXT if values.get(name) is not None}
    return {**values, **changed}
