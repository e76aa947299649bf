"""How fast a service may be called just now: what it told us itself, on top of the limit an operator set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webapp.state import Rate

MOST_COOL_S = 3_600.0
SLOWER, LEAST_SHARE, BACK_PER_MINUTE = 0.7, 0.1, 0.1
KEPT_S = MOST_COOL_S + 60

Doc = dict[str, Any]


def cool_s(doc: Mapping[str, Any] | None, now: float) -> float:
    """Seconds for which the service asked to be left alone; more than the most ever kept means a clock set back."""
    left = float(doc.get("cool", 0)) - now if doc else 0.0
    return left if 0 < left <= MOST_COOL_S else 0.0


def cooled(doc: Doc | None, now: float, seconds: float) -> Doc:
    """Leave the service alone for so long, an hour at most; a shorter time does not shorten a longer one."""
    until = now + min(seconds, MOST_COOL_S)
    return (doc or {}) | {"cool": max(until, now + cool_s(doc, now))}


def slowed(doc: Doc | None, now: float) -> Doc:
    """Call more slowly, because the service complained without saying for how long."""
    return (doc or {}) | {"share": max(LEAST_SHARE, share(doc, now) * SLOWER), "share_at": now}


def share(doc: Mapping[str, Any] | None, now: float) -> float:
    """The part of the limit that is used, growing back with every quiet minute."""
    if not doc or "share" not in doc:
        return 1.0
    minutes = max(0, int((now - doc["share_at"]) // 60))
    return min(1.0, float(doc["share"]) + BACK_PER_MINUTE * minutes)


def lowered(doc: Doc | None, now: float, remaining: int, reset_s: float) -> Doc:
    """Spread what the service says is left over the time until it counts anew."""
    return (doc or {}) | {"low": remaining / reset_s, "low_until": now + min(reset_s, MOST_COOL_S)}


def rate_of(limit: Mapping[str, Any] | None, doc: Mapping[str, Any] | None, now: float) -> Rate | None:
    """The limit in force: an operator's, lowered by what the service said; None without any."""
    low = float(doc["low"]) if doc and 0 < doc.get("low_until", 0) - now <= MOST_COOL_S else None
    if limit is None:
        return None
    rate = Rate(float(limit["per_second"]), int(limit["burst"]))
    part = share(doc, now)
    if part < 1:
        rate = rate.scaled(part)
    return Rate(low, 1) if low is not None and 0 < low < rate.per_second else rate
