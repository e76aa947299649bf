"""What a call that succeeded gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one call. `result` has the members of the operation's own result.

    `replayed` says that an earlier call under the same key was answered again and nothing was sent.
    """

    call_id: int
    outcome: str
    service_id: str | None
    service_type: str | None
    result: Mapping[str, object]
    attempts: int
    duration_ms: int
    correlation_id: str
    replayed: bool = False

    def to_dict(self) -> dict[str, object]:
        """The members of the JSON API; the call id is a string."""
        members: dict[str, object] = {
            "call_id": str(self.call_id),
            "outcome": self.outcome,
            "service_id": self.service_id,
            "service_type": self.service_type,
            "result": dict(self.result),
            "attempts": self.attempts,
            "duration_ms": self.duration_ms,
            "correlation_id": self.correlation_id,
        }
        return members | ({"replayed": True} if self.replayed else {})
