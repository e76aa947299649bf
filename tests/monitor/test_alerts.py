"""From a vendor that breaks to people who know: in order, once, and through something that works."""

from __future__ import annotations

import pytest

from tests.engine.vendor import answer
from tests.monitor.conftest import GOOD
from webapp.engine.problems import PatchbayError
from webapp.models.alert import AlertChannel
from webapp.models.incident import Incident
from webapp.monitor import handling, incidents, rules, selftest
from webapp.monitor.delivery import test_channel as send_test
from webapp.registry import routes, services
from webapp.registry.errors import Invalid

BROKEN = answer(500)
MESSAGE = {"to": ["a@example.com"], "subject": "x", "text": "x"}


@pytest.fixture
def mail(vendors, add):
    vendor = vendors()
    return vendor, add("Mail", vendor.url)


def test_one_alert_for_an_outage_and_one_for_its_end(monitor, mail, receiver):
    vendor, service_id = mail
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(2)
    vendor.does = BROKEN
    monitor.round(2)
    assert (monitor.state(service_id), receiver.told) == ("pending", [])

    monitor.round(4)
    assert receiver.kinds == ["problem"]
    told = receiver.told[0]
    assert (told["headline"], told["incidents"][0]["code"]) == ("Mail is down", "VENDOR_SERVER_ERROR")
    assert "Since 2026-01-02 03:08 UTC." in told["text"]

    vendor.does = GOOD
    monitor.round(1)
    assert (monitor.state(service_id), receiver.kinds) == ("down", ["problem"])
    monitor.round(3)
    assert (monitor.state(service_id), receiver.kinds) == ("healthy", ["problem", "recovery"])
    incident = monitor.incidents[0]
    assert (len(monitor.incidents), incident.is_open, incident.state) == (1, False, "down")
    with monitor.runtime.sessions() as session:
        kinds = [entry.kind for entry in incidents.timeline(session, incident.incident_id)]
    assert kinds == ["opened", "alert", "closed", "alert"]
    assert "secret-part" not in receiver.told[0]["text"]


def test_what_flaps_makes_one_incident(monitor, mail, receiver):
    vendor, _ = mail
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    for _ in range(6):
        vendor.does = BROKEN
        monitor.round(2)
        vendor.does = GOOD
        monitor.round(1)

    assert len(monitor.incidents) == 1
    assert receiver.kinds == ["problem"]


def test_nobody_is_told_of_what_ends_in_time(monitor, mail, receiver):
    vendor, _ = mail
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), after_s=600)
    vendor.does = BROKEN
    monitor.round(4)
    vendor.does = GOOD
    monitor.round(3)

    assert receiver.told == []
    assert [one.status for one in monitor.deliveries] == ["dropped"]


def test_reminders_stop_when_somebody_takes_notice(monitor, mail, receiver):
    vendor, _ = mail
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), remind_every_s=300)
    vendor.does = BROKEN
    monitor.round(9)
    assert receiver.kinds == ["problem", "reminder"]

    with monitor.runtime.sessions() as session:
        handling.acknowledge(
            session, monitor.runtime, session.get(Incident, monitor.incidents[0].incident_id), actor="lin"
        )
        session.commit()
    monitor.round(10)
    assert receiver.kinds == ["problem", "reminder"]


def test_an_alert_is_retried_then_handed_on(monitor, mail, receiver, vendors, add):
    vendor, _ = mail
    other = vendors()
    post = add("Post", other.url)
    first = monitor.channel(name="Hook", kind="webhook", url=receiver.url)
    second = monitor.channel(name="By mail", kind="email", route=post, recipients=["ops@example.com"])
    monitor.rule(first, second)
    receiver.status, vendor.does = 503, BROKEN
    monitor.round(3)
    assert (receiver.told, monitor.deliveries[0].tries) == ([], 1)

    monitor.round(3)
    delivery = monitor.deliveries[0]
    assert (delivery.status, delivery.reached) == ("sent", second)
    assert any(b"Mail is down" in request for request in other.requests)
    with monitor.runtime.sessions() as session:
        assert session.get(AlertChannel, first).failure == "VENDOR_SERVER_ERROR"


def test_an_alert_does_not_go_through_what_is_broken(monitor, mail, receiver):
    vendor, _ = mail
    broken = monitor.channel(
        name="By mail", kind="email", route="EMAIL_SERVICE", recipients=["ops@example.com"]
    )
    hook = monitor.channel(name="Hook", kind="webhook", url=receiver.url)
    monitor.rule(broken, hook)
    vendor.does = BROKEN
    monitor.round(4)

    assert receiver.kinds == ["problem"]
    assert not any(b"mail/send" in request for request in vendor.requests)


def test_when_nobody_can_be_reached_the_pages_say_so(monitor, mail):
    vendor, _ = mail
    monitor.rule(
        monitor.channel(name="By mail", kind="email", route="EMAIL_SERVICE", recipients=["ops@example.com"])
    )
    vendor.does = BROKEN
    monitor.round(4)

    with monitor.runtime.sessions() as session:
        watch = selftest.watch(session)
        assert (watch.is_mute, watch.stuck, watch.broken) == (True, 1, ("By mail",))
    vendor.does = GOOD
    monitor.round(20)
    with monitor.runtime.sessions() as session:
        assert not selftest.watch(session).is_mute


def test_several_at_once_are_told_together(monitor, vendors, add, receiver):
    peers = [vendors() for _ in range(3)]
    for number, peer in enumerate(peers):
        add(f"Mail {number}", peer.url)
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    for peer in peers:
        peer.does = BROKEN
    monitor.round(4)

    assert [one["headline"] for one in receiver.told] == ["Mail 0 is down, and 2 more"]
    assert len(receiver.told[0]["incidents"]) == 3


def test_all_unreachable_at_once_is_one_incident_about_us(monitor, vendors, add, receiver, runtime):
    peers = [vendors() for _ in range(4)]
    ids = [add(f"Mail {number}", peer.url) for number, peer in enumerate(peers)]
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(1)
    for peer in peers:
        peer.close()
    monitor.round(5)

    assert [monitor.state(service_id) for service_id in ids] == ["down"] * 4
    assert [incident.subject for incident in monitor.incidents] == ["network"]
    assert len(receiver.told) == 1


def test_a_fallback_that_carries_the_traffic_is_told(monitor, mail, vendors, add, receiver):
    (vendor, service_id), runtime = mail, monitor.runtime
    spare = add("Spare", vendors().url)
    with runtime.sessions() as session:
        values = {"name": "MAIL", "contract": "EMAIL_SERVICE", "members": [service_id, spare]}
        routes.create(session, runtime, values, actor="test")
        session.commit()
    states = ["down", "fallback"]
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), states=states)
    vendor.close()
    monitor.round(3)
    runtime.hub.call("email.send", {"to": ["a@example.com"], "subject": "x", "text": "x"}, prefer="MAIL")
    monitor.round(2)

    assert receiver.kinds == ["problem", "fallback"]
    assert receiver.told[1]["headline"] == "Spare stands in for Mail"


def test_who_only_asked_about_stand_ins_is_told_once_reminded_and_told_of_the_end(
    monitor, mail, vendors, add, receiver, clock
):
    (vendor, service_id), runtime = mail, monitor.runtime
    spare = add("Spare", vendors().url)
    with runtime.sessions() as session:
        values = {"name": "MAIL", "contract": "EMAIL_SERVICE", "members": [service_id, spare]}
        routes.create(session, runtime, values, actor="test")
        session.commit()
    channel = monitor.channel(name="Hook", kind="webhook", url=receiver.url)
    monitor.rule(channel, states=["fallback"], remind_every_s=600)
    monitor.rule(channel, name="Another's", services=[spare], states=["fallback"])
    vendor.does = answer(401)
    monitor.round(4)
    assert receiver.told == []  # nothing has stood in yet

    for _ in range(3):
        runtime.hub.call("email.send", MESSAGE, prefer="MAIL")
        monitor.round(2)
    assert [one["headline"] for one in receiver.told] == ["Spare stands in for Mail"]
    monitor.round(6)
    assert receiver.kinds == ["fallback", "reminder"]
    assert "Spare stands in." in receiver.told[1]["text"]
    vendor.does = GOOD
    monitor.round(10)
    assert receiver.kinds == ["fallback", "reminder", "recovery"]


def test_alerts_that_fail_do_not_count_against_the_service(monitor, mail, runtime):
    vendor, service_id = mail
    monitor.round(1)
    vendor.does = answer(400)
    with pytest.raises(PatchbayError):
        runtime.hub.call(
            "email.send",
            {"to": ["a@example.com"], "subject": "x", "text": "x"},
            prefer=service_id,
            caller="alerts",
        )
    vendor.does = GOOD
    monitor.round(2)

    assert monitor.state(service_id) == "healthy"


def test_a_channel_is_tried_at_the_press_of_a_button(monitor, receiver):
    channel = monitor.channel(name="Hook", kind="webhook", url=receiver.url)

    assert send_test(monitor.runtime, channel).status == "sent"
    assert receiver.kinds == ["test"]
    receiver.status = 500
    assert send_test(monitor.runtime, channel).status == "failed"


def test_channels_are_looked_at_once_a_day_without_sending(monitor, receiver, clock):
    channel = monitor.channel(name="Hook", kind="webhook", url=receiver.url)
    assert (selftest.self_test(monitor.runtime), selftest.self_test(monitor.runtime)) == (1, 0)
    assert receiver.told == []
    receiver.close()
    clock.advance(86_400)

    assert selftest.self_test(monitor.runtime) == 1
    with monitor.runtime.sessions() as session:
        assert session.get(AlertChannel, channel).failure == "CONNECT_REFUSED"
    receiver.close = lambda: None


def flaws(refused):
    return [(flaw.field, flaw.code) for flaw in refused.value.errors]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"channels": []}, ("channels", "missing")),
        ({"channels": ["nobody"]}, ("channels", "choice")),
        ({"services": ["nobody"]}, ("services", "choice")),
        ({"states": []}, ("states", "missing")),
        ({"states": ["sad"]}, ("0", "choice")),
        ({"after_s": -1}, ("after_s", "range")),
        ({"quiet_from": "22:00"}, ("quiet_to", "missing")),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, ("quiet_to", "range")),
        ({"quiet_from": "25:00", "quiet_to": "07:00"}, ("quiet_from", "pattern")),
        ({"time_zone": "Mars/Base"}, ("time_zone", "choice")),
        ({"digest_s": 1}, ("digest_s", "range")),
    ],
)
def test_rules_that_make_no_sense_are_refused(monitor, receiver, values, expected):
    channel = monitor.channel(name="Hook", kind="webhook", url=receiver.url)
    given = {"name": "On call", "channels": [channel], **values}
    with pytest.raises(Invalid) as refused, monitor.runtime.sessions() as session:
        rules.create(session, monitor.runtime, given, actor="test")

    assert expected in flaws(refused)


def test_a_rule_whose_only_channel_is_the_watched_service_is_refused(monitor, mail):
    _, service_id = mail
    channel = monitor.channel(
        name="By mail", kind="email", route="EMAIL_SERVICE", recipients=["ops@example.com"]
    )
    with pytest.raises(Invalid) as refused:
        monitor.rule(channel, services=[service_id])

    assert flaws(refused) == [("channels", "loop")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "email", "route": "NOWHERE", "recipients": ["a@example.com"]}, ("route", "choice")),
        ({"kind": "email", "route": "EMAIL_SERVICE"}, ("recipients", "missing")),
        ({"kind": "email", "route": "EMAIL_SERVICE", "recipients": ["nobody"]}, ("recipients", "invalid")),
        ({"kind": "http", "route": "HTTP_SERVICE", "path": "/a b"}, ("path", "invalid")),
        ({"kind": "webhook"}, ("url", "missing")),
        ({"kind": "webhook", "url": "ftp://x"}, ("url", "invalid")),
        ({"kind": "pigeon"}, ("kind", "choice")),
    ],
)
def test_channels_that_lead_nowhere_are_refused(monitor, mail, values, expected):
    with pytest.raises(Invalid) as refused:
        monitor.channel(name="C", **values)

    assert expected in flaws(refused)


def test_an_empty_route_is_refused_when_a_rule_names_it(monitor, mail, runtime):
    _, service_id = mail
    channel = monitor.channel(name="By mail", kind="email", route=service_id, recipients=["ops@example.com"])
    with runtime.sessions() as session:
        services.disable(session, runtime, services.find(session, service_id), actor="test", origin="cli")
        session.commit()
    with pytest.raises(Invalid) as refused:
        monitor.rule(channel)

    assert flaws(refused) == [("0", "empty")]
