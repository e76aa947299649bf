"""The scheduled checks: which services are due, checking them side by side, and having written what was found.

One sweeper looks for what is due every second or two, instead of one timer for each service. Nothing is held while
a check runs, neither a lock nor a transaction; a check that does not end in its time counts as failed and is left
behind.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import Message, Stage, N_
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.opening import Opened, open_candidate
from webapp.models.health import ServiceHealth
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.findings import Finding, from_stages, from_traffic
from webapp.monitor.results import Outcome, write
from webapp.monitor.traffic import Traffic
from webapp.registry.checking import check
from webapp.registry.fields import HealthPolicy

if TYPE_CHECKING:
    from datetime import datetime

    from webapp.runtime import Runtime

THREADS = 32
MOST_AT_ONCE = 500
# The kit ends a check by its own deadline; only an adapter that never comes back is still running after this.
GRACE_S = 5.0
# Calls that succeed stand in for a check, but only a check sees certificates, quotas and permissions.
_ASK_ANYWAY = timedelta(minutes=10)
_AHEAD_S = 60
_WATCHED = (
    select(Service.service_id, Service.service_name, Service.service_type, Service.health_check_endpoint,
           Service.health_interval_s, Service.health_policy, Service.revision,
           ServiceHealth.state, ServiceHealth.probed_at)
    .outerjoin(ServiceHealth, ServiceHealth.service_id == Service.service_id)
    .where(Service.deleted_at.is_(None))
)  # fmt: skip
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """A service whose check is due, with what the check needs to know of it."""

    service_id: str
    service_name: str
    service_type: str
    health_check_endpoint: str | None
    interval_s: int
    policy: HealthPolicy
    revision: int
    state: str | None
    probed_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Flight:
    """A check that is under way, until it ends or its time is up."""

    due: Due
    future: Future[Finding]
    ends: float


class Sweep:
    """Checks what is due. Lives as long as its process; `may_write` tells whether it still leads."""

    def __init__(
        self, runtime: Runtime, *, threads: int = THREADS, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self._runtime = runtime
        self._threads = threads
        self._may_write = may_write
        self._flights: dict[str, _Flight] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._lost = 0
        self.wrote = False  # whether the last turn wrote anything

    def run(self) -> int:
        """Check what is due and wait for the last to end; returns how many were checked."""
        begun = self.begin()
        while self._flights:
            self._await_some()
            self.collect()
        return begun

    def turn(self) -> int:
        """Write what has ended and begin what is due, without waiting for it; returns how many began."""
        self.collect()
        return self.begin()

    def begin(self) -> int:
        """Begin the checks that are due and not under way, oldest first."""
        due = [one for one in self.due() if one.service_id not in self._flights]
        traffic = self._calls_of(due)
        now = self._runtime.clock.monotonic()
        for place, one in enumerate(due):
            # Those that wait for a thread get the time that it takes for their turn to come.
            turns = 1 + (len(self._flights) + place) // self._threads
            ends = now + (one.policy.timeout_s + GRACE_S) * turns
            self._flights[one.service_id] = _Flight(
                one, self._executor().submit(self.check, one, traffic), ends
            )
        return len(due)

    def collect(self) -> int:
        """Write down the checks that have ended; one that hangs is given up and counts as failed."""
        now = self._runtime.clock.monotonic()
        ended = [flight for flight in self._flights.values() if flight.future.done() or flight.ends < now]
        outcomes = []
        for flight in ended:
            del self._flights[flight.due.service_id]
            outcomes.append(Outcome(flight.due.service_id, flight.due.policy, self._finding(flight)))
        self.wrote = bool(outcomes) and self._may_write()
        if self.wrote:
            write(self._runtime, outcomes)
        return len(outcomes)

    def due(self) -> Sequence[Due]:
        """Enabled services whose interval is over, those that wait longest first; at most 500."""
        now = int(self._runtime.clock.now().timestamp())
        last = ServiceHealth.checked_s
        query = (
            _WATCHED.where(Service.is_enabled)
            .where(or_(
                last.is_(None),
                last + Service.health_interval_s * ServiceHealth.spread / 1000 <= now,
                last > now + _AHEAD_S,  # the clock was set back
            ))
            .order_by(last.is_not(None), last)
            .limit(MOST_AT_ONCE)
        )  # fmt: skip
        with self._runtime.engine.connect() as connection:
            return [_due(*row) for row in connection.execute(query)]

    def check_now(self, service_id: str) -> Outcome | None:
        """Check one service whether it is due or not, and write it down; None when there is none."""
        with self._runtime.engine.connect() as connection:
            row = connection.execute(_WATCHED.where(Service.service_id == service_id)).one_or_none()
        if row is None:
            return None
        due = _due(*row)
        outcome = Outcome(due.service_id, due.policy, self.check(due))
        write(self._runtime, [outcome])
        return outcome

    def check(self, due: Due, traffic: Traffic | None = None) -> Finding:
        """Check one service, or read its state off its recent calls; never raises."""
        try:
            return self._read_off(due, traffic) or self._probe(due)
        except Exception:  # noqa: BLE001 - one service must not stop the others
            _log.exception("The check of service %s failed", due.service_id)
            message = Message.of(N_("The check itself failed; the cause is in the process log."))
            return from_stages([Stage.failed("request", message, code="INTERNAL_ERROR")])

    def close(self) -> None:
        """Begin nothing more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _calls_of(self, due: Sequence[Due]) -> Traffic | None:
        """The recent calls of those whose calls may stand in for a check; None when there are none to look at."""
        now = self._runtime.clock.now()
        spans = [one.interval_s for one in due if _may_stand_in(one, now)]
        if not spans:
            return None
        try:
            return Traffic(self._runtime, now - min(timedelta(seconds=max(spans)), _ASK_ANYWAY))
        except SQLAlchemyError as error:
            _log.warning("The call log did not answer, every service is asked: %s", type(error).__name__)
            return None

    def _read_off(self, due: Due, traffic: Traffic | None) -> Finding | None:
        now = self._runtime.clock.now()
        if traffic is None or not _may_stand_in(due, now):
            return None
        finding = from_traffic(traffic.of(due.service_id, now - timedelta(seconds=due.interval_s)))
        # Only a whole check brings a warning or an outage to its end, because calls say less than it does.
        return finding if finding and (finding.mark != "+" or due.state == "healthy") else None

    def _probe(self, due: Due) -> Finding:
        opened = self._open(due)
        if isinstance(opened, Skip):
            return from_stages([Stage.failed("settings", opened.reason, code=opened.code)])
        timeout_s = min(due.policy.timeout_s, due.interval_s)
        stages = list(
            check(
                self._runtime,
                opened.adapter,
                opened.config,
                due.health_check_endpoint,
                timeout_s=timeout_s,
                allowed=due.policy.allowed_cost,
            )
        )
        self._runtime.gates.checked(due.service_id, stages)
        return from_stages(stages, due.policy.slow_ms)

    def _open(self, due: Due) -> Opened | Skip:
        return open_candidate(
            self._runtime, Candidate(due.service_id, due.service_id, due.service_name, due.service_type)
        )

    def _finding(self, flight: _Flight) -> Finding:
        if flight.future.done() and not flight.future.cancelled():
            return flight.future.result()
        if not flight.future.cancel():
            self._replace_pool()
        message = Message.of(
            N_("The check did not end within %(count)s s."), count=flight.due.policy.timeout_s
        )
        return from_stages([Stage.failed("request", message, code="READ_TIMEOUT")])

    def _replace_pool(self) -> None:
        """Leave a thread that hangs behind; when half of them do, take new ones."""
        self._lost += 1
        if self._lost >= self._threads // 2 and self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool, self._lost = None, 0

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="check")
        return self._pool

    def _await_some(self) -> None:
        now = self._runtime.clock.monotonic()
        left = max(0.05, min(flight.ends for flight in self._flights.values()) - now)
        wait([flight.future for flight in self._flights.values()], left, FIRST_COMPLETED)


def _may_stand_in(due: Due, now: datetime) -> bool:
    """Whether calls may stand in for a check: not for the first, and not when the last probe is long ago."""
    return due.probed_at is not None and now - due.probed_at <= max(
        _ASK_ANYWAY, timedelta(seconds=due.interval_s)
    )


def _due(*row: object) -> Due:
    service_id, name, type_, endpoint, interval, policy, revision, state, probed_at = row
    thresholds = HealthPolicy.model_construct(**{**_DEFAULTS, **(policy or {})})  # type: ignore[dict-item]
    return Due(service_id, name, type_, endpoint, interval, thresholds, revision, state, probed_at)  # type: ignore[arg-type]


_DEFAULTS = HealthPolicy().model_dump()
