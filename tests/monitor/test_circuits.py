"""Breakers and health: what is left alone is down, what is tried again is degraded, and neither flaps nor shouts."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import event

from tests.engine.vendor import answer
from tests.monitor.conftest import GOOD
from webapp.engine.breaker import IN_A_ROW, Vote
from webapp.engine.overrides import Order, give
from webapp.engine.problems import PatchbayError
from webapp.models.health import ServiceHealth
from webapp.models.service import Service
from webapp.monitor import incidents, tripping
from webapp.registry import services
from webapp.registry.search import ServiceFilter

BROKEN = answer(500)
MAIL = {"to": ["a@example.com"], "subject": "x", "text": "x"}


@pytest.fixture
def mail(vendors, add):
    vendor = vendors()
    return vendor, add("Mail", vendor.url)


def call(runtime, service_id, times=IN_A_ROW):
    for _ in range(times):
        with suppress(PatchbayError):
            runtime.hub.call("email.send", MAIL, prefer=service_id, deadline_ms=2_000)


def trip(runtime, service_id):
    """Five failures in a row, as the engine would count them."""
    breakers = runtime.gates.breakers
    for _ in range(IN_A_ROW):
        breakers.record(service_id, breakers.acquire(service_id), Vote.FAILURE)


def vanish(peer):
    """No new connection, and none of those there were."""
    peer.does = "close"
    peer.close()


def seen(monitor, service_id):
    found = monitor.shown(service_id)
    return found.state, found.code


def order(runtime, service_id, action, **more):
    with runtime.sessions() as session:
        service = session.get(Service, service_id)
        give(session, runtime, service, Order(action=action, reason="They asked.", **more), actor="lin")
        session.commit()


def test_an_open_circuit_is_down_a_half_open_one_degraded_and_a_closed_one_healthy(
    monitor, mail, receiver, clock
):
    (vendor, service_id), runtime = mail, monitor.runtime
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(2)
    vendor.does = BROKEN
    call(runtime, service_id)
    monitor.follow()

    opened = monitor.shown(service_id)
    assert (opened.state, opened.code) == ("down", "CIRCUIT_OPEN")
    assert timedelta(seconds=29) < opened.open_until - clock.now() < timedelta(seconds=34)
    assert receiver.kinds == ["problem"]
    told = receiver.told[0]
    assert (told["headline"], told["incidents"][0]["code"]) == ("Mail is down", "VENDOR_SERVER_ERROR")
    assert "5 of the last 5 calls failed, so no call is let through for a while." in told["text"]

    vendor.does = GOOD
    clock.advance(40)  # nobody has called, so nobody has tried it yet
    assert seen(monitor, service_id) == ("degraded", "CIRCUIT_OPEN")
    monitor.round(1)
    assert (seen(monitor, service_id)[0], receiver.kinds) == ("degraded", ["problem"])
    monitor.round(2)
    assert seen(monitor, service_id) == ("healthy", None)
    assert receiver.kinds == ["problem", "recovery"]


def test_a_circuit_that_opens_again_and_again_is_one_incident(monitor, mail, receiver, clock):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(2)
    for _ in range(20):  # works for a check, and fails when it is used
        trip(runtime, service_id)
        monitor.follow()
        assert seen(monitor, service_id)[0] == "down"
        runtime.gates.reset(service_id)
        monitor.round(1, seconds=40)

    assert (len(monitor.incidents), receiver.kinds) == (1, ["problem"])
    monitor.round(8)
    assert (seen(monitor, service_id)[0], receiver.kinds) == ("healthy", ["problem", "recovery"])


def test_three_falls_within_the_hour_hold_it_down(monitor, mail, clock):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.round(2)
    for _ in range(3):
        trip(runtime, service_id)
        monitor.follow()
        runtime.gates.reset(service_id)
        monitor.round(3)
    assert seen(monitor, service_id)[0] == "degraded"
    monitor.round(4)

    assert seen(monitor, service_id)[0] == "healthy"
    assert len(monitor.incidents) == 3


def test_good_checks_do_not_end_what_no_call_passes(monitor, mail, clock):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.round(1)
    trip(runtime, service_id)
    monitor.round(5, seconds=2)  # checks pass, and the circuit is still open
    with runtime.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE service_health SET checked_s = 0")
    monitor.round(5, seconds=2)

    assert (monitor.state(service_id), seen(monitor, service_id)[0]) == ("down", "down")


def test_what_an_operator_takes_out_of_use_alarms_nobody(monitor, mail, receiver, clock):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(2)
    order(runtime, service_id, "open", expires_in_s=3600)
    monitor.round(4)

    forced = monitor.shown(service_id)
    assert (forced.state, forced.code) == ("down", "CIRCUIT_FORCED_OPEN")
    assert (forced.since, forced.open_until) == (
        clock.now() - timedelta(minutes=4), clock.now() + timedelta(minutes=56),
    )  # fmt: skip
    assert (monitor.incidents, receiver.told) == ([], [])
    clock.advance(3600)
    monitor.round(1, seconds=0)
    assert seen(monitor, service_id) == ("healthy", None)


def test_nobody_is_told_it_is_well_while_an_operator_keeps_it_out(monitor, mail, receiver):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(2)
    trip(runtime, service_id)
    monitor.round(1, seconds=15)
    order(runtime, service_id, "open")
    monitor.round(6)
    assert receiver.kinds == ["problem"]

    order(runtime, service_id, "reset")
    monitor.round(1)
    assert (seen(monitor, service_id)[0], receiver.kinds) == ("healthy", ["problem", "recovery"])


def test_where_every_call_passes_the_breaker_says_nothing(monitor, mail):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.round(2)
    order(runtime, service_id, "close")
    trip(runtime, service_id)
    monitor.round(1)
    assert (seen(monitor, service_id), monitor.incidents) == (("healthy", None), [])

    order(runtime, service_id, "reset")
    trip(runtime, service_id)
    monitor.follow()
    assert seen(monitor, service_id)[0] == "down"
    order(runtime, service_id, "close")
    assert seen(monitor, service_id)[0] == "degraded"
    monitor.round(3)
    assert seen(monitor, service_id)[0] == "healthy"


def test_a_service_may_trip_before_its_first_check(monitor, mail):
    (_, service_id), runtime = mail, monitor.runtime
    trip(runtime, service_id)
    monitor.follow()

    assert seen(monitor, service_id)[0] == "down"
    assert [one.subject for one in monitor.incidents] == [service_id]


def test_calls_cost_health_no_write_and_no_look(monitor, mail, runtime):
    _, service_id = mail
    monitor.round(1)
    call(runtime, service_id, 30)
    said = []

    @event.listens_for(runtime.engine, "before_cursor_execute")
    def _hear(_connection, _cursor, statement, *_):
        said.append(statement)

    assert tripping.heed(runtime) is False
    assert [statement for statement in said if "service" in statement.lower()] == [said[0]]
    assert len(said) <= 2


def test_many_that_trip_because_the_network_is_gone_are_one_incident(monitor, vendors, add, receiver, clock):
    runtime, peers = monitor.runtime, [vendors() for _ in range(4)]
    ids = [add(f"Mail {number}", peer.url) for number, peer in enumerate(peers)]
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(2)
    for peer in peers:
        vanish(peer)
    for service_id in ids[:2]:  # two of them are called, the others only checked
        call(runtime, service_id)
    monitor.follow()
    assert [seen(monitor, service_id)[0] for service_id in ids] == ["down", "down", "healthy", "healthy"]
    assert monitor.incidents == []
    for _ in range(12):
        monitor.round(1, seconds=10)

    assert [one.subject for one in monitor.incidents] == [incidents.NETWORK]
    assert receiver.kinds == ["problem"]


def test_one_that_trips_among_many_that_work_is_told_as_soon_as_another_was_seen_well(
    monitor, vendors, add, clock
):
    runtime, peers = monitor.runtime, [vendors() for _ in range(4)]
    ids = [add(f"Mail {number}", peer.url) for number, peer in enumerate(peers)]
    monitor.round(2)
    vanish(peers[0])
    call(runtime, ids[0])
    monitor.follow()
    assert monitor.incidents == []
    clock.advance(5)
    with runtime.engine.begin() as connection:  # the next of the others comes due
        connection.exec_driver_sql(f"UPDATE service_health SET checked_s = 0 WHERE service_id = '{ids[1]}'")
    monitor.round(1)

    assert [(one.subject, one.code) for one in monitor.incidents] == [(ids[0], "CONNECT_REFUSED")]


def test_lists_and_filters_know_it(monitor, mail):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.round(1)
    trip(runtime, service_id)
    monitor.follow()
    with runtime.sessions() as session:
        for state, found in (("down", [service_id]), ("healthy", [])):
            page = services.search(session, runtime, ServiceFilter(health=state))
            assert [one.service.service_id for one in page.items] == found


def test_what_was_deleted_or_disabled_is_forgotten(monitor, mail):
    (_, service_id), runtime = mail, monitor.runtime
    monitor.round(1)
    trip(runtime, service_id)
    monitor.follow()
    with runtime.sessions() as session:
        services.disable(session, runtime, services.find(session, service_id), actor="test", origin="cli")
        session.commit()
    monitor.follow()

    assert monitor.all(ServiceHealth)[0].gate is None
    assert [one.is_open for one in monitor.incidents] in ([], [False])
    assert tripping.heed(runtime) is False
