"""Health, alerts and maintenance with two hundred services in every state there is, wherever somebody looks from."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert

from tests.ui.checks import check_page
from tests.ui.conftest import LIGHT, PHONE, View, check_themes
from tests.web.services import add
from webapp.models.alert import AlertDelivery
from webapp.models.health import HealthCheck, HealthHour, Lease, ServiceHealth
from webapp.models.incident import Incident, IncidentEntry
from webapp.models.service import Service
from webapp.monitor import channels, publishing, rules, windows
from webapp.monitor.rollup import hour_of

pytestmark = pytest.mark.browser
COUNT = 200
OPEN = {"state": "down", "code": "CIRCUIT_OPEN", "gate": "open"}
# What is stored of a service, one kind after the other.
KINDS = {
    "healthy": {"state": "healthy"},
    "degraded": {"state": "degraded", "marks": "ww"},
    "pending": {"state": "pending", "code": "READ_TIMEOUT"},
    "down": {"state": "down", "code": "CONNECT_TIMEOUT"},
    "reauth": {"state": "reauth", "code": "VENDOR_AUTH_REJECTED"},
    "late": {"state": "healthy", "late": True},
    "maintenance": {"state": "degraded", "excused": True},
    "open": OPEN,
    "tried": {**OPEN, "gate": "half_open"},
    "forced": {"state": "healthy", "forced": True},
}
DELIVERIES = ("sent", "waiting", "stuck", "failed", "dropped")
WORDS = ("problem", "recovery", "reminder", "fallback", "test")


def health_of(service_id, kind, now):
    """The row of one service."""
    values = {
        "code": None,
        "gate": None,
        "marks": "+",
        "late": False,
        "excused": False,
        "forced": False,
    } | KINDS[kind]
    values.pop("forced")
    late, excused = values.pop("late"), values.pop("excused")
    return ServiceHealth(
        service_id=service_id, since=now - timedelta(minutes=7), latency_ms=80, detail={"stages": []},
        checked_at=now - timedelta(minutes=9) if late else now,
        maintenance_until=now + timedelta(hours=1) if excused else None,
        gate_until=now + timedelta(seconds=90) if values["gate"] == "open" else None, **values,
    )  # fmt: skip


def put_services(session, made, now):
    """Their health and a day of their history; answers their ids by kind."""
    ids = {}
    for number, (service_id, kind) in enumerate(zip(made, cycle(KINDS), strict=False)):
        ids.setdefault(kind, []).append(service_id)
        session.add(health_of(service_id, kind, now))
        if kind == "forced":
            said = {
                "state": "open",
                "actor": "lin@example.com",
                "reason": "They asked.",
                "at": now.isoformat(),
            }
            session.get(Service, service_id).breaker_override = {**said, "until": None}
        hours = [
            {"service_id": service_id, "start": hour_of(now) - timedelta(hours=hour), "up": 50, "warned": hour % 5,
             "down": 9 if hour == number % 24 else 0, "excused": 0, "latency_sum": 4000, "latencies": {"20": 60}}
            for hour in range(24)
        ]  # fmt: skip
        session.execute(insert(HealthHour), hours)
    return ids


def put_checks(session, service_id, now):
    """More checks than a page holds, of every kind, with their stages."""
    message = {"msgid": "%(bad)s of the last %(all)s calls failed.", "values": {"bad": 3, "all": 9}}
    for number, mark in zip(range(40), cycle("+wxr"), strict=False):
        status = {"+": "ok", "w": "warning"}.get(mark, "failed")
        stages = [
            {
                "name": name,
                "status": status if name == "quota" else "ok",
                "duration_ms": 12,
                "message_id": message,
            }
            for name in ("settings", "dns", "tcp", "tls", "authentication", "permission", "quota")
        ]
        session.add(
            HealthCheck(
                service_id=service_id, at=now - timedelta(minutes=number), source="probe" if number % 3 else "traffic",
                mark=mark, state="down", verdict="failed", code=None if mark == "+" else "CONNECT_TIMEOUT",
                latency_ms=12 * number, stages=stages,
            )
        )  # fmt: skip


def put_incidents(session, ids, now):
    """Some that last, one of them about us, and some that are over."""
    made = []
    for place, subject in enumerate([*ids["down"][:3], "network"]):
        us = subject == "network"
        made.append(
            Incident(
                subject=subject, service_name=None if us else f"Mail of branch {place}", state="network" if us else "down",
                code="CONNECT_TIMEOUT", opened_at=now - timedelta(minutes=7), points=["signup"], affected_calls=12,
                acknowledged_by="lin@example.com" if place == 1 else None, acknowledged_at=now if place == 1 else None,
                carried_by={"service_name": "Spare", "route": "MAIL", "calls": 3, "service_id": "x"} if place == 2 else None,
            )
        )  # fmt: skip
    for number in range(12):
        at = now - timedelta(hours=number + 2)
        made.append(Incident(subject=ids["healthy"][0], service_name="Mail", state="reauth", code="VENDOR_AUTH_REJECTED",
                             opened_at=at, closed_at=at + timedelta(minutes=9), points=[]))  # fmt: skip
    session.add_all(made)
    session.flush()
    for kind in ("opened", "state", "alert", "carried", "acknowledged", "note", "closed"):
        detail = {"code": "CONNECT_TIMEOUT", "service_name": "Spare", "route": "MAIL", "rule": "On call"}
        session.add(
            IncidentEntry(
                incident_id=made[0].incident_id, at=now, kind=kind, actor="lin", text="x", detail=detail
            )
        )
    return made[0].incident_id


def put_alerts(runtime, session, ids, incident_id, now):
    """Channels that work, do not and were never tried; rules of every length; messages in every state."""
    made = []
    for number, failure in enumerate((None, "CONNECT_REFUSED", None)):
        url = {"name": f"Pager {number}", "kind": "webhook", "url": "http://127.0.0.1:9/x"}
        made.append(channels.create(session, runtime, url, actor="test"))
        made[-1].failure, made[-1].tested_at = failure, now if number < 2 else None
    full = {
        "services": ids["down"], "states": ["down", "reauth", "degraded", "network", "fallback"], "after_s": 300,
        "remind_every_s": 3600, "digest_s": 600, "quiet_from": "22:00", "quiet_to": "07:00", "time_zone": "Asia/Shanghai",
    }  # fmt: skip
    channel_ids = [one.channel_id for one in made]
    rule = rules.create(
        session, runtime, {"name": "Everything", "channels": channel_ids, **full}, actor="test"
    )
    rules.create(session, runtime, {"name": "On call", "channels": channel_ids[:1]}, actor="test")
    for number in range(30):
        session.add(
            AlertDelivery(
                key=f"k{number}", kind=WORDS[number % 5], rule_id=rule.rule_id, channels=channel_ids,
                incident_id=None if WORDS[number % 5] == "test" else incident_id, status=DELIVERIES[number % 5],
                created_at=now, due_at=now, ended_at=now, reached=channel_ids[0], code="CONNECT_REFUSED", text="Mail is down",
            )
        )  # fmt: skip
    return rule.rule_id, channel_ids[1]


def put_windows(runtime, session, ids, now):
    """One that is open, one that comes again each week, one that is over."""
    hour = timedelta(hours=1)
    times = {"Move": (now - hour, now + hour, None), "Backup": (now + hour, now + 3 * hour, "weekly")}
    made = []
    for place, (title, (begins, ends, repeats)) in enumerate(times.items()):
        given = {"title": title, "services": ids["maintenance"][place::2], "starts_at": begins, "ends_at": ends,
                 "repeats": repeats, "time_zone": "Asia/Shanghai"}  # fmt: skip
        made.append(windows.create(session, runtime, given, actor="owner@example.com"))
    over = windows.create(session, runtime, {
        "title": "Over", "services": ids["healthy"][:2], "starts_at": now - 2 * hour, "ends_at": now + hour,
    }, actor="owner@example.com")  # fmt: skip
    windows.end(session, runtime, over.window_id, actor="owner@example.com")
    return made[1].window_id


@pytest.fixture
def crowd(runtime, clock):
    """All of it; answers the addresses of what is looked at."""
    now = clock.now()
    made = [add(runtime, f"Mail of branch {number:03}", is_enabled=True) for number in range(COUNT)]
    with runtime.sessions() as session:
        session.add(Lease(name="monitor", holder="x", until=now + timedelta(seconds=30)))
        ids = put_services(session, made, now)
        put_checks(session, ids["open"][0], now)
        incident_id = put_incidents(session, ids, now)
        rule_id, channel_id = put_alerts(runtime, session, ids, incident_id, now)
        window_id = put_windows(runtime, session, ids, now)
        publishing.renew_badges(session, runtime, actor="test")
        publishing.publish_status(session, runtime, enabled=True, actor="test")
        session.commit()
    return {
        "board": "/health", "wall": "/health?wall=1", "ninety": "/health?range=90d", "status": "/status",
        "list": "/settings/integrations", "tab": f"/settings/integrations/{ids['open'][0]}/health",
        "forced": f"/settings/integrations/{ids['forced'][0]}", "incident": f"/health/incidents/{incident_id}",
        "alerts": "/settings/alerts", "rule": f"/settings/alerts/rules/{rule_id}",
        "channel": f"/settings/alerts/channels/{channel_id}", "maintenance": "/health/maintenance",
        "window": f"/health/maintenance/{window_id}",
    }  # fmt: skip


@pytest.mark.parametrize("view", LIGHT, ids=str)
def test_everything_is_sound(visit, crowd, view):
    for path in crowd.values():
        page = visit(path, view)
        check_themes(page)
        page.context.close()


def test_everything_is_there_without_javascript(visit, crowd):
    """Read, taken over, changed and saved, as plain pages and forms."""
    page = visit(crowd["board"], javascript=False)
    expect(page.locator(".health-table tbody tr")).to_have_count(COUNT)
    expect(page.locator(".health-verdict")).to_contain_text("It is probably us")
    page.get_by_role("button", name="Acknowledge the incident of Network").click()
    expect(page.locator("#facts")).to_contain_text("owner@example.com")

    page = visit(crowd["tab"], javascript=False)
    expect(page.locator(".checks > li")).to_have_count(30)
    expect(page.locator("#last-check")).to_contain_text("Circuit open until")
    page.get_by_role("link", name="Only those with findings").click()
    expect(page.locator(".checks > li")).to_have_count(30)

    page = visit(crowd["window"], javascript=False)
    page.get_by_label("Title").fill("Backup of the vendor")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#windows")).to_contain_text("Backup of the vendor")

    page = visit(crowd["rule"], javascript=False)
    page.get_by_label("Name").fill("Everybody")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#rules")).to_contain_text("Everybody")


def test_two_people_change_the_same_and_the_second_is_told(visit, crowd):
    for name, label in (("rule", "Name"), ("channel", "Name"), ("window", "Title")):
        first, second = visit(crowd[name]), visit(crowd[name], View(PHONE, "dark"))
        for page, text in ((first, "Hers"), (second, "His")):
            page.get_by_label(label, exact=True).fill(f"{text} {name}")
            page.get_by_role("button", name="Save").click()
        expect(second.locator(".conflict")).to_contain_text(
            "Somebody else changed this while you were editing"
        )
        expect(second.get_by_label(label, exact=True)).to_have_value(f"His {name}")
        check_page(second)
        second.get_by_role("button", name="Save").click()
        expect(second.get_by_text(f"His {name}").first).to_be_visible()
