"""Shared state in a SQLite file of its own: the log's writers would make it wait."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adapters.kit import Clock
from webapp.state.gcra import MOST_PATIENCE_S, NOTHING_S, Rate
from webapp.state.store import DAY_S, Change, Doc, StateDown, Store, T

BUSY_TIMEOUT_S = 2.0
_SWEEP_EVERY = 1_000
_KEPT_S = 10.0
_PREPARE = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = OFF",
    "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT, until REAL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS arrivals (key TEXT PRIMARY KEY, at REAL, until REAL) WITHOUT ROWID",
)
# webapp.state.gcra.take as one statement: a limiter is asked before every call. No row comes back when it refuses.
_TAKE = """
INSERT INTO arrivals (key, at, until) VALUES (:key, :now + :cost, :until)
ON CONFLICT (key) DO UPDATE SET
  at = max(:now, CASE WHEN at > :ahead THEN :now ELSE at END) + :cost, until = :until
WHERE max(:now, CASE WHEN at > :ahead THEN :now ELSE at END) + :cost <= :latest
RETURNING at
"""


class _Connection(sqlite3.Connection):
    """A connection that does not outlive its thread: only a subclass can be referred to weakly."""


class SqliteState(Store):
    """One connection per thread; what a power cut takes away is harmless, so nothing waits for the disk."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._inherited: list[_Connection] = []
        self._start()
        _stores.add(self)

    def _start(self) -> None:
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._mine = threading.local()
        self._writing = threading.Lock()  # threads of one process queue here, where waiting costs least
        self._writes = 0

    def read(self, keys: Sequence[str]) -> tuple[list[Doc | None], float]:
        """The documents of these keys, and the time."""
        now = self._now()
        try:
            rows = self._connection().execute(
                f"SELECT key, value FROM state WHERE key IN ({','.join('?' * len(keys))}) AND until > ?",  # noqa: S608
                (*keys, now),
            )
            found = {key: json.loads(value) for key, value in rows}
        except (sqlite3.Error, OSError) as error:
            raise StateDown(str(error)) from None
        return [found.get(key) for key in keys], now

    def update(self, key: str, change: Change[T], *, ttl_s: float = DAY_S, strict: bool = False) -> T:  # noqa: ARG002
        """Change one document, alone."""
        with self._work() as connection:
            return self._update(connection, key, change, ttl_s)

    def _update(self, connection: sqlite3.Connection, key: str, change: Change[T], ttl_s: float) -> T:
        connection.execute("BEGIN IMMEDIATE")
        try:
            now = self._now()
            row = connection.execute(
                "SELECT value FROM state WHERE key = ? AND until > ?", (key, now)
            ).fetchone()
            doc, answer = change(json.loads(row[0]) if row else None, now)
            if doc is not None:
                value = json.dumps(doc, separators=(",", ":"))
                connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (key, value, now + ttl_s))
                self._sweep(connection, now)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return answer

    def take(self, key: str, rate: Rate, *, cost: float = 1, patience_s: float = 0) -> float:
        """Ask a limiter with a single statement."""
        patience_s = min(patience_s, MOST_PATIENCE_S)
        spacing = min(cost, rate.burst) * rate.interval_s
        with self._work() as connection:
            now = self._now()
            given = {
                "key": key, "now": now, "cost": spacing, "until": now + rate.window_s + _KEPT_S,
                "ahead": now + 2 * (rate.window_s + MOST_PATIENCE_S),
                "latest": now + rate.window_s + patience_s + NOTHING_S,
            }  # fmt: skip
            taken = connection.execute(_TAKE, given).fetchall()
            self._sweep(connection, now)
            if not taken:
                (at,) = connection.execute("SELECT at FROM arrivals WHERE key = ?", (key,)).fetchone()
        after = taken[0][0] if taken else max(at, now) + spacing
        wait = float(after) - rate.window_s - now
        return wait if wait > NOTHING_S else 0.0

    def give_back(self, key: str, rate: Rate, *, cost: float = 1) -> None:
        """Return calls that were taken but never made."""
        with self._work() as connection:
            statement = "UPDATE arrivals SET at = at - ? WHERE key = ?"
            connection.execute(statement, (min(cost, rate.burst) * rate.interval_s, key))

    def forget(self, key: str) -> None:
        """Delete a document."""
        with self._work() as connection:
            connection.execute("DELETE FROM state WHERE key = ?", (key,))

    def close(self) -> None:
        """Close the connections of every thread."""
        for connection in list(self._open):
            connection.close()
        self._mine = threading.local()

    def after_fork(self) -> None:
        """Open anew. The parent's connections are kept untouched: closing one here would break its locks."""
        self._inherited += list(self._open)
        self._start()

    @contextmanager
    def _work(self) -> Iterator[_Connection]:
        try:
            with self._writing:
                yield self._connection()
        except (sqlite3.Error, OSError) as error:
            raise StateDown(str(error)) from None

    def _connection(self) -> _Connection:
        connection: _Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            # Only then: closing a descriptor of a file in use would let go of the locks on it.
            if not self._path.exists():
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(
                self._path,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
            )
            for statement in _PREPARE:
                connection.execute(statement)
            self._mine.connection = connection
            self._open.add(connection)
        return connection

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 0:
            connection.execute("DELETE FROM state WHERE until < ?", (now,))
            connection.execute("DELETE FROM arrivals WHERE until < ?", (now,))

    def _now(self) -> float:
        return self._clock.now().timestamp()


_stores: weakref.WeakSet[SqliteState] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork)
