"""Records of the journal as JSON, and back: fast for what is usual, and for the rest as Python writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

_MARK = b" "  # before what only Python's own encoder could write, and only its decoder reads as it was


def stamp(moment: datetime) -> str:
    """A moment in UTC as records and SQLite keep it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def moment(stamped: str) -> datetime:
    """The moment behind a stamp."""
    return datetime.fromisoformat(stamped).replace(tzinfo=UTC)


def _plain(value: object) -> str:
    return stamp(value) if isinstance(value, datetime) else str(value)


def encode(value: object, plain: Callable[[Any], object] = _plain) -> bytes:
    """JSON in UTF-8; `plain` is asked for what JSON does not know.

    Halves of characters and numbers beyond 64 bits, which a vendor's answer may hold, are escaped or written out.
    """
    try:
        return orjson.dumps(value, plain, orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        return _MARK + json.dumps(value, separators=(",", ":"), default=plain).encode()


def decode(payload: bytes) -> Any:
    """What was encoded; raises ValueError."""
    return json.loads(payload) if payload.startswith(_MARK) else orjson.loads(payload)
