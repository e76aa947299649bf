"""What the headers of an answer say about limits. Values are hints: junk is ignored, and nothing here raises."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from adapters.kit import Reply

MOST_S = 3_600.0
_EPOCH_MS, _EPOCH_S = 1e12, 1e9
_MEMBER = re.compile(r"""\b(r|t|remaining|reset)\s*=\s*"?(-?[0-9.eE+]{1,24})""")
_REMAINING = ("RateLimit-Remaining", "X-RateLimit-Remaining", "X-Rate-Limit-Remaining")
_RESET = ("RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset")
_RETRY = ("X-Should-Retry", "Stripe-Should-Retry")
_SPEAKING = frozenset(
    name.lower() for name in ("Retry-After", "Retry-After-Ms", "RateLimit", *_REMAINING, *_RESET, *_RETRY)
)


@dataclass(frozen=True, slots=True)
class VendorLimits:
    """Seconds and counts, None where nothing (sensible) was said. `should_retry` is the vendor's own advice."""

    retry_after_s: float | None = None
    remaining: int | None = None
    reset_s: float | None = None
    should_retry: bool | None = None

    @property
    def wait_s(self) -> float:
        """Seconds to leave the service alone; 0 when it asks for nothing."""
        if self.retry_after_s is not None:
            return self.retry_after_s
        return (self.reset_s or 0.0) if self.remaining == 0 else 0.0

    @property
    def rate(self) -> float | None:
        """Calls a second that are left until the count begins anew."""
        if not self.remaining or not self.reset_s:
            return None
        return self.remaining / self.reset_s


_SILENT = VendorLimits()


def read_limits(
    headers: Mapping[str, str], received_at: datetime, *, failed: bool = True, wait_s: float | None = None
) -> VendorLimits:
    """Read the headers of an answer; `wait_s` is a wait the adapter found elsewhere.

    `Retry-After` counts only for a failure: with a success it says when to ask for a result.
    """
    if wait_s is None and _SPEAKING.isdisjoint(map(str.lower, headers)):
        return _SILENT  # almost every answer
    found = Reply.of(0, headers).headers
    date = _date_of(found, received_at)
    pairs = [*_structured(found.get("RateLimit", "")), _classic(found, date)]
    remaining, reset_s = min(
        (pair for pair in pairs if pair[0] is not None), key=_tightness, default=(None, None)
    )
    if failed and wait_s is None:
        wait_s = Reply(0, found, b"", "", received_at).retry_after
    return VendorLimits(_within(wait_s), remaining, reset_s, _advice(found))


def _structured(text: str) -> Iterable[tuple[int | None, float | None]]:
    """The items of a `RateLimit` field, of newer drafts (`"name";r=;t=`) and older ones (`remaining=, reset=`)."""
    older = "remaining" in text
    for item in [text] if older else text[:2000].split(","):
        members = {name[:1] if name in "rt" else name: value for name, value in _MEMBER.findall(item)}
        left, reset = members.get("remaining" if older else "r"), members.get("reset" if older else "t")
        yield _count(left), _within(_number(reset))


def _classic(headers: Mapping[str, str], date: datetime) -> tuple[int | None, float | None]:
    remaining = next((headers[name] for name in _REMAINING if name in headers), None)
    reset = _number(next((headers[name] for name in _RESET if name in headers), None))
    if reset is not None and reset > _EPOCH_MS:
        reset = reset / 1000 - date.timestamp()
    elif reset is not None and reset > _EPOCH_S:
        reset -= date.timestamp()
    return _count(remaining), _within(reset)


def _date_of(headers: Mapping[str, str], received_at: datetime) -> datetime:
    """The vendor's own time, so that ours may be wrong."""
    try:
        moment = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return received_at
    return moment if moment.tzinfo else received_at


def _advice(headers: Mapping[str, str]) -> bool | None:
    word = next((headers[name] for name in _RETRY if name in headers), "").strip().lower()
    return {"true": True, "false": False}.get(word)


def _tightness(pair: tuple[int | None, float | None]) -> float:
    return (pair[0] or 0) / (pair[1] or MOST_S)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _count(text: str | None) -> int | None:
    value = _number(text)
    return None if value is None else int(min(value, _EPOCH_MS))


def _within(seconds: float | None) -> float | None:
    """Seconds that make sense: not negative, not NaN, at most an hour."""
    if seconds is None or not seconds >= 0:
        return None
    return min(seconds, MOST_S)
