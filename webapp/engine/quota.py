"""Quotas: how many calls, or how much money, a service may take in a window of its time zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from webapp.state import Store

HOUR_S, DAY_S = 3_600, 86_400
UNIT = 1_000_000  # money is counted in millionths, so that sums stay exact
WARN_AT = (0.8, 0.95)
_KEPT_S = {
    "minute": 120.0,
    "hour": 7_200.0,
    "day": 2.0 * DAY_S,
    "rolling_day": 2.0 * DAY_S,
    "month": 32.0 * DAY_S,
}

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit and what this attempt would add to it, both in the same whole units."""

    key: str
    window: str
    limit: int
    cost: int
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Spent:
    """What came of asking: the seconds until it may be asked again (0 when it was taken) and the warning crossed."""

    wait_s: float = 0.0
    share: float | None = None


def rules_of(
    quotas: Mapping[str, Any] | None,
    service_id: str,
    operation: str,
    *,
    units: int = 1,
    recipient: str | None = None,
) -> Iterator[Rule]:
    """The limits that count this attempt, always in the same order. `recipient` is a hash."""
    if not quotas:
        return
    zone = quotas.get("time_zone") or "UTC"
    price = price_of(quotas, operation, units) or 0
    asked = {"calls": (service_id, 1, units), "money": (service_id, UNIT, price)}
    if recipient:
        asked["recipient_calls"] = (f"{service_id}:{recipient}", 1, units)
    for counts, (owner, unit, cost) in asked.items():
        for window, limit in sorted((quotas.get(counts) or {}).items()):
            if limit is not None and cost:
                yield Rule(f"quota:{owner}:{counts}:{window}", window, round(float(limit) * unit), cost, zone)


def price_of(quotas: Mapping[str, Any] | None, operation: str, units: int) -> int | None:
    """What an attempt costs, in millionths; None when nobody set a price."""
    prices = (quotas or {}).get("prices") or {}
    price = prices.get(operation, prices.get("*"))
    return None if price is None else round(float(price) * UNIT) * units


def used(doc: Mapping[str, Any] | None, now: float, rule: Rule) -> int:
    """What was spent in the window that holds this moment."""
    if doc is None:
        return 0
    if rule.window == "rolling_day":
        return sum(count for _, count in _hours(doc, now))
    return int(doc["used"]) if doc["start"] == _window(now, rule)[0] else 0


def spend(doc: Doc | None, now: float, rule: Rule) -> tuple[Doc | None, Spent]:
    """Spend the cost of a rule, if the limit allows it."""
    before = used(doc, now, rule)
    if before + rule.cost > rule.limit:
        return None, Spent(max(1.0, _wait(doc, now, rule)))
    crossed = [mark for mark in WARN_AT if before < mark * rule.limit <= before + rule.cost]
    return _changed(doc, now, rule, rule.cost), Spent(share=max(crossed, default=None))


def refund(doc: Doc | None, now: float, rule: Rule) -> Doc | None:
    """Take back what an attempt spent that never reached the service."""
    cost = min(rule.cost, used(doc, now, rule))
    return _changed(doc, now, rule, -cost) if cost else None


class Quotas:
    """Spends from several limits at once: all of them or none."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def left(self, rules: Sequence[Rule]) -> float:
        """Seconds until every limit has room again; 0 when all have now. Takes nothing."""
        if not rules:
            return 0.0
        docs, now = self._store.read([rule.key for rule in rules])
        return max(spend(doc, now, rule)[1].wait_s for doc, rule in zip(docs, rules, strict=True))

    def take(self, rules: Sequence[Rule], *, strict: bool = False) -> tuple[float, list[tuple[Rule, float]]]:
        """Spend; the seconds to wait (0 when it was spent) and the warnings crossed.

        Raises StateDown when `strict` and the shared store is down: nobody then knows what was spent.
        """
        taken: list[Rule] = []
        warnings: list[tuple[Rule, float]] = []
        for rule in rules:
            spent = self._spend(rule, strict=strict)
            if spent.wait_s:
                self.refund(taken)
                return spent.wait_s, []
            taken.append(rule)
            warnings += [(rule, spent.share)] if spent.share else []
        return 0.0, warnings

    def refund(self, rules: Sequence[Rule]) -> None:
        """Take back what was spent."""
        for rule in rules:
            self._refund(rule)

    def _spend(self, rule: Rule, *, strict: bool) -> Spent:
        return self._store.update(
            rule.key, lambda doc, now: spend(doc, now, rule), ttl_s=_KEPT_S[rule.window], strict=strict
        )

    def _refund(self, rule: Rule) -> None:
        self._store.update(
            rule.key, lambda doc, now: (refund(doc, now, rule), None), ttl_s=_KEPT_S[rule.window]
        )


def _changed(doc: Doc | None, now: float, rule: Rule, amount: int) -> Doc:
    if rule.window == "rolling_day":
        hours = dict(_hours(doc, now))
        current = int(now // HOUR_S)
        hours[current] = max(0, hours.get(current, 0) + amount)
        return {"hours": {str(hour): count for hour, count in hours.items()}}
    return {"start": _window(now, rule)[0], "used": max(0, used(doc, now, rule) + amount)}


def _wait(doc: Mapping[str, Any] | None, now: float, rule: Rule) -> float:
    if rule.window != "rolling_day":
        return _window(now, rule)[1] - now
    left = used(doc, now, rule) + rule.cost - rule.limit
    for hour, count in sorted(_hours(doc, now)):
        left -= count
        if left <= 0:
            return (hour + 25) * HOUR_S - now
    return DAY_S


def _hours(doc: Mapping[str, Any] | None, now: float) -> Iterator[tuple[int, int]]:
    """The hours of a rolling day that still count, the current one included."""
    current = int(now // HOUR_S)
    for name, count in (doc or {}).get("hours", {}).items():
        if current - 24 <= int(name) <= current:
            yield int(name), count


def _window(now: float, rule: Rule) -> tuple[float, float]:
    """When the window of this moment began and when it ends."""
    if rule.window in {"minute", "hour"}:
        length = 60 if rule.window == "minute" else HOUR_S
        start = now // length * length
        return start, start + length
    here = datetime.fromtimestamp(now, ZoneInfo(rule.zone))
    first = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if rule.window == "day":
        return first.timestamp(), (first + timedelta(days=1)).timestamp()
    first = first.replace(day=1)
    return first.timestamp(), (first + timedelta(days=32)).replace(day=1).timestamp()
