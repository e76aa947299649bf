"""The story of one call, for its result, its problem and its record: every candidate and every attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.kit import Message, N_
from webapp.engine.attempt import Attempt
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.recorder import retry_after_ms
from webapp.engine.trace import Trace

_NOT_ASKED = Message(N_("It was not asked."))


@dataclass
class Trail:
    """Grows while the call runs; everything in it is redacted and JSON-ready."""

    candidates: list[dict[str, object]] = field(default_factory=list)
    attempts: list[dict[str, object]] = field(default_factory=list)
    maybe_done: str | None = None
    duplicate_risk: bool = False
    retry_suppressed_by: str | None = None
    trace: Trace = field(default_factory=Trace)
    last_place: int | None = None  # of the candidate that was tried last
    cost: int | None = None

    def list_candidates(self, candidates: Sequence[Candidate]) -> None:
        """Note every candidate; those that nothing is said about later were not needed."""
        for place, candidate in enumerate(candidates, start=1):
            self.candidates.append({
                "position": place,
                "via": candidate.via,
                "service_id": candidate.service_id,
                "service_name": candidate.service_name,
                "service_type": candidate.service_type,
                "health": candidate.health,
                "status": "not_needed",
                **_told(_NOT_ASKED),
            })  # fmt: skip
            if candidate.skip:
                self.skip(place, candidate.skip)

    def skip(self, place: int, skip: Skip) -> None:
        """Note why a candidate was left out, or why it was not tried once more."""
        entry = self.candidates[place - 1]
        wait = {"retry_after_ms": retry_after_ms(skip.retry_after_s)} if skip.retry_after_s else {}
        if entry["status"] == "not_needed":
            entry |= {"status": "skipped", "code": skip.code, **_told(skip.reason), **wait}
        else:
            entry |= {"stopped_by": skip.code, **wait}

    def tried(self, attempt: Attempt, duration_ms: int, message: Message | None) -> None:
        """Note how an attempt on a candidate ended."""
        verdict = attempt.verdict
        assert verdict is not None
        told = _told(message)
        outcome = verdict.outcome(attempt.safety)
        self.candidates[attempt.candidate_no - 1] |= {"status": outcome, "code": verdict.code, **told}
        self.last_place = attempt.candidate_no
        if (cost := attempt.cost) is not None:
            self.cost = (self.cost or 0) + cost
        fault = verdict.fault
        self.attempts.append({
            "log_id": str(attempt.log_id),
            "attempt_no": attempt.number,
            "service_id": attempt.candidate.service_id,
            "service_name": attempt.candidate.service_name,
            "service_type": attempt.candidate.service_type,
            "outcome": outcome,
            "code": verdict.code,
            "effect": str(verdict.effect),
            "vendor_status": fault.vendor_status if fault else None,
            "retry_after_ms": retry_after_ms(fault.retry_after) if fault else None,
            "duration_ms": duration_ms,
            "wait_ms": round(attempt.wait_s * 1000),
            "next": str(attempt.next),
            **told,
        })  # fmt: skip
        if outcome == "unknown":
            self.maybe_done = self.maybe_done or verdict.code


def _told(reason: Message | None) -> dict[str, object]:
    """A sentence in English and as a message that a page can translate."""
    return {"reason": str(reason) if reason else None, "message": reason.to_dict() if reason else None}
