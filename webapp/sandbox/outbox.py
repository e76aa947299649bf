"""Outbox: what the pretend vendor was asked to deliver, newest first, in memory only."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import current_app

KEPT = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message or request that arrived."""

    vendor: str
    to: str
    text: str
    details: dict[str, Any]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_dict(self) -> dict[str, Any]:
        """Return the delivery as plain data."""
        return {**asdict(self), "at": self.at.isoformat()}


class Outbox:
    """The last deliveries; older ones are forgotten."""

    def __init__(self) -> None:
        self._kept: deque[Delivery] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, vendor: str, to: str, text: str, **details: Any) -> Delivery:
        """Keep a delivery and return it."""
        delivery = Delivery(vendor, to, text, details)
        with self._lock:
            self._kept.appendleft(delivery)
        return delivery

    def all(self) -> list[Delivery]:
        """Return the deliveries, newest first."""
        with self._lock:
            return list(self._kept)

    def clear(self) -> None:
        """Forget every delivery."""
        with self._lock:
            self._kept.clear()


def outbox() -> Outbox:
    """Return the running sandbox's outbox."""
    found: Outbox = current_app.extensions["sandbox_outbox"]
    return found
