"""The one door to the call log: everything that writes or reads its tables comes through here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Engine, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.kit import Clock
from webapp.log.batch import Batch
from webapp.log.bodies import unpack
from webapp.log.callrows import attempts_of
from webapp.log.days import day_at, id_range
from webapp.log.dayschema import BODIES
from webapp.log.entries import Bodies, CallEntry, ErrorCount, LogEntry, Page, ServiceStats
from webapp.log.filters import LogFilter, decode_cursor, encode_cursor
from webapp.log.housekeeping import close_orphans
from webapp.log.newest import Where, count_newest, newest
from webapp.log.parts import make_ahead
from webapp.log.points import PointUse, points_of
from webapp.log.reading import Reading, reading
from webapp.log.retention import Freed, Kept, Prune, Pruned, freed
from webapp.log.sizes import DaySize, measure
from webapp.log.stats import service_series, service_stats, success_rates, top_errors
from webapp.log.survey import Survey, look
from webapp.log.tables import call_bodies, call_logs, calls
from webapp.log.tail import merged
from webapp.log.unknown import unknown_calls
from webapp.log.usage import points
from webapp.log.writer import stamped, write

ENTRY_COLUMNS = tuple(call_logs.c[name] for name in LogEntry.__dataclass_fields__)
_CALL_MEMBERS = tuple(
    name for name in CallEntry.__dataclass_fields__ if name not in {"attempt_count", "attempts", "candidates"}
)
LIMIT_MAX, COUNTED = 200, 10_000
PRUNE_S = 60.0


class LogStore:
    """Calls, attempts and bodies. Each method is one short transaction of its own."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        derive: Callable[[bytes], bytes],
        settle: Callable[[], object] = lambda: None,
        tail: Callable[[int], Batch] = lambda _call_id: Batch(),
    ) -> None:
        """`derive` gives the key under which recipients are hashed (`Vault.derive`).

        `settle` brings what this process wrote into the tables, so that it reads its own words; `tail` gives what
        waits of a call in the journals of all processes.
        """
        self._engine = engine
        self._clock = clock
        self._derive = derive
        self._settle = settle
        self._tail = tail

    # Written by the recorder.

    def open_call(self, values: Mapping[str, object]) -> bool:
        """Write the row of a call that begins; False when its caller already used that call key."""
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(calls), dict(values))
        except IntegrityError:
            return False
        return True

    def insert_begin(self, values: Mapping[str, Any]) -> None:
        """Write the row of an attempt that is about to be sent."""
        write(self._engine, Batch(rows={values["log_id"]: stamped(values)}))

    def insert_end(self, log_id: int, values: Mapping[str, Any], bodies: Bodies | None = None) -> None:
        """Complete the row of an attempt, with its bodies; what has its end stays as it is."""
        write(
            self._engine,
            Batch(row_changes={log_id: stamped(values)}, bodies={log_id: bodies} if bodies else {}),
        )

    # Read by pages, API and command line.

    def search(self, wanted: LogFilter, limit: int = 50, cursor: str | None = None) -> Page:
        """Attempts that match, newest first. Raises FilterInvalid for a foreign cursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        conditions = list(wanted.conditions(self.hash_recipient))
        before = decode_cursor(cursor) if cursor else None
        with self._reading() as log:
            where = Where(conditions, *id_range(log.days, wanted.from_, wanted.to, before))
            found = [LogEntry(**row) for row in newest(log, ENTRY_COLUMNS, where, limit + 1)]
        items = tuple(found[:limit])
        more = encode_cursor(items[-1].log_id) if len(found) > limit else None
        return Page(items, more, log.missed)

    def find(
        self,
        conditions: Iterable[ColumnElement[bool]],
        limit: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
    ) -> list[LogEntry]:
        """The newest attempts that fulfil all conditions, older than the attempt `before`.

        `since` and `until` only say where to look: a condition on the time has to be among the conditions.
        """
        with self._reading() as log:
            where = Where(list(conditions), *id_range(log.days, since, until, before))
            return [LogEntry(**row) for row in newest(log, ENTRY_COLUMNS, where, limit)]

    def count(
        self,
        conditions: Iterable[ColumnElement[bool]],
        most: int = COUNTED,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = -1,
    ) -> int:
        """How many attempts newer than the attempt `after` fulfil all conditions, as in `find`.

        Never more than `most` + 1 are counted.
        """
        with self._reading() as log:
            low, high = id_range(log.days, since, until)
            return count_newest(log, Where(list(conditions), max(low, after + 1), high), most)

    def survey(self, wanted: LogFilter) -> Survey:
        """What a search finds, counted over its time, from the newest 10,000 or from the roll-ups."""
        with self._reading() as log:
            return look(log, wanted, self.hash_recipient, self._clock.now())

    def get(self, log_id: int) -> LogEntry | None:
        """One attempt."""
        query = select(*ENTRY_COLUMNS).where(call_logs.c.log_id == log_id)
        with self._reading() as log:
            row = log.at(log_id, lambda connection: connection.execute(query).mappings().first())
        return LogEntry(**row) if row else None

    def bodies(self, log_id: int) -> Bodies | None:
        """The redacted headers and bodies of an attempt, while they are kept."""
        query = select(call_bodies).where(call_bodies.c.log_id == log_id)
        with self._reading() as log:
            row = log.at(log_id, lambda connection: connection.execute(query).mappings().first(), BODIES)
            if log.unreadable:
                return Bodies(unreadable=True)
        return unpack(row) if row else None

    def call(self, call_id: int) -> CallEntry | None:
        """One call with all its attempts, oldest first; also what is not in the tables yet."""
        with self._reading() as log:
            row = log.main.execute(select(calls).where(calls.c.call_id == call_id)).mappings().first()
            rows = attempts_of(log, call_id, ENTRY_COLUMNS, row)
        told = Batch() if row and row["finished_at"] else self._tail(call_id)
        call = merged(row, told.calls.get(call_id) or told.call_changes.get(call_id))
        if call is None:
            return None
        waiting = told.rows | told.row_changes
        found = (merged(rows.get(log_id), waiting.get(log_id)) for log_id in sorted({*rows, *waiting}))
        return _call_entry(call, tuple(_entry(attempt) for attempt in found if attempt))

    def call_of_key(self, key_hash: str) -> RowMapping | None:
        """The row of the call that holds this key."""
        with self._reading() as log:
            return log.main.execute(select(calls).where(calls.c.call_key == key_hash)).mappings().first()

    def unknown_calls(self, since: int) -> Sequence[RowMapping]:
        """Rows of calls from this id on that ended unknown and are not on the reconcile list; at most 200."""
        with self._reading() as log:
            return unknown_calls(log.main, since)

    def release_key(self, call_id: int) -> None:
        """Let the key of a call be used again."""
        with self._engine.begin() as connection:
            connection.execute(update(calls).where(calls.c.call_id == call_id).values(call_key=None))

    def stats(self, service_id: str, hours: int) -> ServiceStats:
        """How a service did over the last hours, from its newest attempts."""
        with self._reading() as log:
            return service_stats(log.main, service_id, hours, self._since(hours))

    def series(self, service_id: str, hours: int, step: timedelta) -> list[tuple[int, int]]:
        """Succeeded and failed attempts of a service in each step of the last hours, oldest first."""
        count = timedelta(hours=hours) // step
        with self._reading() as log:
            return service_series(log.main, service_id, self._since(hours), step, count)

    def points(self, service_id: str, hours: int = 24) -> list[tuple[str | None, int]]:
        """The integration points that called a service, with how many calls, the busiest first."""
        with reading(self._engine) as log:
            return points(log, service_id, self._since(hours))

    def success_rates(self, hours: int = 24) -> dict[str, tuple[int, int]]:
        """For each service with traffic: attempts that ended and how many succeeded."""
        with self._reading() as log:
            return success_rates(log.main, self._since(hours), hours)

    def top_errors(self, service_id: str, hours: int = 24, limit: int = 5) -> list[ErrorCount]:
        """What went wrong most at a service, by code and endpoint."""
        with self._reading() as log:
            return top_errors(log, service_id, self._since(hours), limit)

    def points_of(self, via: str) -> Sequence[PointUse]:
        """The integration points that named this route lately, the busiest first."""
        with self._reading() as log:
            return points_of(log.main, via)

    # Kept in order by the monitor.

    def close_orphans(self, older_than: timedelta) -> int:
        """Give an end to attempts and calls whose process died; returns how many attempts."""
        return close_orphans(self._engine, self._clock.now(), older_than)

    def make_ahead(self) -> None:
        """Make room for the days to come, where each has a part of its own."""
        make_ahead(self._engine, day_at(self._clock.now()))

    def prune(self, kept: Kept, budget_s: float = PRUNE_S) -> Pruned:
        """Take away what has had its time, for so many seconds, while calls go on; returns how much that was."""
        return Prune(self._engine, budget_s, self._clock.sleep).run(kept, self._clock.now())

    def sizes(self) -> list[DaySize]:
        """The days of the log with what they take up, newest first."""
        with self._reading() as log:
            return measure(log)

    def freed(self, kept: Kept) -> Freed:
        """What would go now if so much were kept; with the settings as they are, what is overdue."""
        return freed(kept, self._clock.now(), self.sizes())

    def hash_recipient(self, recipient: str) -> str:
        """The blind form of an address or number: equal for equal recipients, useless without our key."""
        return hmac.new(
            self._recipient_key, recipient.strip().casefold().encode(), hashlib.sha256
        ).hexdigest()[:32]

    @cached_property
    def _recipient_key(self) -> bytes:
        return self._derive(b"recipient-hash")

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        self._settle()
        with reading(self._engine) as log:
            yield log

    def _since(self, hours: int) -> datetime:
        return self._clock.now() - timedelta(hours=hours)


def _entry(row: Mapping[str, Any]) -> LogEntry:
    values: dict[str, Any] = {name: row.get(name) for name in LogEntry.__dataclass_fields__}
    return LogEntry(**values | {"sandbox": bool(row.get("sandbox"))})


def _call_entry(row: Mapping[str, Any], attempts: tuple[LogEntry, ...]) -> CallEntry:
    members: dict[str, Any] = {name: row.get(name) for name in _CALL_MEMBERS}
    return CallEntry(
        **members,
        attempt_count=row.get("attempts") or 0,
        candidates=tuple(row.get("candidates") or ()),
        attempts=attempts,
    )
