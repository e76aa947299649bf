"""One step of a connection test: what was tried, what came out, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.kit.errors import Fault
from adapters.kit.remedies import REMEDIES, STAGE_OF
from adapters.kit.text import Message


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a check. `status` is ok, warning, failed or skipped; `field` the wire name to fix."""

    name: str
    status: str
    message: Message
    remedy: Message | None = None
    code: str | None = None
    field: str | None = None
    duration_ms: int = 0

    @classmethod
    def ok(cls, name: str, message: Message | str) -> Stage:
        """Report a step that succeeded."""
        return cls(name, "ok", Message.wrap(message))

    @classmethod
    def skipped(cls, name: str, message: Message | str) -> Stage:
        """Report a step that could not or need not be tried."""
        return cls(name, "skipped", Message.wrap(message))

    @classmethod
    def warning(
        cls,
        name: str,
        message: Message | str,
        *,
        remedy: Message | str | None = None,
        field: str | None = None,
    ) -> Stage:
        """Report a step that succeeded with a reservation."""
        return cls(name, "warning", Message.wrap(message), _optional(remedy), field=field)

    @classmethod
    def failed(
        cls,
        name: str,
        message: Message | str,
        *,
        remedy: Message | str | None = None,
        code: str | None = None,
        field: str | None = None,
    ) -> Stage:
        """Report a step that failed; the check ends here."""
        return cls(name, "failed", Message.wrap(message), _optional(remedy), code, field)

    @classmethod
    def of_fault(cls, fault: Fault, name: str | None = None) -> Stage:
        """Report a fault as the failed stage it belongs to."""
        remedy = REMEDIES.get(fault.code)
        stage = name or STAGE_OF.get(fault.code, "request")
        return cls.failed(stage, fault.message, remedy=remedy, code=fault.code, field=fault.field)

    def to_dict(self) -> dict[str, object]:
        """Return JSON-ready members, in English."""
        return {
            "name": self.name,
            "status": self.status,
            "message": str(self.message),
            "remedy": str(self.remedy) if self.remedy else None,
            "code": self.code,
            "field": self.field,
            "duration_ms": self.duration_ms,
        }


def _optional(text: Message | str | None) -> Message | None:
    return None if text is None else Message.wrap(text)
