"""What a reader of the log looks at: the database, and the places where attempts lie, the newest first.

On PostgreSQL there is one place. On SQLite each day has its file: one that is damaged or missing is named, and the others
are read all the same; one that is taken away meanwhile is as if it had never been looked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, select
from sqlalchemy.exc import DBAPIError

from webapp.log.dayengines import is_broken
from webapp.log.dayfiles import Absent, DayFiles, DayUnreadable, files_of
from webapp.log.days import DAY, END, LAST_DATE, date_of, day_of, known
from webapp.log.dayschema import ROWS, Kind
from webapp.log.tables import log_days

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Reading:
    """One look into the log; `main` is the connection to the database."""

    def __init__(self, main: Connection, files: DayFiles | None) -> None:
        self.main = main
        self.unreadable: list[int] = []
        self.turn = 0  # how many places were asked before, about the same thing
        self.files = files

    @cached_property
    def days(self) -> Sequence[Row[Any]]:
        """What is known of the days there are attempts of, newest first."""
        return known(self.main)

    @property
    def missed(self) -> tuple[date, ...]:
        """The days that could not be read."""
        return tuple(date_of(min(day, LAST_DATE)) for day in self.unreadable)

    def each(
        self,
        ask: Callable[[Connection, int, int], T],
        low: int = 0,
        high: int = END,
        *,
        oldest_first: bool = False,
    ) -> Iterator[T]:
        """What every place says to a question about ids from `low` to before `high`, asked one after the other.

        The question comes with a connection and the ids to look at there.
        """
        self.turn = 0
        if self.files is None:
            yield ask(self.main, low, high)
            return
        for day in reversed(self.days) if oldest_first else self.days:
            start, end = max(low, day.day * DAY), min(high, (day.day + 1) * DAY)
            if start < end and day.attempts > 0:
                yield from self._ask(day.day, _within(ask, start, end))
                self.turn += 1

    def at(self, log_id: int, ask: Callable[[Connection], T], kind: Kind = ROWS) -> T | None:
        """What the place of one attempt says; None when there is none."""
        if self.files is None:
            return ask(self.main)
        day = day_of(log_id)
        if all(one.day != day for one in self.days) or (
            kind is not ROWS and not self.files.exists(day, kind)
        ):
            return None
        return next(self._ask(day, ask, kind), None)

    def _ask(self, day: int, ask: Callable[[Connection], T], kind: Kind = ROWS) -> Iterator[T]:
        """One answer or none."""
        assert self.files is not None
        try:
            with self.files.reading(day, kind) as file:
                answer = ask(file)
        except Absent:
            self._miss(day, "is missing")
        except DayUnreadable as error:
            self._miss(day, str(error))
        except DBAPIError as error:
            if self.files.exists(day, kind) and not is_broken(error):
                raise
            self._miss(day, str(error.orig))
        else:
            yield answer

    def _miss(self, day: int, why: str) -> None:
        """Name a day that cannot be read, unless it has been taken away meanwhile."""
        left = self.main.execute(select(log_days.c.attempts).where(log_days.c.day == day)).scalar()
        if left and day not in self.unreadable:
            self.unreadable.append(day)
            _log.error("The log of %s cannot be read: %s.", self.missed[-1], why.rstrip("."))


@contextmanager
def reading(engine: Engine) -> Iterator[Reading]:
    """Look into the log."""
    with engine.connect() as main:
        yield Reading(main, files_of(engine))


def _within(ask: Callable[[Connection, int, int], T], low: int, high: int) -> Callable[[Connection], T]:
    return lambda file: ask(file, low, high)
