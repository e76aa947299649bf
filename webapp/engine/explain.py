"""What a call would do now, without making it: which services would be tried in which order, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.kit import Message, N_
from webapp.engine.candidates import MOST_TRIED, Candidate, Skip, find_candidates
from webapp.engine.gates import Load
from webapp.engine.judge import judge
from webapp.engine.opening import open_candidate
from webapp.engine.recorder import retry_after_ms
from webapp.engine.request import read_question

if TYPE_CHECKING:
    from webapp.runtime import Runtime

FIRST, NEXT, SKIPPED, BEYOND = "first", "next", "skipped", "beyond"
_WORDS = {
    FIRST: Message(N_("It would be tried first.")),
    NEXT: Message(N_("It would take over when the ones before it certainly did nothing.")),
    BEYOND: Message(
        N_("It would not be reached: at most %(most)s services are tried."), {"most": MOST_TRIED}
    ),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one candidate stands: `status` is first, next, skipped or beyond; a skipped one has a code."""

    position: int
    candidate: Candidate
    status: str
    reason: Message
    code: str | None = None
    retry_after_ms: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The members of the JSON API; the reason is in English and as a message to translate."""
        candidate = self.candidate
        return {
            "position": self.position,
            "via": candidate.via,
            "service_id": candidate.service_id,
            "service_name": candidate.service_name,
            "service_type": candidate.service_type,
            "health": candidate.health,
            "status": self.status,
            "code": self.code,
            "reason": str(self.reason),
            "message": self.reason.to_dict(),
            "retry_after_ms": self.retry_after_ms,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: every candidate in order, and whether a call could be made at all."""

    operation: str
    contract: str
    standings: tuple[Standing, ...]

    @property
    def first(self) -> Standing | None:
        """The one that would be tried first."""
        return next((standing for standing in self.standings if standing.status == FIRST), None)

    def to_dict(self) -> dict[str, Any]:
        """The members of the JSON API; `code` is how the call would end when nobody could be tried."""
        first = self.first
        return {
            "operation": self.operation,
            "contract": self.contract,
            "service_id": first.candidate.service_id if first else None,
            "service_name": first.candidate.service_name if first else None,
            "code": None if first else "NO_PROVIDER_AVAILABLE",
            "candidates": [standing.to_dict() for standing in self.standings],
        }


def explain(
    runtime: Runtime,
    operation: str,
    prefer: Sequence[str] | str = (),
    params: Mapping[str, Any] | None = None,
) -> Explanation:
    """Decide as a call would, take nothing and send nothing. Raises PatchbayError REQUEST_INVALID."""
    contract, meant, names = read_question(runtime.catalog, operation, prefer, params)
    found = find_candidates(runtime.snapshots.current(), runtime.catalog, meant.name, contract, names)
    usable = 0
    standings = []
    for position, candidate in enumerate(found, start=1):
        skip = candidate.skip or why_not(runtime, candidate, meant.name)
        if skip:
            wait_ms = retry_after_ms(skip.retry_after_s)
            standing = Standing(position, candidate, SKIPPED, skip.reason, skip.code, wait_ms)
        else:
            usable += 1
            status = FIRST if usable == 1 else NEXT if usable <= MOST_TRIED else BEYOND
            standing = Standing(position, candidate, status, _WORDS[status])
        standings.append(standing)
    return Explanation(meant.name, contract, tuple(standings))


def why_not(runtime: Runtime, candidate: Candidate, operation: str) -> Skip | None:
    """Why a call would leave this candidate out now; None when it would be tried."""
    opened = open_candidate(runtime, candidate)
    if isinstance(opened, Skip):
        return opened
    return judge(candidate, runtime.gates.signs(candidate, Load(operation)))
