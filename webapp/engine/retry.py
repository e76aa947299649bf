"""Whether and when one service is tried again within a call: numbers only, nothing is sent or slept here."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp.engine.classify import Verdict

MOST_PER_CALL = 4
RESERVE_S = 1.5
LEAST_ATTEMPT_S = 0.5
MOST_RETRY_AFTER_S = 5.0
_THROTTLED_S, _MOST_THROTTLED_S = 1.0, 20.0
_IN_PROGRESS_S = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a service is tried within one call, and the waits between tries, in seconds."""

    attempts: int = 3
    base_s: float = 0.2
    most_s: float = 5.0

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Policy:
        """The policy of a service as it is stored; what is missing has its default."""
        given = stored or {}
        return cls(
            int(given.get("max_attempts", 3)),
            given.get("base_ms", 200) / 1000,
            given.get("max_ms", 5_000) / 1000,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Try again after `wait_s`, or not, and what forbids it."""

    wait_s: float | None
    why: str | None = None


def plan(
    verdict: Verdict,
    policy: Policy,
    *,
    here: int,
    in_call: int,
    remaining_s: float,
    others: int,
    rng: random.Random,
) -> Plan:
    """Whether one more attempt fits after `here` on this service and `in_call` in all.

    `others` is how many services are left that time has to be kept for.
    """
    if here >= policy.attempts or in_call >= MOST_PER_CALL:
        return Plan(None, "attempts")
    asked = verdict.fault.retry_after if verdict.fault else None
    if asked is not None and asked > MOST_RETRY_AFTER_S:
        return Plan(None, "retry_after")
    wait = pause(verdict, policy, here, rng)
    if remaining_s - wait < max(LEAST_ATTEMPT_S, RESERVE_S * others):
        return Plan(None, "time")
    return Plan(wait)


def pause(verdict: Verdict, policy: Policy, tried: int, rng: random.Random) -> float:
    """Seconds to wait after so many tries: full jitter, but never less than the vendor asked for."""
    asked = verdict.fault.retry_after if verdict.fault else None
    if verdict.code == "VENDOR_RATE_LIMITED" and asked is None:
        wait = rng.uniform(0.5, 1) * min(_MOST_THROTTLED_S, _THROTTLED_S * 2.0 ** (tried - 1))
    else:
        wait = rng.uniform(0, min(policy.most_s, policy.base_s * 2.0 ** (tried - 1)))
    if verdict.code == "VENDOR_IDEMPOTENCY_IN_PROGRESS":
        wait = max(wait, _IN_PROGRESS_S)
    return wait if asked is None else max(wait, asked * rng.uniform(1.0, 1.1))
