"""Whether a candidate may be used now, and if not, why: a pure decision, the same for calls and for *explain*."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.kit import Message, N_
from webapp.engine.candidates import Candidate, Skip

MOST_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known about a service before it is called; waits are seconds, 0 when nothing stands in the way."""

    forced: Mapping[str, Any] | None = None
    forced_for_s: float = math.inf
    breaker: str = "closed"
    breaker_wait_s: float = 0.0
    cool_s: float = 0.0
    quota_wait_s: float = 0.0


def judge(candidate: Candidate, signs: Signs, remaining_s: float = math.inf) -> Skip | None:
    """Why the candidate is left out, or None when it may be tried."""
    if candidate.skip:
        return candidate.skip
    name = candidate.service_name
    forced = signs.forced["state"] if signs.forced else None
    if forced == "open":
        return forced_open(name, signs.forced_for_s)
    if forced != "closed" and signs.breaker_wait_s > 0:
        return circuit_open(name, signs.breaker_wait_s)
    if signs.cool_s > min(MOST_WAIT_S, remaining_s):
        return rate_limited(name, signs.cool_s)
    if signs.quota_wait_s > 0:
        return quota_exhausted(name, signs.quota_wait_s)
    return None


def forced_open(name: str | None, wait_s: float) -> Skip:
    """An operator took it out of use."""
    text = Message.of(N_("%(name)s was taken out of use by an operator."), name=name)
    return Skip("CIRCUIT_FORCED_OPEN", text, wait_s if math.isfinite(wait_s) else None)


def circuit_open(name: str | None, wait_s: float) -> Skip:
    """It failed too often."""
    text = N_("%(name)s failed too often; it is tried again in %(seconds)s seconds.")
    return Skip("CIRCUIT_OPEN", Message.of(text, name=name, seconds=math.ceil(wait_s)), wait_s)


def rate_limited(name: str | None, wait_s: float) -> Skip:
    """Its limit is reached, or it asked to be left alone."""
    text = N_("The limit of %(name)s is reached; there is room again in %(seconds)s seconds.")
    return Skip("RATE_LIMITED_LOCAL", Message.of(text, name=name, seconds=math.ceil(wait_s)), wait_s)


def quota_exhausted(name: str | None, wait_s: float) -> Skip:
    """Its quota is used up."""
    return Skip(
        "QUOTA_EXHAUSTED_LOCAL", Message.of(N_("The quota of %(name)s is used up."), name=name), wait_s
    )


def bulkhead_full(name: str | None) -> Skip:
    """Too many of this process's threads are waiting for it."""
    text = Message.of(N_("Too many calls to %(name)s are running."), name=name)
    return Skip("BULKHEAD_FULL", text, MOST_WAIT_S)


def counters_down(name: str | None) -> Skip:
    """A strict quota cannot be counted."""
    text = Message.of(N_("The quota of %(name)s cannot be counted just now."), name=name)
    return Skip("STATE_STORE_UNAVAILABLE", text, MOST_WAIT_S)
