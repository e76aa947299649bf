"""The pages of health in a real browser: sound in every view, and followed by hand once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import add
from webapp.engine.breaker import Vote
from webapp.models.health import HealthCheck, HealthHour, Lease, ServiceHealth
from webapp.models.incident import Incident, IncidentEntry
from webapp.monitor import channels, publishing, rules, windows
from webapp.monitor.rollup import hour_of

pytestmark = pytest.mark.browser
STATES = ("healthy", "degraded", "pending", "down", "reauth", "late", "maintenance", "unknown")
CODES = {"down": "CONNECT_TIMEOUT", "reauth": "VENDOR_AUTH_REJECTED"}


def store(session, service_id, state, now):
    """One service in a state, with a day of history and two checks."""
    checked = now - timedelta(minutes=9) if state == "late" else now
    until = now + timedelta(hours=1) if state == "maintenance" else None
    kept = "healthy" if state in {"late", "maintenance"} else state
    if state != "unknown":
        session.add(
            ServiceHealth(
                service_id=service_id, state=kept, since=now, checked_at=checked, code=CODES.get(state),
                latency_ms=80, marks="+", maintenance_until=until, detail={"stages": []},
            )
        )  # fmt: skip
    hours = [{"service_id": service_id, "start": hour_of(now) - timedelta(hours=hour), "up": 58, "warned": 1,
              "down": hour == 3, "excused": 0, "latency_sum": 4000, "latencies": {"20": 60}} for hour in range(24)]  # fmt: skip
    session.execute(insert(HealthHour), hours)
    for mark in ("+", "x"):
        stage = {"name": "tcp", "status": "ok" if mark == "+" else "failed", "duration_ms": 12}
        session.add(
            HealthCheck(
                service_id=service_id, at=now, source="probe", mark=mark, state=kept, verdict="failed",
                code=CODES.get(state), latency_ms=12, stages=[stage],
            )
        )  # fmt: skip


@pytest.fixture
def board(runtime, clock):
    """A service in each state, an incident, a channel that failed, and a process that checks."""
    now = clock.now()
    ids = {state: add(runtime, f"Mail {state}", is_enabled=True) for state in STATES}
    nightly = {
        "title": "Nightly backup of the vendor", "services": [ids["down"]], "repeats": "daily", "time_zone": "Asia/Shanghai",
        "starts_at": now + timedelta(hours=3), "ends_at": now + timedelta(hours=5),
    }  # fmt: skip
    for _ in range(5):
        runtime.gates.breakers.record(ids["down"], runtime.gates.breakers.acquire(ids["down"]), Vote.FAILURE)
    with runtime.sessions() as session:
        windows.create(session, runtime, nightly, actor="owner@example.com")
        for state, service_id in ids.items():
            store(session, service_id, state, now)
        session.add(Lease(name="monitor", holder="x", until=now + timedelta(seconds=30)))
        incident = Incident(
            subject=ids["down"],
            service_name="Mail down",
            state="down",
            code="CONNECT_TIMEOUT",
            opened_at=now,
            points=["signup"],
        )
        session.add(incident)
        session.flush()
        session.add(
            IncidentEntry(
                incident_id=incident.incident_id, at=now, kind="opened", detail={"code": "CONNECT_TIMEOUT"}
            )
        )
        url = {"name": "Pager", "kind": "webhook", "url": "http://127.0.0.1:9/x"}
        channel = channels.create(session, runtime, url, actor="test")
        rules.create(session, runtime, {"name": "On call", "channels": [channel.channel_id]}, actor="test")
        channel.failure = "CONNECT_REFUSED"
        publishing.renew_badges(session, runtime, actor="test")
        publishing.publish_status(session, runtime, enabled=True, actor="test")
        session.commit()
        return ids, incident.incident_id


def test_the_board_is_sound_everywhere(check_everywhere, board):
    check_everywhere("/health")


def test_the_health_of_a_service_is_sound_everywhere(check_everywhere, board):
    check_everywhere(f"/settings/integrations/{board[0]['down']}/health")


PAGES = ("/health?wall=1", "/health?range=90d", "/health/maintenance", "/settings/alerts", "/settings/alerts/rules/new",
         "/settings/alerts/channels/new", "/status", "/settings/integrations")  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_the_other_pages_are_sound(visit, board, path, view):
    check_page(visit(path, view))


@pytest.mark.parametrize("path", ["/health", "/health?wall=1", "/health/maintenance", "/settings/alerts"])
def test_first_use_is_sound(visit, path):
    check_page(visit(path, View(PHONE, "dark", "zh-CN")))


def test_an_incident_is_taken_over(visit, board):
    page = visit("/health")
    page.get_by_role("button", name="Acknowledge the incident of Mail down").click()
    expect(page.locator("#facts")).to_contain_text("owner@example.com")
    page.get_by_label("Note").fill("The vendor knows.")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("#timeline")).to_contain_text("The vendor knows.")
    check_page(page)


def test_two_hundred_services_stay_sound(visit, runtime, clock):
    now = clock.now()
    with runtime.sessions() as session:
        session.add(Lease(name="monitor", holder="x", until=now + timedelta(seconds=30)))
        session.commit()
    ids = [add(runtime, f"Mail {number:03}", is_enabled=True) for number in range(200)]
    with runtime.sessions() as session:
        for number, service_id in enumerate(ids):
            store(session, service_id, STATES[number % len(STATES)], now)
        session.commit()
    page = visit("/health")
    expect(page.locator(".health-table tbody tr")).to_have_count(200)
    check_page(page)
