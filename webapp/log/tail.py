"""What the journals of this machine tell of one call that is not in the log yet."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webapp.log.batch import Batch, Values, read
from webapp.log.segments import SUFFIX, drained, read_records

_JSON = ("result", "candidates", "problem")


def tail_of(directory: Path, call_id: int) -> Batch:
    """The records of a call that still wait, of whichever process; empty when none do."""
    batch, word = Batch(), str(call_id).encode()
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # it was drained and removed meanwhile
        try:
            for payload, _ in read_records(descriptor, drained(descriptor)):
                if word in payload and (record := read(payload)).get("call") == call_id:
                    batch.add(record)
        finally:
            os.close(descriptor)
    return batch


def merged(row: Mapping[Any, Any] | None, told: Values | None) -> Values | None:
    """A stored row with what the journal adds to it; None when neither knows it."""
    if row is None and told is None:
        return None
    return {**(row or {}), **_typed(told or {})}


def _typed(values: Values) -> Values:
    """The values as the tables give them back."""
    return {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str) and name.endswith(("_at", "_timestamp")):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return json.loads(value) if name in _JSON and isinstance(value, str) else value
