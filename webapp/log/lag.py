"""How far the log is behind the calls: the age of the oldest record that waits in a journal of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webapp.log.batch import read
from webapp.log.segments import SUFFIX, drained, read_records


def lag_s(directory: Path, now: datetime) -> float:
    """Seconds since the oldest waiting record was written; 0 when none waits."""
    ages = [(now - at).total_seconds() for path in directory.glob(f"*{SUFFIX}") for at in _first(path)]
    return max([0.0, *ages])


def _first(path: Path) -> Iterator[datetime]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return  # it was drained and removed meanwhile
    try:
        for payload, _ in read_records(descriptor, drained(descriptor)):
            yield from _times(payload)
            return
    finally:
        os.close(descriptor)


def _times(payload: bytes) -> Iterator[datetime]:
    """When a record says that something happened last."""
    try:
        record = read(payload)
        said = [*_members(record)]
        yield max(datetime.fromisoformat(at).replace(tzinfo=UTC) for at in said)
    except (ValueError, TypeError, IndexError):
        return


def _members(record: Mapping[str, Any]) -> Iterator[str]:
    ended: Any = record.get("end") or (0, {})
    closed: Any = record.get("close") or (0, {})
    for part in (record.get("open"), record.get("begin"), ended[1], closed[1]):
        for name in ("created_at", "request_timestamp", "response_timestamp", "finished_at"):
            if part and part.get(name):
                yield part[name]
