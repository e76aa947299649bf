"""How a service stands at its gates now: breaker, rest, quotas, and an operator's word; for pages and API."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from webapp.engine import breaker
from webapp.engine.breakers import breaker_keys, name_of
from webapp.engine.quota import UNIT, rules_of, used
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.overrides import in_force

if TYPE_CHECKING:
    from webapp.runtime import Runtime


_GRAVITY = (breaker.CLOSED, breaker.HALF_OPEN, breaker.OPEN)


@dataclass(frozen=True, slots=True)
class Spending:
    """One quota: what it counts, in which window, how much of it is used."""

    counts: str
    window: str
    used: float
    limit: float

    @property
    def percent(self) -> int:
        """Whole percent, rounded down."""
        return int(100 * self.used / self.limit)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state of the breaker, and the counts that led to it."""

    at: datetime
    before: str
    after: str
    reason: str
    calls: int
    failures: int
    slow: int


@dataclass(frozen=True, slots=True)
class Standing:
    """`state` is closed, open, half_open, forced_open or forced_closed; seconds are 0 when nothing is waited for."""

    state: str
    since: datetime | None
    wait_s: int
    rest_s: int
    calls: int
    failures: int
    slow: int
    override: Mapping[str, Any] | None
    changes: tuple[Change, ...]
    quotas: tuple[Spending, ...]
    degraded: bool


def standing(runtime: Runtime, service: Service) -> Standing:
    """Look, without taking or changing anything."""
    key = service.service_id
    names = [name_of(each) for each in breaker_keys(runtime.catalog, key, service.service_type)]
    docs, now = runtime.state.read(names)
    doc = max(docs, key=lambda each: _gravity(each, now))
    override = in_force(service.breaker_override, runtime.clock.now())
    calls, failures, slow = (sum(counts) for counts in zip(*map(breaker.totals, docs), strict=True))
    own = doc["state"] if doc else breaker.CLOSED
    return Standing(
        state=f"forced_{override['state']}" if override else own,
        since=_moment(override["at"] if override else doc["since"] if doc else None),
        wait_s=0 if override else math.ceil(breaker.wait_of(doc, now)),
        rest_s=math.ceil(runtime.gates.limiter.cool_s(key)),
        calls=calls,
        failures=failures,
        slow=slow,
        override=override,
        changes=tuple(_changes(docs)),
        quotas=tuple(_spendings(runtime, service)),
        degraded=bool(getattr(runtime.state, "degraded", False)),
    )


def _spendings(runtime: Runtime, service: Service) -> Iterator[Spending]:
    """Every quota of the whole service; those of single recipients are not listed."""
    quotas = service.quotas or {}
    priced = {"*": 1 / UNIT} if quotas.get("money") else {}
    rules = list(rules_of({**quotas, "prices": priced}, service.service_id, "*"))
    if not rules:
        return
    docs, now = runtime.state.read([rule.key for rule in rules])
    for rule, doc in zip(rules, docs, strict=True):
        counts = "money" if ":money:" in rule.key else "calls"
        unit = UNIT if counts == "money" else 1
        yield Spending(counts, rule.window, used(doc, now, rule) / unit, rule.limit / unit)


def _gravity(doc: Mapping[str, Any] | None, now: float) -> tuple[int, float]:
    """Where the operations of a service have several breakers, the one that holds back most is shown."""
    state = doc["state"] if doc else breaker.CLOSED
    return _GRAVITY.index(state), breaker.wait_of(doc, now)


def _changes(docs: Sequence[Mapping[str, Any] | None]) -> list[Change]:
    lines = [line for doc in docs if doc for line in doc["story"]]
    newest = sorted(lines, key=lambda line: float(line["at"]), reverse=True)
    return [_change(line) for line in newest[: breaker.STORY]]


def _change(line: Mapping[str, Any]) -> Change:
    return Change(
        datetime.fromtimestamp(line["at"], UTC), line["from"], line["to"], line["reason"],
        line["calls"], line["failures"], line["slow"],
    )  # fmt: skip


def _moment(value: float | str | None) -> datetime | None:
    if value is None:
        return None
    return datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
