"""The clockwork: every process tries for the lease, the one that holds it does the periodic work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from webapp.engine import reconcile, replay
from webapp.engine.deadline import MOST_MS
from webapp.engine.lookups import look_up_due
from webapp.links import sweep as links_sweep
from webapp.monitor import credentials, incidents, refused, retention, rollup, selftest, tripping, windows
from webapp.monitor.delivery import deliver
from webapp.monitor.lease import LeaderLease
from webapp.monitor.raising import raise_alerts
from webapp.monitor.sweep import Sweep
from webapp.vault import audit, jobs
from webapp.vault.anchor import EVERY_S as ANCHOR_S
from webapp.vault.heartbeat import BEAT_S, Heartbeat
from webapp.vault.upkeep import upkeep

if TYPE_CHECKING:
    from webapp.runtime import Runtime

SWEEP_S, LATE_S, ORPHANS_S = 2, 5, 60
LEASE_S, LOOK_S = 10, 2
KEYS_S, CREDENTIALS_S = 3600, 300
LINKS_S = 20
RETENTION = timedelta(hours=1)
_FIRST_RETENTION = timedelta(minutes=10)
# No attempt lasts longer than the longest deadline; what is open a minute after that has no process any more.
ORPHANED_AFTER = timedelta(milliseconds=MOST_MS) + timedelta(seconds=60)
_log = logging.getLogger(__name__)


class Monitor:
    """The periodic work of one process. Start it after a fork, stop it before the end."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._heartbeat = Heartbeat(runtime)
        self.lease = LeaderLease(runtime.engine, runtime.clock)
        self._sweep = Sweep(runtime, may_write=lambda: self.lease.held)
        self._leading = threading.Lock()
        self._stopped = False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(6)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 30},
        )

    def start(self) -> None:
        """Begin at once with trying for the lease and, with it, with the checks that are due."""
        now = datetime.now(UTC)  # the clock of the scheduler itself, whatever that of the runtime says
        self._every(LEASE_S, self.lead, now)
        self._every(LOOK_S, self.step_in, now + timedelta(seconds=1))
        self._every(SWEEP_S, self.sweep, now + timedelta(seconds=1))
        self._every(LATE_S, self.keep_windows, now + timedelta(seconds=1))
        self._every(LATE_S, self.alert, now + timedelta(seconds=3))
        self._every(ORPHANS_S, self.keep_history, now + timedelta(seconds=30))
        self._every(ORPHANS_S, self.close_orphans, now + timedelta(seconds=5))
        self._every(LATE_S, self._runtime.recorder.write_late, None)
        self._every(ANCHOR_S, lambda: audit.keep_head(self._runtime), None)
        self._every(LATE_S, self.ask_vendors, now + timedelta(seconds=2))
        self._every(ORPHANS_S, self.keep_reconcile_list, now + timedelta(seconds=10))
        self._every(int(RETENTION.total_seconds()), self.prune, now + _FIRST_RETENTION)
        self._every(BEAT_S, self._heartbeat.beat, now)
        self._every(LATE_S, self.run_key_jobs, now + timedelta(seconds=2))
        self._every(KEYS_S, self.keep_keys, now + timedelta(minutes=5))
        self._every(LINKS_S, self.renew_links, now + timedelta(seconds=20))
        self._every(CREDENTIALS_S, self.keep_credentials, now + timedelta(seconds=15))
        self._scheduler.start()

    def stop(self, *, wait: bool = False) -> None:
        """Begin nothing more and give the lease back; running checks end by their own deadline.

        `wait` waits for the other work that is under way.
        """
        with self._leading:
            self._stopped = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=wait)
        self._sweep.close()
        self._quietly(self.lease.release)
        self._quietly(self._heartbeat.stop)

    def lead(self) -> bool:
        """Try for the lease, or keep it."""
        with self._leading:
            before = self.lease.held
            taken = not self._stopped and self.lease.take()
        if taken and not before:
            _log.info("This process looks after the scheduled work now.")
        return taken

    def step_in(self) -> bool:
        """Lead as soon as nobody does any more."""
        return not self.lease.held and self.lease.is_free() and self.lead()

    def sweep(self) -> int:
        """Begin the checks that are due and write down those that ended, if this process leads.

        Returns how many were begun.
        """
        if not self.lease.held:
            return 0
        begun = self._sweep.turn()
        told = [refused.heed(self._runtime), tripping.heed(self._runtime)]
        if any(told) or self._sweep.wrote:
            incidents.follow(self._runtime)
        return begun

    def alert(self) -> int:
        """Raise and deliver alerts, if this process leads; returns how many messages went out."""
        if not self.lease.held:
            return 0
        raise_alerts(self._runtime)
        return deliver(self._runtime)

    def keep_windows(self) -> None:
        """Tell health of the maintenance windows that open and close, if this process leads."""
        if self.lease.held:
            with self._runtime.sessions() as session:
                windows.apply(session, self._runtime)
                session.commit()

    def keep_history(self) -> int:
        """Look at the alert channels, sum checks up and delete old ones, if this process leads; returns how many."""
        if not self.lease.held:
            return 0
        selftest.self_test(self._runtime)
        return rollup.roll_up(self._runtime) + rollup.prune(self._runtime)

    def close_orphans(self) -> int:
        """Give an end to what dead processes left open, if this process leads; returns how many attempts."""
        return self._runtime.log.close_orphans(ORPHANED_AFTER) if self.lease.held else 0

    def run_key_jobs(self) -> int:
        """Rotate, rewrap or examine what somebody asked for; of several processes, one gets each job."""
        return jobs.run_due(self._runtime, self._heartbeat.id)

    def keep_keys(self) -> None:
        """Finish what rotations left, and replace worn keys, if this process leads."""
        if self.lease.held:
            upkeep(self._runtime)

    def keep_credentials(self) -> int:
        """Wipe what stood by long enough and announce what ends, if this process leads; returns how many of both."""
        return credentials.wipe(self._runtime) + credentials.announce(self._runtime) if self.lease.held else 0

    def renew_links(self) -> int:
        """Renew the tokens of linked accounts that are due, if this process leads; returns how many were tried."""
        return links_sweep.sweep(self._runtime) if self.lease.held else 0

    def ask_vendors(self) -> int:
        """Ask what became of calls nobody knows about, if this process leads; returns how many were asked about."""
        return look_up_due(self._runtime) if self.lease.held else 0

    def keep_reconcile_list(self) -> int:
        """Put calls on the reconcile list that nobody could, and take old ones off, if this process leads."""
        if not self.lease.held:
            return 0
        replay.forget_old(self._runtime)
        return reconcile.collect(self._runtime) + reconcile.forget_old(self._runtime)

    def prune(self) -> tuple[int, int]:
        """Take away what has had its time, if this process leads; returns how many bodies and attempts."""
        if not self.lease.held:
            return 0, 0
        links_sweep.forget_old(self._runtime)
        gone = retention.prune(self._runtime)
        return gone.bodies, gone.attempts

    def _every(self, seconds: float, work: Callable[[], object], first: datetime | None) -> None:
        when = {} if first is None else {"next_run_time": first}
        self._scheduler.add_job(lambda: self._quietly(work), "interval", seconds=seconds, **when)

    def _quietly(self, work: Callable[[], object]) -> None:
        """A store that is away for a while is tried again at the next turn."""
        try:
            work()
        except SQLAlchemyError as error:
            _log.warning("Periodic work is put off, the database did not answer: %s", type(error).__name__)
