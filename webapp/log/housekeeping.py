"""Gives an end to what dead processes left open and nobody adopted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain, islice

from sqlalchemy import ColumnElement, Engine, select, text

from webapp.log import outbox
from webapp.log.batch import DIED, PROCESS_DIED, Batch, Values
from webapp.log.reading import Reading, reading
from webapp.log.records import stamp
from webapp.log.tables import call_logs, calls
from webapp.log.writer import write

_MOST = 2_000
# Literals, not parameters: only so do the indexes of some rows come into question.
_PENDING = text("outcome = 'pending' AND outcome <> 'succeeded'")


def close_orphans(engine: Engine, now: datetime, older_than: timedelta) -> int:
    """End attempts without an end as unknown, then their calls; returns how many attempts.

    Nobody can say whether such an attempt was done, so the call is unknown as well. A call that died
    between two attempts takes the word of its attempts.
    """
    before = now - older_than
    outbox.catch_up(engine)
    pending = select(call_logs.c.log_id).where(_PENDING, call_logs.c.request_timestamp < before).limit(_MOST)
    with reading(engine) as log:
        found = log.each(lambda connection, _low, _high: connection.scalars(pending).all())
        attempts = [*islice(chain.from_iterable(found), _MOST)]
        open_calls = log.main.scalars(
            select(calls.c.call_id).where(_PENDING, calls.c.created_at < before).limit(_MOST)
        ).all()
    died = {log_id: {**DIED, "response_timestamp": stamp(now)} for log_id in attempts}
    if died:
        write(engine, Batch(row_changes=died))
    if open_calls:
        with reading(engine) as log:
            verdicts = _verdicts(log, call_logs.c.call_id.in_(open_calls))
        died = {call_id: verdicts.get(call_id, _FAILED) for call_id in open_calls}
        write(engine, Batch(call_changes=died))
    return len(attempts)


def _verdicts(log: Reading, wanted: ColumnElement[bool]) -> Mapping[int, Values]:
    """What the attempts of calls say together."""
    query = select(call_logs.c.call_id, call_logs.c.outcome).where(wanted)
    outcomes: dict[int, set[str]] = {}
    for rows in log.each(lambda connection, _low, _high: connection.execute(query).all()):
        for row in rows:
            outcomes.setdefault(row.call_id, set()).add(row.outcome)
    return {
        call_id: _SUCCEEDED if "succeeded" in said else _UNKNOWN if "unknown" in said else _FAILED
        for call_id, said in outcomes.items()
    }


_PROBLEM = json.dumps({"detail": PROCESS_DIED})
# Without a time of their end: a later word of the process itself still counts.
_SUCCEEDED: Values = {"outcome": "succeeded", "effect": "DONE", "code": None, "problem": _PROBLEM}
_UNKNOWN: Values = {
    "outcome": "unknown", "effect": "UNKNOWN", "code": "AMBIGUOUS_OUTCOME", "problem": _PROBLEM
}  # fmt: skip
_FAILED: Values = {"outcome": "failed", "effect": "NONE", "code": "INTERNAL_ERROR", "problem": _PROBLEM}
