"""The ways an alert may take, when it goes, and what becomes of it when nobody answers."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest

from tests.engine.vendor import HANG, answer
from tests.monitor.conftest import GOOD
from webapp.models.alert import AlertChannel, AlertDelivery
from webapp.monitor import rules, selftest
from webapp.monitor.delivery import GIVE_UP, ROUND, deliver
from webapp.registry import services

BROKEN = answer(500)
SID = "AC" + "0" * 32
QUEUED = answer(201, {"sid": "SM1", "status": "queued", "num_segments": "1"})


@pytest.fixture
def mail(vendors, add):
    """A service that will break, and its vendor."""
    vendor = vendors()
    return vendor, add("Mail", vendor.url)


def bodies(vendor, path):
    """What was posted to a path, without the heads."""
    found = [request for request in vendor.requests if request.startswith(b"POST " + path)]
    return [request.partition(b"\r\n\r\n")[2] for request in found]


def break_down(monitor, vendor, rounds=3):
    vendor.does = BROKEN
    monitor.round(rounds)


def test_a_text_message_to_each_of_several(monitor, mail, vendors, add):
    twilio = vendors(QUEUED)
    config = {
        "account_sid": SID,
        "auth_token": "token-8fJ2kq0",
        "from": "+15550001111",
        "base_url": twilio.url,
    }
    sms = add("Texts", service_type="SMS_PROVIDER_TWILIO", configurations=config)
    twilio.does = lambda request: QUEUED if request.startswith(b"POST") else answer(200, {"status": "active"})
    numbers = ["+8613800138000", "+14155550100"]
    monitor.rule(
        monitor.channel(name="Texts", kind="sms", route=sms, recipients=numbers, locale="zh_Hans_CN")
    )
    break_down(monitor, mail[0], 4)

    sent = [parse_qs(body.decode()) for body in bodies(twilio, b"/2010-04-01")]
    assert [one["To"][0] for one in sent] == numbers
    assert all("Mail 故障" in one["Body"][0] or "Mail" in one["Body"][0] for one in sent)
    assert monitor.deliveries[0].status == "sent"


def test_an_http_request_through_a_service_of_ours(monitor, mail, vendors, add):
    desk = vendors(answer(200, {"ok": True}))
    config = {"base_url": desk.url, "auth": "bearer", "secret": "desk-token-8fJ2"}
    http = add("Desk", service_type="HTTP_PROVIDER_GENERIC", configurations=config)
    monitor.rule(monitor.channel(name="Desk", kind="http", route=http, path="/tickets"))
    break_down(monitor, mail[0], 4)

    (told,) = [json.loads(body) for body in bodies(desk, b"/tickets")]
    assert (told["kind"], told["headline"], told["incidents"][0]["state"]) == (
        "problem",
        "Mail is down",
        "down",
    )
    assert any(b"Bearer desk-token-8fJ2" in request for request in desk.requests)


def test_a_digest_gathers_and_tells_once(monitor, vendors, add, receiver):
    """The clock begins at 03:04:05; gathered for ten minutes, what breaks from 03:07 on is told at 03:10."""
    first, second = vendors(), vendors()
    add("Mail", first.url)
    add("Post", second.url)
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), digest_s=600)
    first.does = BROKEN
    monitor.round(2)
    second.does = BROKEN
    monitor.round(4)
    assert (len(monitor.incidents), receiver.told) == (2, [])

    monitor.round(2)
    assert [one["headline"] for one in receiver.told] == ["Mail is down, and 1 more"]


def test_quiet_hours_hold_back_and_let_go_at_their_end(monitor, mail, receiver, clock):
    """11:04 in Shanghai when the test begins."""
    quiet = {"quiet_from": "10:00", "quiet_to": "12:00", "time_zone": "Asia/Shanghai"}
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), **quiet)
    break_down(monitor, mail[0], 5)
    assert (len(monitor.incidents), receiver.told) == (1, [])

    clock.advance(3600)
    monitor.round(1)
    assert receiver.kinds == ["problem"]
    assert "Since 2026-01-02 03:06 UTC." in receiver.told[0]["text"]


def test_what_ends_in_quiet_hours_is_told_to_nobody(monitor, mail, receiver, clock):
    quiet = {"quiet_from": "02:00", "quiet_to": "06:00"}
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), **quiet)
    break_down(monitor, mail[0])
    mail[0].does = GOOD
    monitor.round(3)
    clock.advance(4 * 3600)
    monitor.round(2)

    assert receiver.told == []
    assert [one.status for one in monitor.deliveries] == ["dropped"]


@pytest.mark.parametrize(
    ("begins", "ends", "hour", "waits_h"),
    [("22:00", "07:00", 23, 8), ("22:00", "07:00", 6, 1), ("22:00", "07:00", 7, 0), ("01:00", "05:00", 4, 1),
     ("01:00", "05:00", 22, 0)],
)  # fmt: skip
def test_quiet_hours_may_reach_over_midnight(monitor, receiver, clock, begins, ends, hour, waits_h):
    id_ = monitor.rule(
        monitor.channel(name="Hook", kind="webhook", url=receiver.url), quiet_from=begins, quiet_to=ends
    )
    moment = clock.now().replace(hour=hour, minute=0, second=0)
    with monitor.runtime.sessions() as session:
        waited = rules.due(rules.find(session, id_), moment) - moment

    assert waited.total_seconds() == waits_h * 3600


def test_what_may_have_arrived_goes_on_through_another_channel(monitor, mail, vendors, add, receiver):
    """A mail whose answer never came is not sent twice; the webhook says it instead."""
    vendor, silent = mail[0], vendors()
    post = add("Post", silent.url, default_timeout_ms=1000)
    first = monitor.channel(name="By mail", kind="email", route=post, recipients=["ops@example.com"])
    monitor.rule(first, monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(1)
    silent.does = lambda request: "close" if request.startswith(b"POST") else GOOD
    break_down(monitor, vendor, 4)

    assert receiver.kinds == ["problem"]
    assert len(bodies(silent, b"/v3/mail/send")) == 1
    with monitor.runtime.sessions() as session:
        assert session.get(AlertChannel, first).failure


def test_nobody_answers_for_a_day(monitor, mail, receiver, clock):
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    receiver.status = 503
    break_down(monitor, mail[0], 6)
    assert monitor.deliveries[0].status == "stuck"
    with monitor.runtime.sessions() as session:
        assert selftest.watch(session).is_mute

    clock.advance(ROUND.total_seconds())
    monitor.follow()
    assert monitor.deliveries[0].tries == 1  # the round has begun anew
    clock.advance(GIVE_UP.total_seconds())
    monitor.round(6)
    assert monitor.deliveries[0].status == "failed"


def test_nobody_answered_and_then_somebody_does(monitor, mail, receiver):
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    receiver.status = 503
    break_down(monitor, mail[0], 6)
    receiver.status = 200
    monitor.round(11)

    assert receiver.kinds == ["problem"]
    mail[0].does = GOOD
    monitor.round(3)
    assert receiver.kinds == ["problem", "recovery"]


def test_a_process_that_dies_while_it_sends_loses_no_alert(monitor, mail, receiver, clock):
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), after_s=300)
    break_down(monitor, mail[0])
    with monitor.runtime.sessions() as session:  # claimed, and then nothing more was heard
        waiting = session.query(AlertDelivery).one()
        waiting.due_at = clock.now()
        session.commit()
    clock.advance(120)

    assert deliver(monitor.runtime) == 1
    assert deliver(monitor.runtime) == 0
    assert receiver.kinds == ["problem"]


def test_a_channel_that_is_gone_is_passed_over(monitor, mail, receiver):
    gone = monitor.channel(name="Gone", kind="webhook", url=receiver.url)
    monitor.rule(gone, monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    with monitor.runtime.sessions() as session:
        session.delete(session.get(AlertChannel, gone))
        session.commit()
    break_down(monitor, mail[0], 4)

    assert receiver.kinds == ["problem"]


def test_a_webhook_that_hangs_holds_nobody_up(monitor, mail, vendors, receiver, monkeypatch):
    monkeypatch.setattr("webapp.monitor.sending.TIMEOUT_S", 1.0)
    slow = vendors(HANG)
    monitor.rule(
        monitor.channel(name="Slow", kind="webhook", url=slow.url),
        monitor.channel(name="Hook", kind="webhook", url=receiver.url),
    )
    break_down(monitor, mail[0], 4)

    assert receiver.kinds == ["problem"]


def test_an_alert_that_fails_raises_no_other(monitor, vendors, add):
    """The only way out is the service that breaks: one incident, one message that waits, and no call through it."""
    vendor = vendors()
    add("Mail", vendor.url)
    channel = monitor.channel(
        name="By mail", kind="email", route="EMAIL_SERVICE", recipients=["ops@example.com"]
    )
    monitor.rule(channel, states=["down", "reauth", "degraded", "network", "fallback"], remind_every_s=300)
    break_down(monitor, vendor, 12)

    assert (len(monitor.incidents), len(monitor.deliveries)) == (1, 1)
    assert bodies(vendor, b"/v3/mail/send") == []
    assert monitor.incidents[0].affected_calls == 0


def test_a_route_that_lost_its_services_is_noticed_before_it_is_needed(monitor, mail, add, vendors, clock):
    post = add("Post", vendors().url)
    channel = monitor.channel(name="By mail", kind="email", route=post, recipients=["ops@example.com"])
    monitor.rule(channel)
    assert selftest.self_test(monitor.runtime) == 1
    with monitor.runtime.sessions() as session:
        services.disable(session, monitor.runtime, services.find(session, post), actor="test", origin="cli")
        session.commit()
    clock.advance(86_400)
    selftest.self_test(monitor.runtime)

    with monitor.runtime.sessions() as session:
        assert session.get(AlertChannel, channel).failure == "NO_PROVIDER_AVAILABLE"
        assert selftest.watch(session).is_mute
