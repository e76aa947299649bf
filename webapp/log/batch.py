"""Records of the journal, put together: whole rows where beginning and end came together, changes where not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webapp.log.entries import Bodies
from webapp.log.records import decode

Values = dict[str, Any]
PROCESS_DIED = "process_died"
DIED: Mapping[str, Any] = {
    "outcome": "unknown", "effect": "UNKNOWN", "code": "AMBIGUOUS_OUTCOME", "is_success": False,
    "error_message": PROCESS_DIED, "next": "reconcile",
}  # fmt: skip


@dataclass
class Batch:
    """What one transaction writes. Rows are new; changes complete rows that an earlier batch wrote."""

    calls: dict[int, Values] = field(default_factory=dict)
    call_changes: dict[int, Values] = field(default_factory=dict)
    rows: dict[int, Values] = field(default_factory=dict)
    row_changes: dict[int, Values] = field(default_factory=dict)
    bodies: dict[int, Bodies] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> None:
        """Take in one record; its parts happened in this order."""
        if opened := record.get("open"):
            self.calls.setdefault(opened["call_id"], dict(opened))
        if begun := record.get("begin"):
            self.rows.setdefault(begun["log_id"], dict(begun))
        if ended := record.get("end"):
            log_id, values, bodies = ended
            _complete(self.rows, self.row_changes, log_id, values)
            if bodies:
                self.bodies[log_id] = Bodies(**bodies)
        if closed := record.get("close"):
            _complete(self.calls, self.call_changes, *closed)

    def __bool__(self) -> bool:
        return bool(self.calls or self.call_changes or self.rows or self.row_changes)


def _complete(new: dict[int, Values], changes: dict[int, Values], key: int, values: Values) -> None:
    if key in new:
        new[key].update(values)
    else:
        changes.setdefault(key, {}).update(values)


def batch_of(records: Iterable[Mapping[str, Any]]) -> Batch:
    """All of them as one batch."""
    batch = Batch()
    for record in records:
        batch.add(record)
    return batch


def read(payload: bytes) -> dict[str, Any]:
    """A record as it was written; raises ValueError."""
    record = decode(payload)
    if not isinstance(record, dict):
        raise ValueError("A record of the journal is an object.")  # noqa: TRY004 - as other damage
    return record


@dataclass
class Unfinished:
    """What a segment has begun and not ended, learnt from all of its records."""

    attempts: dict[int, int] = field(default_factory=dict)  # attempt → its call
    calls: dict[int, list[str]] = field(default_factory=dict)  # call → outcomes of its attempts

    def learn(self, record: Mapping[str, Any]) -> None:
        """Follow one record."""
        if opened := record.get("open"):
            self.calls[opened["call_id"]] = []
        if (begun := record.get("begin")) and begun["outcome"] == "pending":
            self.attempts[begun["log_id"]] = begun["call_id"]
            self.calls.setdefault(begun["call_id"], [])
        if ended := record.get("end"):
            call_id = self.attempts.pop(ended[0], None)
            if call_id in self.calls:
                self.calls[call_id].append(ended[1]["outcome"])
        if closed := record.get("close"):
            self.calls.pop(closed[0], None)

    def ends(self, now: str) -> Batch:
        """What to say of it when its process is dead: nobody knows whether a begun attempt was done."""
        batch = Batch()
        for log_id, call_id in self.attempts.items():
            batch.row_changes[log_id] = {**DIED, "response_timestamp": now}
            self.calls.setdefault(call_id, []).append("unknown")
        for call_id, outcomes in self.calls.items():
            batch.call_changes[call_id] = {**_verdict(outcomes), "finished_at": now}
        return batch


def _verdict(outcomes: list[str]) -> Values:
    """A call that died between or during its attempts takes their word; one that sent nothing may be repeated."""
    problem = json.dumps({"detail": PROCESS_DIED})
    if "succeeded" in outcomes:
        return {"outcome": "succeeded", "effect": "DONE"}
    if "unknown" in outcomes:
        return {"outcome": "unknown", "effect": "UNKNOWN", "code": "AMBIGUOUS_OUTCOME", "problem": problem}
    return {
        "outcome": "failed", "effect": "NONE", "code": "INTERNAL_ERROR", "problem": problem, "call_key": None,
    }  # fmt: skip
