"""What a batch really changes, found out before it is written and in the same transaction: what is new, and what ends.

Whoever counts attempts and calls counts these, and counts each once, however often a batch is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Table, select

from webapp.log.batch import PROCESS_DIED, Batch, Values
from webapp.log.records import stamp
from webapp.log.searchtext import words_of
from webapp.log.tables import call_logs, calls
from webapp.log.wordindex import add_words, remove_words

_DEFAULTS: dict[str, Values] = {
    "call_logs": {"attempt_no": 1, "candidate_no": 1, "kind": "attempt", "sandbox": False},
    "calls": {"attempts": 0},
}
_OPAQUE = {"result", "candidates", "problem"}  # nobody counts what is in these, and they may be large


@dataclass(slots=True)
class Changes:
    """Rows of one table as the journal has them: times are texts in UTC; what is missing is null, or JSON.

    `begun` are new rows, ended or not. `ended` are rows that were not there, or open, and have their end now. `corrected`
    are pairs, before and after: rows that had been given up for a dead process, and whose own word came later after all.
    """

    begun: list[Values] = field(default_factory=list)
    ended: list[Values] = field(default_factory=list)
    corrected: list[tuple[Values, Values]] = field(default_factory=list)


@dataclass(slots=True)
class Written:
    """What one transaction changes of attempts (rows of `call_logs`) and of calls (rows of `calls`)."""

    attempts: Changes
    calls: Changes
    bodies: Mapping[int, int]  # new bodies, with their sizes


class _Rules(NamedTuple):
    """When a row has its end, and when that is not its own word, so that a later one counts."""

    ended: Callable[[Values], bool]
    given_up: Callable[[Values], bool]


# The same as the conditions of `webapp.log.statements`.
_RULES = {
    "call_logs": _Rules(
        lambda row: row.get("response_timestamp") is not None,
        lambda row: row.get("error_message") == PROCESS_DIED,
    ),
    "calls": _Rules(lambda row: row["outcome"] != "pending", lambda row: row.get("finished_at") is None),
}


def foresee_attempts(
    connection: Connection, new: Mapping[int, Values], changed: Mapping[int, Values]
) -> Changes:
    """What writing these will change of attempts; the rows it touches are locked from here on."""
    return _changes(connection, call_logs, new, changed)


def foresee_calls(connection: Connection, batch: Batch) -> Changes:
    """What writing this batch will change of calls, likewise."""
    return _changes(connection, calls, batch.calls, batch.call_changes)


def ended_in(attempts: Changes) -> set[int]:
    """The attempts whose bodies and words count from now on."""
    return {row["log_id"] for row in attempts.ended} | {row["log_id"] for _, row in attempts.corrected}


def put_words(connection: Connection, attempts: Changes) -> None:
    """Let attempts be found by words, from their end on."""
    remove_words(connection, ((row["log_id"], words_of(row)) for row, _ in attempts.corrected))
    after = [*attempts.ended, *(row for _, row in attempts.corrected)]
    add_words(connection, ((row["log_id"], words_of(row)) for row in after))


def _changes(
    connection: Connection, table: Table, new: Mapping[int, Values], changed: Mapping[int, Values]
) -> Changes:
    rules, changes = _RULES[table.name], Changes()
    there = dict(_present(connection, table, {*new, *changed}))
    after: dict[int, Values] = {}
    for key, values in new.items():
        if key not in there:
            row = {**_DEFAULTS[table.name], **values}
            changes.begun.append(row)
            after[key] = row
        elif rules.ended(values):
            _put(rules, there, after, key, values)
    for key, values in changed.items():
        if key in there or key in after:
            _put(rules, there, after, key, values)
    for key, row in after.items():
        before = there.get(key)
        if rules.ended(row):
            if before is None or not rules.ended(before):
                changes.ended.append(row)
            else:
                changes.corrected.append((before, row))
    return changes


def _put(
    rules: _Rules, there: Mapping[int, Values], after: dict[int, Values], key: int, values: Values
) -> None:
    row = after.get(key) or there[key]
    if not rules.ended(row) or rules.given_up(row):
        after[key] = {**row, **values}


def _present(connection: Connection, table: Table, keys: Collection[int]) -> Iterator[tuple[int, Values]]:
    if not keys:
        return
    (key,) = table.primary_key
    query = select(*(column for column in table.columns if column.name not in _OPAQUE)).where(key.in_(keys))
    if connection.dialect.name == "postgresql":
        query = query.with_for_update()
    for row in connection.execute(query).mappings():
        yield (
            row[key],
            {name: stamp(value) if isinstance(value, datetime) else value for name, value in row.items()},
        )
