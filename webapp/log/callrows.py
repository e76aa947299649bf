"""The attempts of one call: they lie on the day it began, or on one of the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, select

from webapp.log.days import DAY, END, day_at, day_of
from webapp.log.reading import Reading
from webapp.log.tables import call_logs

Row = Mapping[Any, Any]


def attempts_of(
    log: Reading, call_id: int, columns: Sequence[Column[Any]], call: Row | None
) -> dict[int, Row]:
    """Its rows by their ids. Where that many are not there, a clock has jumped, and every day is asked."""
    query = select(*columns).where(call_logs.c.call_id == call_id)

    def ask(connection: Connection, _low: int, _high: int) -> Sequence[Row]:
        return connection.execute(query).mappings().all()

    ended = call["finished_at"] if call else None
    first, last = day_of(call_id) - 1, max(day_of(call_id), day_at(ended) if ended else 0) + 1
    expected = max(call["attempts"], 1) if call else 1
    found: dict[int, Row] = {}
    for low, high in ((first * DAY, (last + 1) * DAY), (0, END)):
        for rows in log.each(ask, max(low, 0), high):
            found.update((row["log_id"], row) for row in rows)
        if len(found) >= expected:
            break
    return found
