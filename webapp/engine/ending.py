"""How a call ends: the problem its caller gets, and what its record says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from adapters.kit import Effect, Message, N_
from webapp.engine.attempt import Attempt
from webapp.engine.candidates import Skip
from webapp.engine.problems import PatchbayError
from webapp.engine.recorder import retry_after_ms, safe_message

if TYPE_CHECKING:
    from webapp.engine.run import Run


# Reasons of a moment: the caller may try the same service again later.
GATES = frozenset((
    "RATE_LIMITED_LOCAL", "QUOTA_EXHAUSTED_LOCAL", "BULKHEAD_FULL", "CIRCUIT_OPEN", "CIRCUIT_FORCED_OPEN",
    "STATE_STORE_UNAVAILABLE", "KEY_UNAVAILABLE",
))  # fmt: skip
TRACE_MAX = 80
_FAILED = N_("The call failed.")
_MAYBE_DONE = N_(
    "The service may have done it; it was not tried again anywhere, so that nothing is done twice."
)


def success(run: Run, attempt: Attempt) -> dict[str, object]:
    """The record of a call that succeeded with this attempt."""
    return _shared(run) | {
        "outcome": "succeeded",
        "effect": str(Effect.DONE),
        "service_id": attempt.candidate.service_id,
        "service_type": attempt.candidate.service_type,
        "result": attempt.opened.redactor.value(attempt.result or {}),
    }


def failure(run: Run, error: PatchbayError) -> dict[str, object]:
    """The record of a call that failed, or whose outcome is unknown.

    A failure that may be repeated gives its call key back, so that the same key can be tried again.
    """
    last = run.trail.attempts[-1] if run.trail.attempts else {}
    values = _shared(run) | {
        "outcome": "unknown" if error.code == "AMBIGUOUS_OUTCOME" else "failed",
        "effect": str(error.effect),
        "code": error.code,
        "service_id": last.get("service_id"),
        "service_type": last.get("service_type"),
        "problem": error.to_record(),
    }
    return values | ({"call_key": None} if error.retryable else {})


def explain(run: Run, last: Attempt | None, stopped: Skip | None = None) -> PatchbayError:
    """Why the call did not succeed: the last attempt's reason, unless something may have been done before.

    `stopped` is why the last service was not tried once more, when that is the caller's business.
    """
    if last is None:
        return _nobody(run)
    verdict = last.verdict
    assert verdict is not None
    assert verdict.code is not None
    if run.trail.maybe_done:
        return ambiguous(run, last)
    if stopped and stopped.code not in GATES:
        return problem(
            run, stopped.code, stopped.reason, effect=Effect.NONE, cause_code=verdict.code, last=last
        )
    message = safe_message(verdict.message, last.opened.redactor) if verdict.message else Message.of(_FAILED)
    return problem(run, verdict.code, message, effect=verdict.effect, last=last)


def ambiguous(run: Run, last: Attempt | None = None) -> PatchbayError:
    """The problem of a call that may have been done: nobody may repeat it without asking the service."""
    message = Message.of(_MAYBE_DONE)
    cause = run.trail.maybe_done
    return problem(run, "AMBIGUOUS_OUTCOME", message, effect=Effect.UNKNOWN, cause_code=cause, last=last)


def problem(
    run: Run,
    code: str,
    message: Message,
    *,
    effect: Effect,
    cause_code: str | None = None,
    last: Attempt | None = None,
    wait_ms: int | None = None,
) -> PatchbayError:
    """A problem of this call, with all that was tried."""
    fault = last.verdict.fault if last and last.verdict else None
    vendor = None
    if fault and last:
        hide = last.opened.redactor.text
        words = {"code": fault.vendor_code, "message": fault.vendor_message, "request_id": fault.request_id}
        told = {name: hide(str(word))[:500] for name, word in words.items() if word}
        vendor = ({"status": fault.vendor_status} if fault.vendor_status else {}) | told
    return PatchbayError(
        code,
        message,
        effect=effect,
        candidates=run.trail.candidates,
        attempts=run.trail.attempts,
        call_id=run.call_id,
        correlation_id=run.request.correlation_id,
        operation=run.request.operation.name,
        cause_code=cause_code,
        retry_after_ms=retry_after_ms(fault.retry_after) if fault else wait_ms,
        vendor=vendor,
        retry_suppressed_by=run.trail.retry_suppressed_by,
    )


def _nobody(run: Run) -> PatchbayError:
    """No candidate could even be tried. What a gate says of the only one is the answer itself."""
    candidates = run.trail.candidates
    if any(candidate.get("code") == "DEADLINE_EXCEEDED" for candidate in candidates):
        message = Message.of(N_("The time for the call ran out before anything was sent."))
        return problem(run, "DEADLINE_EXCEEDED", message, effect=Effect.NONE)
    waits = [wait for candidate in candidates if isinstance(wait := candidate.get("retry_after_ms"), int)]
    soonest = min(waits, default=None)
    if len(candidates) == 1 and (code := str(candidates[0].get("code"))) in GATES:
        told = cast("Mapping[str, Any]", candidates[0]["message"])
        reason = Message(str(told["msgid"]), told["values"])
        return problem(run, code, reason, effect=Effect.NONE, wait_ms=soonest)
    message = Message.of(N_("None of the services could be used; see the reason for each."))
    return problem(run, "NO_PROVIDER_AVAILABLE", message, effect=Effect.NONE, wait_ms=soonest)


def _shared(run: Run) -> dict[str, object]:
    return {
        "attempts": len(run.trail.attempts),
        "duration_ms": run.deadline.elapsed_ms(),
        "candidates": run.trail.candidates,
        "trace": run.trail.trace.ended()[:TRACE_MAX],
        "candidate_no": run.trail.last_place,
        "route": _route(run),
        "cost": run.trail.cost,
    }


def _route(run: Run) -> str | None:
    """The route that led to the service of the last try, or that would have led to the first one."""
    if not run.trail.candidates:
        return None
    via = str(run.trail.candidates[(run.trail.last_place or 1) - 1]["via"])
    return via if via in run.routes else None
