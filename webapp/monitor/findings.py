"""What one check found, whether it went out to the service or was read off its recent calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.kit import Message, Stage, N_, verdict
from webapp.log.entries import LogEntry

GOOD, WARNED, FAILED, REFUSED, TRIPPED = "+", "w", "x", "r", "o"
BAD = FAILED + REFUSED
# Attempts that Patchbay's own alerts made say nothing: else an alert that fails would raise the next one.
ALERTS_CALLER = "alerts"
_FEWEST, _FAILING, _SHAKY = 3, 0.5, 0.2
# Refusals of one request or one recipient, and what never left this machine, are not the service's fault.
_BLAMELESS = frozenset({
    "VENDOR_REJECTED_REQUEST", "VENDOR_NOT_FOUND", "VENDOR_RECIPIENT_BLOCKED", "VENDOR_CONFLICT",
    "VENDOR_IDEMPOTENCY_MISMATCH", "VENDOR_IDEMPOTENCY_IN_PROGRESS", "OPERATION_UNSUPPORTED", "REQUEST_INVALID",
    "EGRESS_BLOCKED", "CALLER_CANCELLED", "DEADLINE_EXCEEDED", "SHUTTING_DOWN", "RATE_LIMITED_LOCAL",
    "QUOTA_EXHAUSTED_LOCAL", "BULKHEAD_FULL", "CIRCUIT_OPEN", "CIRCUIT_FORCED_OPEN", "KEY_UNAVAILABLE",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a check: its mark, the code of what is wrong, how long it took, and its stages."""

    mark: str
    code: str | None = None
    verdict: str = "verified"
    latency_ms: int = 0
    source: str = "probe"
    stages: list[dict[str, Any]] = field(default_factory=list)


def from_stages(stages: Sequence[Stage], slow_ms: int | None = None) -> Finding:
    """What the stages of a check come to; slower than `slow_ms` is a warning."""
    if not stages:
        message = Message.of(N_("The adapter checked nothing."))
        return from_stages([Stage.failed("request", message, code="ADAPTER_BUG")])
    word = verdict(stages)
    failed = next((stage for stage in stages if stage.status == "failed"), None)
    latency = sum(stage.duration_ms for stage in stages)
    kept = [_stored(stage) for stage in stages]
    if failed and word != "limited":
        mark = REFUSED if word == "rejected" else FAILED
    elif failed or any(stage.status == "warning" for stage in stages):
        mark = WARNED
    elif slow_ms is not None and latency > slow_ms:
        mark = WARNED
        kept.append(_stored(_slow(latency, slow_ms)))
    else:
        mark = GOOD
    return Finding(mark, failed.code if failed else None, word, latency, stages=kept)


def from_traffic(entries: Sequence[LogEntry]) -> Finding | None:
    """What recent calls say, newest first; None when they do not say enough and the service must be asked."""
    judged = [entry for entry in entries if counts(entry)]
    bad = [entry for entry in judged if not entry.is_success]
    share = len(bad) / len(judged) if judged else 0.0
    if bad and (len(bad) < _FEWEST or share < _SHAKY):
        return None
    took = sorted(entry.duration_ms or 0 for entry in judged)
    if not judged:
        return None
    finding = Finding(GOOD, None, "verified", took[len(took) // 2], "traffic", [_summary(judged, bad)])
    if not bad:
        return finding
    code = Counter(entry.code for entry in bad).most_common(1)[0][0]
    if share < _FAILING:
        return replace(finding, mark=WARNED, code=code)
    refused = code == "VENDOR_AUTH_REJECTED"
    return replace(
        finding, mark=REFUSED if refused else FAILED, code=code, verdict="rejected" if refused else "failed"
    )


def counts(entry: LogEntry) -> bool:
    """Whether an entry of the log says anything about its service."""
    return (
        entry.kind == "attempt"
        and entry.outcome != "pending"
        and entry.caller != ALERTS_CALLER
        and entry.code not in _BLAMELESS
    )


def _summary(judged: Sequence[LogEntry], bad: Sequence[LogEntry]) -> dict[str, Any]:
    text = N_("%(bad)s of the last %(all)s calls failed.") if bad else N_("The last %(all)s calls succeeded.")
    message = Message.of(text, bad=len(bad), all=len(judged))
    stage = Stage.failed("traffic", message, code=bad[0].code) if bad else Stage.ok("traffic", message)
    return _stored(stage)


def _slow(latency: int, slow_ms: int) -> Stage:
    text = Message.of(N_("It took %(took)s ms, more than %(limit)s ms."), took=latency, limit=slow_ms)
    return Stage.warning("latency", text)


def _stored(stage: Stage) -> dict[str, Any]:
    """A stage as kept: its words as messages too, so that pages can translate them."""
    remedy = stage.remedy.to_dict() if stage.remedy else None
    return stage.to_dict() | {"message_id": stage.message.to_dict(), "remedy_id": remedy}
