"""After an attempt: what it did, what may follow, and what it says about the service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from adapters.kit import Effect, Fault, Message, Safety, N_
from webapp.engine.breaker import Vote
from webapp.engine.codes import CODES

# A service that answered with one of these did certainly nothing, and another one may well do it.
_TRY_ELSEWHERE = frozenset((
    "VENDOR_AUTH_REJECTED", "VENDOR_PERMISSION_DENIED", "VENDOR_RATE_LIMITED", "VENDOR_QUOTA_EXHAUSTED",
    "VENDOR_UNAVAILABLE", "VENDOR_UNEXPECTED_REDIRECT",
))  # fmt: skip
# Of those that did nothing, the ones that may do it a moment later.
_TRY_AGAIN = frozenset(("VENDOR_RATE_LIMITED", "VENDOR_UNAVAILABLE"))
# Nothing was sent, yet asking another service would only hide what is wrong.
_STAYS_HERE = frozenset(("EGRESS_BLOCKED", "REQUEST_INVALID", "DEADLINE_EXCEEDED", "STATE_STORE_UNAVAILABLE"))
# Connections that may come about a moment later; a certificate or a setting does not change by itself.
_CONNECTIONS = frozenset((
    "DNS_FAILURE", "CONNECT_REFUSED", "CONNECT_UNREACHABLE", "CONNECT_TIMEOUT", "TLS_HANDSHAKE_FAILED",
    "PROXY_FAILURE", "CONNECTION_LOST", "READ_TIMEOUT",
))  # fmt: skip
_FAILURES = _CONNECTIONS | {
    "TLS_CERT_INVALID", "SEND_FAILED", "RESPONSE_TRUNCATED", "MALFORMED_RESPONSE", "RESPONSE_TOO_LARGE",
    "VENDOR_UNAVAILABLE", "VENDOR_SERVER_ERROR", "VENDOR_GATEWAY_TIMEOUT",
}  # fmt: skip
_ALIVE = frozenset((
    "VENDOR_REJECTED_REQUEST", "VENDOR_NOT_FOUND", "VENDOR_RECIPIENT_BLOCKED", "VENDOR_CONFLICT",
    "VENDOR_IDEMPOTENCY_MISMATCH", "VENDOR_IDEMPOTENCY_IN_PROGRESS", "GRANT_REFUSED",
))  # fmt: skip
_IGNORED = frozenset((
    "ADAPTER_BUG", "INTERNAL_ERROR", "VENDOR_AUTH_REJECTED", "VENDOR_PERMISSION_DENIED", "VENDOR_RATE_LIMITED",
    "VENDOR_QUOTA_EXHAUSTED", "VENDOR_UNEXPECTED_REDIRECT",
))  # fmt: skip
_IGNORED_STATUSES = frozenset((421, 425, 501, 505))
_BUGS = frozenset(("ADAPTER_BUG", "INTERNAL_ERROR"))
# Phases in which not one byte of the request has left us.
_UNSENT = frozenset(("none", "connecting"))


class Next(StrEnum):
    """What follows an attempt."""

    DONE = "done"
    RETRY = "retry"
    FAILOVER = "failover"
    STOP = "stop"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one attempt ended. `code` is None for a success."""

    code: str | None
    effect: Effect
    message: Message | None = None
    fault: Fault | None = None

    @property
    def is_unsure(self) -> bool:
        """Whether it failed and may have been done all the same."""
        return self.code is not None and self.effect in {Effect.UNKNOWN, Effect.DONE}

    def outcome(self, safety: Safety) -> str:
        """The attempt's own outcome: succeeded, failed or unknown. A read that brought nothing has failed."""
        if self.code is None:
            return "succeeded"
        return "unknown" if self.is_unsure and safety is not Safety.READ else "failed"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may follow an attempt, whatever time and numbers say: the same service again, or another one."""

    retry: bool = False
    failover: bool = False


SUCCESS = Verdict(None, Effect.DONE)
_NOTHING = Allowed()


def of_fault(fault: Fault) -> Verdict:
    """The verdict an adapter or the transport named; a code nobody documented is the adapter's mistake."""
    if fault.code in CODES:
        return Verdict(fault.code, fault.effect, fault.message, fault)
    return Verdict("ADAPTER_BUG", fault.effect, fault.message, fault)


def of_bug(phase: str) -> Verdict:
    """The verdict on an adapter that raised anything else: the phase says what may have been done."""
    effect = Effect.NONE if phase in _UNSENT else Effect.UNKNOWN
    return Verdict(
        "ADAPTER_BUG", effect, Message.of(N_("The adapter made a mistake; the cause is in the process log."))
    )


def allowed(
    verdict: Verdict,
    safety: Safety,
    *,
    may_duplicate: bool = False,
    pinned: bool = False,
    advice: bool | None = None,
) -> Allowed:
    """The matrix of effect and safety: an unsafe operation is never sent again once it may have been done.

    `may_duplicate` is the caller's word that doing it on one more service does no harm, `pinned` says that an
    earlier attempt of this call may have been done here, `advice` is what the vendor says about trying again.
    """
    if verdict.code is None:
        return _NOTHING
    found = _by_effect(verdict, safety, advice)
    if advice is False:
        found = Allowed(retry=False, failover=found.failover)
    if may_duplicate and (verdict.is_unsure or pinned):
        return Allowed(retry=found.retry, failover=True)
    return Allowed(retry=found.retry, failover=False) if pinned else found


def _by_effect(verdict: Verdict, safety: Safety, advice: bool | None) -> Allowed:
    code, bug = verdict.code or "", verdict.code in _BUGS
    if verdict.effect is Effect.NONE:
        return _NOTHING if code in _STAYS_HERE else Allowed(retry=code in _CONNECTIONS, failover=True)
    if verdict.effect is Effect.REJECTED:
        elsewhere = code in _TRY_ELSEWHERE or bool(verdict.fault and verdict.fault.vendor_specific)
        return Allowed(retry=code in _TRY_AGAIN or advice is True, failover=elsewhere)
    if safety is Safety.UNSAFE:
        return _NOTHING
    return Allowed(retry=not bug and code != "DEADLINE_EXCEEDED", failover=safety is Safety.READ)


def vote_of(verdict: Verdict) -> Vote:
    """What an attempt says about the health of its service."""
    code = verdict.code
    if code is None or code in _ALIVE:
        status = verdict.fault.vendor_status if verdict.fault else None
        return Vote.IGNORE if status in _IGNORED_STATUSES else Vote.SUCCESS
    if code in _IGNORED:
        return Vote.IGNORE
    if verdict.fault and verdict.fault.vendor_status in _IGNORED_STATUSES:
        return Vote.IGNORE
    return Vote.FAILURE if code in _FAILURES or verdict.is_unsure else Vote.IGNORE
