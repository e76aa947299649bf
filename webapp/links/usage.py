"""What used a link: counted in memory and written every second, so that calls do not wait for it."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.models.link import Link, LinkUsage

if TYPE_CHECKING:
    from sqlalchemy import Table

    from webapp.runtime import Runtime

EVERY_S = 1.0
_CLOSING_S = 5.0
_MOST_WAITING = 20_000
_usage = cast("Table", LinkUsage.__table__)
_links = cast("Table", Link.__table__)
_log = logging.getLogger(__name__)
Key = tuple[str, str, date]


class UsageBook:
    """Counts uses by link, place and day. Its thread lives only while there is something to write."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._noted: dict[Key, tuple[int, datetime]] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def note(self, link_id: str, point: str) -> None:
        """Count one use, now."""
        now = self._runtime.clock.now()
        key = (link_id, point, now.date())
        with self._lock:
            self._noted[key] = (self._noted.get(key, (0, now))[0] + 1, now)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._write_soon, name="patchbay-links", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what was counted; what cannot be written now waits."""
        with self._writing:
            with self._lock:
                noted, self._noted = self._noted, {}
            if not noted:
                return
            try:
                with self._runtime.sessions() as session:
                    for key in sorted(noted):
                        _write(session, key, *noted[key])
                    session.commit()
            except SQLAlchemyError as error:
                _log.warning("The use of links is not written down yet: %s", type(error).__name__)
                self._put_back(noted)

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(_CLOSING_S)
        self.flush()

    def _put_back(self, noted: dict[Key, tuple[int, datetime]]) -> None:
        with self._lock:
            for key, (count, at) in noted.items():
                known = self._noted.get(key)
                if known or len(self._noted) < _MOST_WAITING:
                    self._noted[key] = (
                        count + (known[0] if known else 0),
                        max(at, known[1]) if known else at,
                    )

    def _write_soon(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.flush()
            with self._lock:
                if not self._noted:
                    self._thread = None
                    return

    def after_fork(self) -> None:
        """The parent writes what it counted."""
        self._reset()


def _write(session: Session, key: Key, count: int, at: datetime) -> None:
    link_id, point, day = key
    here = (_usage.c.link_id == link_id, _usage.c.point == point, _usage.c.day == day)
    change = update(_usage).where(*here).values(calls=_usage.c.calls + count, last_at=at)
    if not cast("CursorResult[Any]", session.execute(change)).rowcount:
        if session.scalar(select(_links.c.link_id).where(_links.c.link_id == link_id)) is None:
            return
        try:
            with session.begin_nested():
                row = {"link_id": link_id, "point": point, "day": day, "calls": count}
                session.execute(insert(_usage).values(**row, first_at=at, last_at=at))
        except IntegrityError:  # another process was first
            session.execute(change)
    newest = update(_links).where(_links.c.link_id == link_id)
    session.execute(newest.values(last_used_at=at, last_used_by=point or None))


_all: weakref.WeakSet[UsageBook] = weakref.WeakSet()


def _begin_anew() -> None:
    for book in list(_all):
        book.after_fork()


os.register_at_fork(after_in_child=_begin_anew)
