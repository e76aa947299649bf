"""Whether an operator's word about a breaker still holds; it is stored with the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def in_force(override: Mapping[str, Any] | None, now: datetime) -> Mapping[str, Any] | None:
    """The override, unless it has expired."""
    if override is None or seconds_left(override, now) <= 0:
        return None
    return override


def seconds_left(override: Mapping[str, Any], now: datetime) -> float:
    """Seconds until it expires; infinite when it does not."""
    until = override.get("until")
    return (datetime.fromisoformat(until) - now).total_seconds() if until else float("inf")
