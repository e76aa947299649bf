"""What stands between a call and a service: bulkhead, limiter, quota and breaker, in this order around each attempt."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from adapters.kit import Effect, Stage
from webapp.engine import judge
from webapp.engine.breaker import SLOW_AT, Permit, Transition
from webapp.engine.breakers import Breakers, breaker_keys, service_and_group
from webapp.engine.budget import Budget
from webapp.engine.bulkhead import Bulkhead, slots_for
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.classify import Verdict, vote_of
from webapp.engine.deadline import ATTEMPT_DEFAULT_MS
from webapp.engine.fleet import Fleet
from webapp.engine.judge import Signs
from webapp.engine.limiter import Limiter
from webapp.engine.quota import Quotas, Rule, rules_of
from webapp.engine.refusals import Refusals
from webapp.engine.told import Told
from webapp.engine.trace import Step, Trace
from webapp.engine.vendor_limits import VendorLimits, read_limits
from webapp.registry.overrides import in_force, seconds_left
from webapp.state import StateDown

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_NETWORK = frozenset(("settings", "dns", "tcp", "tls"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Load:
    """What an attempt asks of the gates: its operation, its cost in units, and whom it is for (a hash)."""

    operation: str
    units: int = 1
    recipient: str | None = None


class Gates:
    """One per process. Everything that more than one process must agree on lies in the shared store."""

    def __init__(self, runtime: Runtime, rng: random.Random | None = None) -> None:
        self._runtime = runtime
        self.clock = runtime.clock
        self.rng = rng or random.SystemRandom()
        self.breakers = Breakers(runtime.state, runtime.clock, self.rng, self._tell)
        self.limiter = Limiter(runtime.state, runtime.clock)
        self.quotas = Quotas(runtime.state)
        self.bulkhead = Bulkhead(slots_for(runtime.config.threads))
        self.fleet = Fleet(runtime.state, runtime.clock, self.rng)
        self.budget = Budget(runtime.clock)
        self.refusals = Refusals(runtime.state)
        self.tripped = Told(runtime.state, "tripped")

    def signs(self, candidate: Candidate, load: Load) -> Signs:
        """Look at everything that may forbid a candidate, without taking anything."""
        key = candidate.service_id
        if key is None:
            return Signs()
        forced = in_force(candidate.override, self.clock.now())
        doc = self.breakers.look(candidate.breaker_key or key)
        rules = rules_of(candidate.quotas, key, load.operation, units=load.units, recipient=load.recipient)
        return Signs(
            forced=forced,
            forced_for_s=seconds_left(forced, self.clock.now()) if forced else 0.0,
            breaker=doc["state"] if doc else "closed",
            breaker_wait_s=self.breakers.wait(candidate.breaker_key or key),
            cool_s=self.limiter.cool_s(key),
            quota_wait_s=self.quotas.left(list(rules)) if candidate.quotas else 0.0,
        )

    def enter(
        self, candidate: Candidate, load: Load, remaining: Callable[[], float], trace: Trace
    ) -> Passage | Skip:
        """Pass every gate for one attempt; a Skip when one stays shut, and then nothing is held or spent."""
        passage = Passage(self, candidate)
        trace.add(Step.SLOT)
        if not self.bulkhead.enter(passage.key):
            return judge.bulkhead_full(candidate.service_name)
        try:
            skip = passage.lease() or passage.limit(load, remaining, trace) or passage.ask_breaker(trace)
        except BaseException:
            passage.close()
            raise
        if skip:
            passage.close()
        return skip or passage

    def checked(self, service_id: str, stages: Sequence[Stage]) -> None:
        """Let a connection test vote: it is never held back by a breaker, but may bring it to its end.

        Only stages of the adapter itself show that a service works; an open port alone does not.
        """
        failed = next((stage for stage in stages if stage.status == "failed"), None)
        if failed is None and all(stage.status != "ok" or stage.name in _NETWORK for stage in stages):
            return
        code = (failed.code or "VENDOR_SERVER_ERROR") if failed else None
        for key in self._breakers_of(service_id):
            if failed is None and self.breakers.is_spotless(key):
                continue  # nearly every check is like this, and none of them needs to write
            permit = self.breakers.acquire(key)
            if isinstance(permit, Permit):
                self.breakers.record(key, permit, vote_of(Verdict(code, Effect.NONE)))

    def reset(self, service_id: str) -> None:
        """Forget what the breakers of a service have counted."""
        for key in self._breakers_of(service_id):
            self.breakers.forget(key)

    def _breakers_of(self, service_id: str) -> list[str]:
        facts = self._runtime.snapshots.current().services.get(service_id)
        return breaker_keys(self._runtime.catalog, service_id, facts.service_type if facts else "")

    def _tell(self, key: str, transition: Transition) -> None:
        service_id, group = service_and_group(key)
        if group:
            transition = replace(transition, reason=f"{transition.reason}, {group}")
        _log.warning(
            "The breaker of service %s went from %s to %s (%s): %d calls, %d failures, %d slow",
            service_id, transition.before, transition.after, transition.reason,
            transition.calls, transition.failures, transition.slow,
        )  # fmt: skip
        self._runtime.recorder.transition(service_id, transition)
        self.tripped.note(service_id)


@dataclass
class Passage:
    """The right to make one attempt. Use it in a `with` block: what it holds is given back at its end."""

    gates: Gates
    candidate: Candidate
    permit: Permit | None = None
    rules: list[Rule] = field(default_factory=list)
    limited: bool = False
    settled: bool = False
    leased: str | None = None

    @property
    def key(self) -> str:
        """What everything is counted under."""
        return self.candidate.service_id or ""

    @property
    def breaker_key(self) -> str:
        """What the breaker counts under: some operations of a service may fail apart from the others."""
        return self.candidate.breaker_key or self.key

    @property
    def timeout_s(self) -> float:
        """How long the attempt may take."""
        return (self.candidate.timeout_ms or ATTEMPT_DEFAULT_MS) / 1000

    def lease(self) -> Skip | None:
        """A slot of all processes together, where the service has so few."""
        limit = (self.candidate.quotas or {}).get("at_once")
        if limit is None:
            return None
        self.leased = self.gates.fleet.enter(self.key, int(limit), self.timeout_s)
        return None if self.leased else judge.bulkhead_full(self.candidate.service_name)

    def limit(self, load: Load, remaining: Callable[[], float], trace: Trace) -> Skip | None:
        """Limiter and quota; a short wait is waited here."""
        trace.add(Step.LIMIT)
        gates, candidate = self.gates, self.candidate
        admitted, wait = gates.limiter.take(self.key, candidate.rate_limit, remaining())
        if not admitted:
            return judge.rate_limited(candidate.service_name, wait)
        self.limited = True
        quotas = candidate.quotas
        rules = list(rules_of(quotas, self.key, load.operation, units=load.units, recipient=load.recipient))
        try:
            left, warnings = gates.quotas.take(rules, strict=bool(quotas and quotas.get("strict")))
        except StateDown:
            return judge.counters_down(candidate.service_name)
        if left:
            return judge.quota_exhausted(candidate.service_name, left)
        self.rules = rules
        for rule, share in warnings:
            _log.warning("QUOTA_WARNING: %d %% of %s are used", round(share * 100), rule.key)
        if wait:
            gates.clock.sleep(wait)
        return None

    def ask_breaker(self, trace: Trace) -> Skip | None:
        """The last gate, so that nothing can block between the permit and the send."""
        trace.add(Step.BREAKER)
        forced = in_force(self.candidate.override, self.gates.clock.now())
        if forced and forced["state"] == "closed":
            self.permit = Permit(only_counts=True)
            return None
        answer = self.gates.breakers.acquire(self.breaker_key)
        if not isinstance(answer, Permit):
            return judge.circuit_open(self.candidate.service_name, answer)
        self.permit = answer
        return None

    def settle(
        self, verdict: Verdict, headers: Mapping[str, str], *, took_s: float, timeout_s: float, first: bool
    ) -> VendorLimits:
        """Tell the gates how the attempt went; returns what its answer said about limits."""
        self.settled = True
        gates = self.gates
        if self.permit is not None:
            slow = took_s > SLOW_AT * timeout_s
            gates.breakers.record(self.breaker_key, self.permit, vote_of(verdict), slow=slow)
        gates.refusals.note(self.key, verdict)
        if first and verdict.code is None:
            gates.budget.earn(self.key)
        said = read_limits(
            headers,
            gates.clock.now(),
            failed=verdict.code is not None,
            wait_s=verdict.fault.retry_after if verdict.fault else None,
        )
        throttled = verdict.code == "VENDOR_RATE_LIMITED"
        gates.limiter.hear(self.key, said, throttled=throttled, limit=self.candidate.rate_limit)
        if verdict.effect is Effect.NONE:
            gates.quotas.refund(self.rules)
        return said

    def close(self) -> None:
        """Give everything back; what was not settled was never sent."""
        if not self.settled:
            if self.permit is not None:
                self.gates.breakers.release(self.breaker_key, self.permit)
            self.gates.quotas.refund(self.rules)
            if self.limited:
                self.gates.limiter.give_back(self.key, self.candidate.rate_limit)
        if self.leased:
            self.gates.fleet.leave(self.key, self.leased, self.timeout_s)
        self.gates.bulkhead.leave(self.key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
