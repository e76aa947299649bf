"""A cap over all processes, and breakers for operations that fail apart from the others."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as some

from adapters.email.sendgrid import SendGrid
from adapters.kit import FixedClock, Stage
from tests.engine.conftest import MAIL
from tests.engine.vendor import HANG, answer
from webapp.engine import PatchbayError, fleet
from webapp.engine.fleet import Fleet
from webapp.engine.standing import standing
from webapp.models.service import Service
from webapp.state.memory import MemoryStore


@pytest.fixture
def send(runtime):
    def call(prefer, **how):
        try:
            return runtime.hub.call("email.send", MAIL, prefer=prefer, **how)
        except PatchbayError as error:
            return error

    return call


def test_two_processes_share_the_slots_of_a_service(send, service, vendor, runtime):
    """Another process is another `Fleet` over the same store."""
    slow, backup = vendor(HANG), vendor()
    mail, other = service(slow.url, quotas={"at_once": 2}), service(backup.url)
    elsewhere = Fleet(runtime.state, runtime.clock, random.Random())
    lease = elsewhere.enter(mail, 2, 10)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send, mail, deadline_ms=4000)
        while not slow.requests:
            time.sleep(0.01)
        refused, taken_over = send(mail), send([mail, other])
        assert elsewhere.held(mail) == 2
        slow.let_go.set()
        waiting.result()

    assert (refused.code, refused.status, len(slow.requests)) == ("BULKHEAD_FULL", 503, 1)
    assert taken_over.service_id == other
    assert elsewhere.held(mail) == 1
    elsewhere.leave(mail, lease, 10)
    assert (elsewhere.held(mail), runtime.gates.bulkhead.taken(mail)) == (0, 0)


def test_the_lease_of_a_dead_process_ends():
    clock = FixedClock()
    one = Fleet(MemoryStore(clock), clock, random.Random(1))
    assert one.enter("s", 1, 10)
    assert one.enter("s", 1, 10) is None

    clock.advance(10 + fleet.GRACE_S)

    assert one.enter("s", 1, 10)


@given(some.lists(some.tuples(some.integers(0, 4), some.booleans(), some.floats(0, 8)), max_size=60))
def test_there_are_never_more_leases_than_the_limit(steps):
    doc, now, limit, mine = None, 0.0, 2, {}
    for lease, takes, later in steps:
        now += later
        mine = {name: until for name, until in mine.items() if until > now}
        if takes and str(lease) not in mine:
            changed, got = fleet.lend(doc, now, limit, str(lease), 10)
            assert got is (len(mine) < limit)
            doc = changed or doc
            mine |= {str(lease): now + 10} if got else {}
        elif not takes:
            doc = fleet.give_back(doc, now, str(lease), 10) or doc
            mine.pop(str(lease), None)
        assert len(mine) <= limit


@pytest.fixture
def groups(monkeypatch):
    monkeypatch.setattr(SendGrid, "breaker_groups", {"email.send": "send", "email.query": "query"})


def test_what_fails_apart_from_the_others_is_left_alone_apart_from_them(
    groups, runtime, vendor, service, send
):
    mail = service(vendor(answer(500)).url)
    breakers = runtime.gates.breakers
    for _ in range(5):
        send(mail)

    assert send(mail).code == "CIRCUIT_OPEN"
    assert breakers.look(f"{mail}:send")["state"] == "open"
    assert breakers.look(mail) is None
    assert breakers.wait(f"{mail}:query") == 0


def test_the_page_shows_the_breaker_that_holds_back_and_a_reset_begins_all_anew(
    groups, runtime, vendor, service, send
):
    peer = vendor(answer(500))
    mail = service(peer.url)
    for _ in range(5):
        send(mail)
    with runtime.sessions() as session:
        shown = standing(runtime, session.get(Service, mail))

    assert (shown.state, shown.failures, shown.changes[0].after) == ("open", 5, "open")
    peer.does = answer(202, X_Message_Id="m-1")
    runtime.gates.reset(mail)
    assert send(mail).outcome == "succeeded"


def test_a_connection_test_votes_on_every_breaker_of_a_service(groups, runtime, vendor, service):
    mail = service(vendor().url)
    for _ in range(5):
        runtime.gates.checked(mail, [Stage.failed("tcp", "Refused.", code="CONNECT_REFUSED")])

    states = [runtime.gates.breakers.look(key)["state"] for key in (mail, f"{mail}:send", f"{mail}:query")]
    assert states == ["open"] * 3


def test_a_breaker_that_is_kept_closed_goes_on_counting(runtime, vendor, service, send):
    peer = vendor(answer(500))
    mail = service(peer.url)
    with runtime.sessions() as session:
        until = (runtime.clock.now()).isoformat()
        stored = session.get(Service, mail)
        stored.breaker_override = {
            "state": "closed",
            "actor": "lin",
            "reason": "test",
            "at": until,
            "until": None,
        }
        session.commit()
    for _ in range(7):
        assert send(mail).code == "AMBIGUOUS_OUTCOME"
    with runtime.sessions() as session:
        stored = session.get(Service, mail)
        shown = standing(runtime, stored)
        assert (shown.state, shown.calls, shown.failures) == ("forced_closed", 7, 7)
        stored.breaker_override = None
        session.commit()

    send(mail)
    assert send(mail).code == "CIRCUIT_OPEN", "the first failure after the release opens it"
