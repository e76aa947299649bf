"""Several processes over one database, and the leader killed in the middle of its work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from itertools import pairwise

import pytest
from sqlalchemy import select, update

from adapters.kit import SystemClock
from tests.engine.vendor import Vendor
from tests.monitor.conftest import GOOD
from webapp.models.health import HealthCheck, Lease
from webapp.models.service import Service
from webapp.monitor import Monitor, lease, scheduler
from webapp.runtime import Runtime

EVERY_S = 1
# Everything about the lease is an eighth of what it is otherwise or so, so that it ends while the test waits.
LEASE_S = 4.0


def work(config, ready):
    """One process: its monitor runs as under gunicorn, until somebody kills it."""
    lease.TTL_S, lease.MARGIN_S = LEASE_S - 0.6, 1.0
    scheduler.LEASE_S, scheduler.LOOK_S, scheduler.SWEEP_S = 1, 0.3, 0.5
    runtime = Runtime.create(config, SystemClock())
    monitor = Monitor(runtime)
    monitor.start()
    ready.set()
    while True:
        time.sleep(1)


def holder(runtime):
    with runtime.sessions() as session:
        found = session.get(Lease, "monitor")
        return found.holder if found else None


def checks(runtime):
    with runtime.sessions() as session:
        return session.execute(
            select(HealthCheck.service_id, HealthCheck.at).order_by(HealthCheck.check_id)
        ).all()


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("It did not happen in time.")


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_leader_dies_and_no_check_is_lost_or_doubled(config, add, count):
    """The interval of the services is shortened in the database, because the registry allows ten seconds and more."""
    vendor = Vendor(GOOD)
    ids = [add(f"Mail {number}", vendor.url) for number in range(5)]
    runtime = Runtime.create(config, SystemClock())
    with runtime.engine.begin() as connection:
        connection.execute(update(Service).values(health_interval_s=EVERY_S))
    context = multiprocessing.get_context("spawn")
    events = [context.Event() for _ in range(count)]
    processes = [context.Process(target=work, args=(config, event), daemon=True) for event in events]
    try:
        for process in processes:
            process.start()
        assert all(event.wait(60) for event in events)
        first = until(lambda: holder(runtime))
        until(lambda: len(checks(runtime)) >= 2 * len(ids))
        os.kill(int(first.split(":")[1]), signal.SIGKILL)
        died, killed = time.monotonic(), len(checks(runtime))
        until(lambda: holder(runtime) != first)
        assert time.monotonic() - died < LEASE_S
        until(lambda: len(checks(runtime)) >= killed + 2 * len(ids))
    finally:
        for process in processes:
            process.kill()
            process.join()
        vendor.close()
    for service_id in ids:
        moments = [at for id_, at in checks(runtime) if id_ == service_id]
        gaps = [(late - early).total_seconds() for early, late in pairwise(moments)]
        assert min(gaps) > EVERY_S * 0.5
        assert max(gaps) < LEASE_S + 3 * EVERY_S
    runtime.close()
