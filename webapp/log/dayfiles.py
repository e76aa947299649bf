"""The files of the log on SQLite, in a folder beside the database: the attempts of a day with their words, and their bodies.

A file is made with the first row of its day and goes as a whole. Whoever writes into one holds the lock of its day;
readers hold nothing, and a file that goes while they read stays whole for them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.util import LRUCache

from webapp.db import lock_for_writing, locked_file, prepare_sqlite, retire, when_retired
from webapp.disk import sync_directory
from webapp.log.dayengines import make_engine
from webapp.log.days import LAST_DATE, date_of, day_at_date
from webapp.log.dayschema import ROWS, Kind, bring_up, make, version_of

READ, WRITTEN = 40, 4  # files that are kept open
_LOCKS = 4
_LOOK_EVERY_S = 30.0
_BESIDE = ("-wal", "-shm")
_LATER = "day-"  # days for which there is no date


class Absent(LookupError):
    """There is no file of this day."""


class DayUnreadable(SQLAlchemyError):
    """A file is there that is none of the log, or of a later release."""


@dataclass(frozen=True, slots=True)
class _Open:
    engine: Engine
    path: Path
    identity: tuple[int, int]


class DayFiles:
    """The files of one database. Safe for threads, and for a child that is forked."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open: dict[bool, OrderedDict[Path, _Open]] = {False: OrderedDict(), True: OrderedDict()}
        self._compiled: Any = LRUCache(500)
        self._paths: dict[tuple[int, str], Path] = {}
        self._looked = 0.0
        self.after_fork()
        _known.add(self)

    def after_fork(self) -> None:
        """Begin without a lock that a thread of the parent may hold."""
        self._lock = threading.RLock()

    def path(self, day: int, kind: Kind = ROWS) -> Path:
        """Where the file of a day is or would be."""
        path = self._paths.get((day, kind.ending))
        if path is None:
            name = date_of(day).isoformat() if day <= LAST_DATE else f"{_LATER}{day}"
            path = self._paths[day, kind.ending] = self.directory / f"{name}{kind.ending}"
        return path

    def days(self, kind: Kind = ROWS) -> list[int]:
        """The days there are files of, newest first."""
        try:
            names = [path.name for path in self.directory.iterdir()]
        except FileNotFoundError:
            return []
        found = (_day_of(name.removesuffix(kind.ending)) for name in names if name.endswith(kind.ending))
        return sorted((day for day in found if day is not None), reverse=True)

    def exists(self, day: int, kind: Kind = ROWS) -> bool:
        """Whether there is a file of this day."""
        return self.path(day, kind).exists()

    def size(self, day: int, kind: Kind = ROWS) -> int:
        """Bytes on the disk."""
        path = self.path(day, kind)
        return sum(_size(Path(f"{path}{more}")) for more in ("", *_BESIDE))

    @contextmanager
    def reading(self, day: int, kind: Kind = ROWS) -> Iterator[Connection]:
        """A connection that cannot write. Raises Absent."""
        with self._engine(self.path(day, kind), kind, writes=False).connect() as connection:
            yield connection

    @contextmanager
    def writing(self, day: int, kind: Kind = ROWS) -> Iterator[Connection]:
        """One transaction on a file, which is made if there is none; only while its day is locked."""
        path = self.path(day, kind)
        if not path.exists():
            self._make(path, kind)
        with self._engine(path, kind, writes=True).begin() as connection:
            lock_for_writing(connection)
            yield connection

    @contextmanager
    def locked(self, days: Iterable[int]) -> Iterator[None]:
        """Be the only one who writes into the files of these days, among all processes."""
        with ExitStack() as stack:
            for number in sorted({day % _LOCKS for day in days}):
                stack.enter_context(self._lock_of(number))
            yield

    def _lock_of(self, number: int) -> AbstractContextManager[None]:
        if not self.directory.exists():
            self.directory.mkdir(mode=0o700, exist_ok=True)
        return locked_file(self.directory / f"writer-{number}.lock")

    def drop(self, day: int, kind: Kind = ROWS) -> int:
        """Take a file away, only while its day is locked; returns its bytes."""
        path, size = self.path(day, kind), self.size(day, kind)
        self._forget(path)
        for more in ("", *_BESIDE):
            Path(f"{path}{more}").unlink(missing_ok=True)
        return size

    def close(self) -> None:
        """Give all connections back for good."""
        with self._lock:
            paths = {path for opened in self._open.values() for path in opened}
            for path in paths:
                self._forget(path)

    def _engine(self, path: Path, kind: Kind, *, writes: bool) -> Engine:
        """What speaks to the file that is there now, which may be another one than the last time."""
        self._look()
        identity = _identity(path)
        if identity is None:
            self._forget(path)
            raise Absent(path.name)
        with self._lock:
            opened = self._open[writes].get(path)
            if opened and opened.identity == identity:
                self._open[writes].move_to_end(path)
                return opened.engine
            if opened:
                self._forget(path)
            _check(path, kind)
            engine = make_engine(path, self._compiled, writes=writes)
            self._open[writes][path] = _Open(engine, path, identity)
            while len(self._open[writes]) > (WRITTEN if writes else READ):
                _, oldest = self._open[writes].popitem(last=False)
                retire(oldest.engine)
            return engine

    def _look(self) -> None:
        """Let go of files that another process has taken away: they would go on taking up the disk."""
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self._looked = time.monotonic()
            with self._lock:
                opened = [one for some in self._open.values() for one in some.values()]
            for one in opened:
                if _identity(one.path) != one.identity:
                    self._forget(one.path)

    def _forget(self, path: Path) -> None:
        with self._lock:
            for opened in self._open.values():
                if path in opened:
                    retire(opened.pop(path).engine)

    def _make(self, path: Path, kind: Kind) -> None:
        """Make a file aside and put it in its place, so that nobody ever sees half of it."""
        unfinished = path.with_name(f"{path.name}.new")
        try:
            for leftover in (
                unfinished,
                *(Path(f"{one}{more}") for one in (unfinished, path) for more in _BESIDE),
            ):
                leftover.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
                    make(connection, kind)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            unfinished.rename(path)
            sync_directory(self.directory)
        except (OSError, sqlite3.Error) as error:
            raise OperationalError(f"make {path.name}", None, error) from error


def files_of(engine: Engine) -> DayFiles | None:
    """The files beside a SQLite database; None on PostgreSQL, which has a part for each day."""
    if engine.dialect.name != "sqlite":
        return None
    with _making:
        files = _files.get(engine)
        if files is None:
            files = _files[engine] = DayFiles(Path(f"{engine.url.database}.days"))
            when_retired(engine, files.close)
        return files


def _check(path: Path, kind: Kind) -> None:
    """Bring a file of an earlier release up to date; raises DayUnreadable for what is no file of ours."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
            prepare_sqlite(connection)
            version = version_of(connection)
            if 0 < version < kind.version:
                bring_up(connection, kind)
    except sqlite3.Error as error:
        raise DayUnreadable(f"{path.name} cannot be read: {error}") from error
    if not 0 < version <= kind.version:
        raise DayUnreadable(f"{path.name} is of version {version}, not {kind.version}.")


def _day_of(name: str) -> int | None:
    try:
        return (
            int(name.removeprefix(_LATER))
            if name.startswith(_LATER)
            else day_at_date(date.fromisoformat(name))
        )
    except ValueError:
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


_files: weakref.WeakKeyDictionary[Engine, DayFiles] = weakref.WeakKeyDictionary()
_making = threading.Lock()
_known: weakref.WeakSet[DayFiles] = weakref.WeakSet()


def _begin_anew() -> None:
    global _making  # noqa: PLW0603 - a thread of the parent may hold it
    _making = threading.Lock()
    for files in list(_known):
        files.after_fork()


os.register_at_fork(after_in_child=_begin_anew)
