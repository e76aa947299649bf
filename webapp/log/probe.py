"""Asks a file of a day whether it has anything to a search at all, for a fraction of what the whole question costs.

A search for something rare looks into every day there is. What SQLAlchemy does for a statement then costs far more than
what SQLite does, so the text of a short one is made once and handed to the driver.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, literal_column, select
from sqlalchemy.dialects import sqlite

from webapp.log.records import stamp
from webapp.log.searchtext import HIGH, LOW

_NAMED = sqlite.dialect(paramstyle="named")


class Probe:
    """Conditions that must all hold, among them that an id is from LOW to HIGH."""

    def __init__(self, conditions: Iterable[ColumnElement[bool]]) -> None:
        query: Select[Any] = select(literal_column("1")).where(*conditions).limit(1)
        written = query.compile(dialect=_NAMED).construct_expanded_state({LOW: 0, HIGH: 0})
        self._sql = written.statement  # with lists of values written out
        self._given = {name: _as_kept(value) for name, value in written.parameters.items()}

    def finds(self, connection: Connection, low: int, high: int) -> bool:
        """Whether there is anything from one id to before another."""
        raw: Any = connection.connection.dbapi_connection
        try:
            return raw.execute(self._sql, {**self._given, LOW: low, HIGH: high - 1}).fetchone() is not None
        except raw.Error:
            return True  # the whole question says what is wrong


def _as_kept(value: Any) -> Any:
    return stamp(value) if isinstance(value, datetime) else value
