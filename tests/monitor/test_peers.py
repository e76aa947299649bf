"""Real peers that are stopped, slow, hang or flap, adapters that misbehave, and what the sweep does about it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from adapters.email.sendgrid import SendGrid
from adapters.kit import SystemClock
from tests.engine.vendor import HANG, answer
from tests.monitor.conftest import GOOD
from webapp.ids import uuid7
from webapp.models.health import HealthCheck, HealthDay, HealthHour, ServiceHealth
from webapp.models.service import Service
from webapp.monitor import Monitor, history, rollup, windows
from webapp.monitor import sweep as sweep_module
from webapp.monitor.sweep import Sweep
from webapp.runtime import Runtime


def test_a_check_that_hangs_ends_in_its_time(config, vendors, add):
    runtime = Runtime.create(config, SystemClock())
    hanging, well = vendors(HANG), vendors()
    slow_id = add("Slow", hanging.url, health_policy={"timeout_s": 1})
    well_id = add("Well", well.url)
    sweep, began = Sweep(runtime), time.monotonic()
    sweep.run()
    sweep.close()

    assert time.monotonic() - began < 5
    with runtime.sessions() as session:
        assert session.get(ServiceHealth, slow_id).code == "READ_TIMEOUT"
        assert session.get(ServiceHealth, well_id).state == "healthy"
    runtime.close()


@pytest.mark.parametrize("behaves", ["raises", "nothing", "garbage", "forever"])
def test_an_adapter_that_misbehaves_does_not_stop_the_others(config, vendors, add, monkeypatch, behaves):
    let_go = threading.Event()

    def check(self):
        if behaves == "raises":
            raise RuntimeError("secret words")
        if behaves == "forever":
            let_go.wait(20)
        return iter(["soup"] if behaves == "garbage" else ())

    monkeypatch.setattr(SendGrid, "check", check)
    monkeypatch.setattr(sweep_module, "GRACE_S", 0.2)
    runtime = Runtime.create(config, SystemClock())
    bad = add("Bad", vendors().url, health_policy={"timeout_s": 1})
    well = add("Shop", service_type="HTTP_PROVIDER_GENERIC", configurations={"base_url": vendors().url})
    sweep = Sweep(runtime, threads=4)
    sweep.run()
    let_go.set()
    sweep.close()
    with runtime.sessions() as session:
        codes = {
            "raises": "ADAPTER_BUG",
            "garbage": "ADAPTER_BUG",
            "nothing": None,
            "forever": "READ_TIMEOUT",
        }
        assert session.get(ServiceHealth, bad).code == codes[behaves]
        assert session.get(ServiceHealth, well).state == "healthy"
    runtime.close()


def test_after_a_long_stop_everything_is_checked_once_oldest_first(monitor, vendors, add, clock):
    vendor = vendors()
    for number in range(30):
        add(f"Mail {number}", vendor.url)
    monitor.round(1)
    clock.advance(86_400)
    asked = len(vendor.requests)

    assert monitor.sweep.run() == 30
    assert len(vendor.requests) - asked == 30
    assert monitor.sweep.run() == 0


def test_a_clock_that_was_set_back_stops_no_check(monitor, vendors, add, clock):
    add("Mail", vendors().url)
    monitor.round(1)
    clock.advance(-3600)

    assert monitor.sweep.run() == 1


def test_calls_that_succeed_stand_in_for_a_check(monitor, vendors, add, runtime, clock):
    vendor = vendors()
    service_id = add("Mail", vendor.url)
    monitor.round(1)
    runtime.hub.call("email.send", {"to": ["a@example.com"], "subject": "x", "text": "x"}, prefer=service_id)
    asked = len(vendor.requests)
    monitor.round(1)

    assert len(vendor.requests) == asked
    with runtime.sessions() as session:
        newest = history.checks(session, service_id, limit=1)[0]
        assert (newest.source, newest.mark) == ("traffic", "+")


def test_maintenance_alarms_nobody_and_does_not_count(monitor, vendors, add, receiver, clock):
    vendor, runtime = vendors(), monitor.runtime
    service_id = add("Mail", vendor.url)
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    with runtime.sessions() as session:
        values = {
            "title": "Move",
            "services": [service_id],
            "starts_at": clock.now(),
            "ends_at": clock.now() + timedelta(minutes=10),
        }
        windows.create(session, runtime, values, actor="test")
        session.commit()
    vendor.close()
    monitor.round(6)
    assert (monitor.state(service_id), monitor.incidents, receiver.told) == ("down", [], [])
    with runtime.sessions() as session:
        assert history.spans(session, [service_id], "24h", clock.now())[service_id].uptime is None

    clock.advance(600)
    with runtime.sessions() as session:
        windows.apply(session, runtime)
        session.commit()
    monitor.round(2)
    assert (len(monitor.incidents), receiver.kinds) == (1, ["problem"])


def test_hours_and_days_are_summed_up_and_old_ones_go(monitor, vendors, add, runtime, clock):
    service_id = add("Mail", vendors().url)
    monitor.round(70)
    rollup.roll_up(runtime)
    with runtime.sessions() as session:
        span = history.spans(session, [service_id], "24h", clock.now())[service_id]
        assert (sum(mark.up for mark in span.marks), span.uptime) == (70, 1.0)
        assert span.p95_ms is not None
        assert history.spans(session, [service_id], "30d", clock.now())[service_id].uptime == 1.0
    assert rollup.roll_up(runtime) == 0

    clock.advance(49 * 3600)
    rollup.roll_up(runtime)
    assert rollup.prune(runtime) == 70
    clock.advance(89 * 86_400)
    rollup.prune(runtime)
    with runtime.sessions() as session:
        counts = [
            session.scalar(select(func.count()).select_from(table))
            for table in (HealthCheck, HealthHour, HealthDay)
        ]
        assert counts == [0, 0, 1]
        assert rollup.backlog(runtime) == 0
    clock.advance(400 * 86_400)
    assert rollup.prune(runtime) == 1


def test_a_service_from_before_thresholds_has_the_usual_ones(monitor, vendors, add, runtime):
    service_id = add("Mail", vendors().url)
    with runtime.engine.begin() as connection:
        connection.execute(update(Service).values(health_policy=None))
    monitor.round(1)

    assert monitor.state(service_id) == "healthy"


def test_each_kind_of_history_is_kept_for_its_time_and_no_longer(runtime, clock):
    """Raw 48 hours, hours 90 days, days 400 days: to the hour on both sides, by the work of the leader."""
    now = clock.now()
    ages = {HealthCheck: timedelta(hours=48), HealthHour: timedelta(days=90), HealthDay: timedelta(days=400)}
    sums = {"up": 1, "warned": 0, "down": 0, "excused": 0, "latency_sum": 1, "latencies": {"1": 1}}
    raw = {
        "source": "probe",
        "mark": "+",
        "state": "healthy",
        "verdict": "verified",
        "latency_ms": 1,
        "stages": [],
    }
    with runtime.sessions() as session:
        for table, kept in ages.items():
            for number, age in enumerate(
                (timedelta(0), kept - timedelta(hours=1), kept + timedelta(hours=1))
            ):
                own = {"at": now - age, **raw} if table is HealthCheck else {"start": now - age, **sums}
                session.add(table(service_id=f"service-{number}", **own))
        session.commit()
    leader = Monitor(runtime)
    leader.lead()
    leader.keep_history()
    leader.stop()

    with runtime.sessions() as session:
        for table in ages:
            assert set(session.scalars(select(table.service_id))) == {"service-0", "service-1"}, table


def test_an_http_server_that_slows_stops_restarts_and_flaps(monitor, vendors, add, receiver):
    """One service through everything: states, incidents and messages in the order the documentation gives."""
    vendor = vendors()
    policy = {"slow_ms": 150}
    config = {"base_url": vendor.url, "health_path": "/health"}
    service_id = add(
        "Shop", service_type="HTTP_PROVIDER_GENERIC", configurations=config, health_policy=policy
    )
    states = ["down", "degraded", "reauth"]
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), states=states)
    seen = []

    def turns(does, count):
        vendor.does = does
        for _ in range(count):
            monitor.round()
            seen.append(monitor.state(service_id))

    def slow(_request):
        monitor.clock.advance(0.2)
        return GOOD

    turns(GOOD, 2)
    turns(slow, 2)
    turns("close", 3)
    turns(GOOD, 2)
    for _ in range(2):  # it flaps, and is held
        turns("close", 3)
        turns(GOOD, 2)
    turns(GOOD, 5)

    well, slowed, failing, broken = ["healthy"], ["degraded"], ["pending"] * 2, ["down"] * 2
    once = failing + broken + well
    assert seen == well * 2 + slowed * 2 + once + once + failing + ["down"] * 6 + well * 2
    # What began as slow and became worse is one incident, told once; the third fall within an hour is held.
    assert [(one.state, one.is_open) for one in monitor.incidents] == [("down", False)] * 3
    assert receiver.kinds == ["problem", "recovery"] * 3


def test_a_check_that_takes_longer_than_its_interval_is_not_begun_twice(config, vendors, add):
    runtime = Runtime.create(config, SystemClock())
    vendor = vendors(HANG)
    service_id = add("Slow", vendor.url, health_interval_s=10, health_policy={"timeout_s": 2})
    sweep = Sweep(runtime)
    assert sweep.turn() == 1
    assert vendor.read.wait(5)
    with runtime.engine.begin() as connection:  # due again while the first is under way
        connection.execute(update(ServiceHealth).values(checked_s=0))
    assert [sweep.turn() for _ in range(3)] == [0, 0, 0]
    assert len(vendor.requests) == 1
    vendor.let_go.set()
    while sweep._flights:
        sweep._await_some()
        sweep.collect()
    with runtime.sessions() as session:
        assert session.get(ServiceHealth, service_id).code
    sweep.close()
    runtime.close()


def test_a_clock_that_jumps_ahead_checks_each_once(monitor, vendors, add, clock):
    vendor = vendors()
    ids = [add(f"Mail {number}", vendor.url) for number in range(3)]
    monitor.round(1)
    clock.advance(30 * 86_400)

    assert [monitor.sweep.run(), monitor.sweep.run()] == [3, 0]
    assert [monitor.state(service_id) for service_id in ids] == ["healthy"] * 3


@pytest.mark.slow
def test_two_thousand_are_due_at_once_after_a_long_stop(monitor, vendors, clock):
    """Each is checked once, in turns of five hundred; what works is not called overdue afterwards."""
    runtime, vendor = monitor.runtime, vendors(answer(200))
    now = clock.now()
    rows = [
        {
            "service_id": uuid7(), "service_name": f"Shop {number}", "name_key": f"shop {number}", "is_enabled": True,
            "service_type": "HTTP_PROVIDER_GENERIC", "contract": "HTTP_SERVICE", "secrets": {}, "sandbox": False,
            "configurations": {"base_url": vendor.url, "health_path": "/health"}, "health_interval_s": 60,
            "revision": 1, "created_at": now, "updated_at": now,
        }
        for number in range(2_000)
    ]  # fmt: skip
    with runtime.engine.begin() as connection:
        connection.execute(insert(Service), rows)
    assert [monitor.sweep.run() for _ in range(5)] == [500] * 4 + [0]
    clock.advance(30 * 86_400)
    asked = len(vendor.requests)

    assert [monitor.sweep.run() for _ in range(5)] == [500] * 4 + [0]
    assert len(vendor.requests) - asked == 2_000
    monitor.follow()
    assert monitor.incidents == []
    assert {monitor.shown(row["service_id"]).state for row in rows[::100]} == {"healthy"}


def test_thousands_due_at_once_are_taken_in_turns(monitor, runtime, add, vendors, monkeypatch):
    """After a long stop a turn takes no more than its share; the others wait, none is forgotten."""
    monkeypatch.setattr(sweep_module, "MOST_AT_ONCE", 4)
    vendor = vendors()
    for number in range(10):
        add(f"Mail {number}", vendor.url)

    assert [monitor.sweep.run() for _ in range(4)] == [4, 4, 2, 0]
    assert monitor.runtime.clock.now() == min(row.checked_at for row in monitor.all(ServiceHealth))
