"""The fault catalogue: what a call makes of faults over several attempts, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.engine.story import CUT_MS, OK, ORDER
from tests.engine.vendor import HANG, RESET, answer, closed_port
from tests.kit.faulty import FaultyServer, Peer, certificate, well
from webapp.engine.overrides import Order, give
from webapp.models.audit import AuditEntry
from webapp.models.service import Service

KEYED = ORDER | {"safety": "KEYED"}
READ = {"path": "/items"}
TWICE = {"max_attempts": 2, "base_ms": 10, "max_ms": 10}
THRICE = {"max_attempts": 3, "base_ms": 10, "max_ms": 10}
OUTSTANDING = {"title": "A request is outstanding for this Idempotency-Key"}


def keys(peer):
    lines = [line for request in peer.requests for line in request.split(b"\r\n")]
    return {line for line in lines if line.lower().startswith(b"idempotency-key")}


def test_case_1_a_closed_port_is_tried_three_times(http, tell):
    closed = http(f"http://127.0.0.1:{closed_port()}", retry_policy=THRICE)

    story = tell("http.request", ORDER, closed)

    assert (story.code, story.end.status, story.end.effect) == ("CONNECT_REFUSED", 502, "NONE")
    assert [row.next for row in story.tries] == ["retry", "retry", "stop"]
    assert story.failures(closed) == (3, 3)


def test_case_4_a_resolver_that_says_nothing_costs_bounded_time(http, vendor, tell, monkeypatch):
    backup, over = vendor(OK), threading.Event()
    known = socket.getaddrinfo

    def silent(host, *rest, **how):
        if host == "silent.example":
            over.wait(20)
            raise socket.gaierror("too late")
        return known(host, *rest, **how)

    names = [http("https://silent.example"), http(backup.url)]
    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()

    story = tell("http.request", ORDER, *names)

    over.set()
    assert time.monotonic() - began < 6
    assert story.told == [("DNS_FAILURE", "NONE", "failover"), (None, "DONE", "done")]


@pytest.mark.parametrize(("number", "made"), [(7, {"host": "elsewhere.example"}), (8, {"days": -5})])
def test_a_certificate_that_does_not_fit_is_not_tried_again(number, made, http, vendor, tell, tmp_path):
    """tests/kit/test_transport.py shows the same for a certificate that is only wrong in this one way."""
    backup, (tls, _) = vendor(OK), certificate(tmp_path, **made)
    with FaultyServer(well, tls=tls) as peer:
        distrusted = http(peer.url, retry_policy=THRICE)
        story = tell("http.request", ORDER, distrusted, http(backup.url))

        assert peer.seen == []
    assert story.told == [("TLS_CERT_INVALID", "NONE", "failover"), (None, "DONE", "done")]
    assert story.failures(distrusted) == (1, 1)


def test_case_11_no_proxy_of_the_environment_is_used(http, vendor, tell, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    peer = vendor(OK)

    story = tell("http.request", ORDER, http(peer.url))

    assert (story.code, len(peer.requests)) == (None, 1)


def test_case_14_a_keyed_request_is_repeated_under_its_key(http, vendor, tell):
    peer = vendor([RESET, OK])
    name = http(peer.url, retry_policy=THRICE)

    story = tell("http.request", KEYED, name)

    assert story.told == [("CONNECTION_LOST", "UNKNOWN", "retry"), (None, "DONE", "done")]
    assert (len(peer.requests), len(keys(peer))) == (2, 1)
    assert story.failures(name)[1] == 1


def test_case_15_a_keyed_request_stays_where_it_may_have_been_done(http, vendor, tell):
    unsure, backup = vendor(RESET), vendor(OK)
    name = http(unsure.url, retry_policy=THRICE)

    story = tell("http.request", KEYED, name, http(backup.url))

    assert (story.code, story.call.outcome) == ("AMBIGUOUS_OUTCOME", "unknown")
    assert [row.next for row in story.tries] == ["retry", "retry", "reconcile"]
    assert (len(keys(unsure)), backup.requests) == (1, [])
    assert story.failures(name) == (3, 3)


def test_case_18_a_read_is_repeated_and_then_tried_elsewhere(http, vendor, tell):
    silent, backup = vendor(HANG), vendor(OK)

    story = tell("http.request", READ, http(silent.url, retry_policy=TWICE), http(backup.url))

    assert [row.next for row in story.tries] == ["retry", "failover", "done"]
    assert {row.code for row in story.tries[:2]} == {"READ_TIMEOUT"}
    assert story.call.outcome == "succeeded"


def test_case_40_a_request_that_is_still_worked_on_is_asked_for_again_a_second_later(http, vendor, tell):
    peer = vendor([RESET, answer(409, OUTSTANDING), OK])
    name = http(peer.url, retry_policy=THRICE)

    story = tell("http.request", KEYED, name)

    assert [row.code for row in story.tries] == ["CONNECTION_LOST", "VENDOR_IDEMPOTENCY_IN_PROGRESS", None]
    assert (story.call.outcome, len(keys(peer))) == ("succeeded", 1)
    waited = story.tries[2].request_timestamp - story.tries[1].response_timestamp
    assert waited.total_seconds() >= 0.99
    assert story.failures(name)[1] == 1, "a conflict with oneself shows that the vendor is alive"


def test_a_conflict_that_is_not_about_the_key_is_a_refusal(http, vendor, tell):
    peer = vendor(answer(409, {"title": "This name is taken"}))

    story = tell("http.request", KEYED, http(peer.url, retry_policy=THRICE))

    assert (story.code, story.call.outcome, len(peer.requests)) == ("VENDOR_CONFLICT", "failed", 1)


def test_case_41_the_time_a_vendor_asks_for_is_waited_by_everybody(http, vendor, tell, runtime):
    peer = vendor([answer(429, Retry_After="2"), OK])
    name = http(peer.url, retry_policy=TWICE)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tell, "http.request", ORDER, name)
        while not runtime.gates.limiter.cool_s(name):
            time.sleep(0.005)
        other = tell("http.request", ORDER, name)
        story = first.result()

    assert (other.code, other.tries) == ("RATE_LIMITED_LOCAL", [])
    assert story.told == [("VENDOR_RATE_LIMITED", "REJECTED", "retry"), (None, "DONE", "done")]
    waited = story.tries[1].request_timestamp - story.tries[0].response_timestamp
    assert waited.total_seconds() >= 1.99
    assert story.failures(name)[1] == 0


def test_case_42_an_hour_is_not_waited(http, vendor, tell):
    peer = vendor(answer(429, Retry_After="3600"))
    began = time.monotonic()

    story = tell("http.request", ORDER, http(peer.url, retry_policy=THRICE))

    assert (story.code, story.end.retry_after_ms) == ("VENDOR_RATE_LIMITED", 3_600_000)
    assert (len(story.tries), time.monotonic() - began < 3) == (1, True)


def test_case_43_a_date_is_read_by_the_clock_of_the_vendor(http, vendor, tell):
    theirs = datetime.now(UTC) + timedelta(minutes=10)
    until = format_datetime(theirs + timedelta(seconds=1), usegmt=True)
    busy = answer(429, Retry_After=until, Date=format_datetime(theirs, usegmt=True))

    story = tell("http.request", ORDER, http(vendor([busy, OK]).url, retry_policy=TWICE))

    waited = story.tries[1].request_timestamp - story.tries[0].response_timestamp
    assert 0.99 <= waited.total_seconds() < 4


@pytest.mark.parametrize("value", ["abc", "-5", "1e309", "NaN"])
def test_case_44_junk_in_retry_after_is_ignored(value, http, vendor, tell):
    """A wait without words is half a second at least."""
    story = tell(
        "http.request", ORDER, http(vendor([answer(429, Retry_After=value), OK]).url, retry_policy=TWICE)
    )

    assert [row.next for row in story.tries] == ["retry", "done"]
    assert story.tries[0].retry_after_ms is None


def test_case_45_nothing_left_on_a_success_stops_the_next_call(http, vendor, tell):
    peer = vendor(answer(200, {}, RateLimit='"default";r=0;t=30'))
    name = http(peer.url)
    assert tell("http.request", ORDER, name).code is None

    story = tell("http.request", ORDER, name)

    assert (story.code, len(peer.requests)) == ("RATE_LIMITED_LOCAL", 1)
    assert [(row.kind, row.effect) for row in story.call.attempts] == [("local", "NONE")]


def test_case_48_unavailable_with_a_time_did_nothing(http, vendor, tell):
    name = http(vendor([answer(503, Retry_After="1"), OK]).url, retry_policy=TWICE)

    story = tell("http.request", ORDER, name)

    assert story.told == [("VENDOR_UNAVAILABLE", "REJECTED", "retry"), (None, "DONE", "done")]
    assert story.failures(name)[1] == 1


def test_case_51_ten_failures_in_twenty_calls_open_the_breaker(http, vendor, tell):
    """In turn, so that it is their share that decides and no row of failures; the twentieth makes it half."""
    bad = answer(500)
    peer = vendor([OK, OK, *[bad, OK] * 8, bad, bad])
    name = http(peer.url)
    for _ in range(20):
        tell("http.request", ORDER, name)

    story = tell("http.request", ORDER, name)

    assert (story.code, story.end.effect, len(peer.requests)) == ("CIRCUIT_OPEN", "NONE", 20)
    assert [row.kind for row in story.call.attempts] == ["local"]


def test_case_52_five_in_a_row_open_it_after_many_successes(http, vendor, tell, runtime):
    """test_breaker.py counts a thousand."""
    peer = vendor(OK)
    name = http(peer.url)
    for _ in range(30):
        runtime.hub.call("http.request", ORDER, prefer=name)
    peer.does = answer(500)
    for _ in range(5):
        tell("http.request", ORDER, name)

    assert tell("http.request", ORDER, name).code == "CIRCUIT_OPEN"
    assert len(peer.requests) == 35


def test_case_53_calls_that_are_all_slow_open_it(http, tell, runtime):
    def slow(peer: Peer) -> None:
        while peer.read():
            peer.server.over.wait(0.85 * CUT_MS / 1000)
            peer.answer()

    with FaultyServer(slow) as peer:
        name = http(peer.url)
        with ThreadPoolExecutor(5) as pool:
            calls = [pool.submit(runtime.hub.call, "http.request", ORDER, prefer=name) for _ in range(10)]
            [one.exception() for one in calls]

        assert tell("http.request", ORDER, name).code == "CIRCUIT_OPEN"
    assert runtime.gates.breakers.look(name)["story"][-1]["reason"] == "slow"


def test_case_56_a_result_that_comes_too_late_changes_nothing(http, vendor, tell, runtime):
    late = vendor(lambda _request: late.let_go.wait(5) and OK)
    name = http(late.url, default_timeout_ms=10_000)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(tell, "http.request", ORDER, name)
        assert late.read.wait(5)
        runtime.gates.reset(name)
        before = runtime.gates.breakers.look(name)
        late.let_go.set()
        story = waiting.result()

    assert (story.code, story.failures(name)) == (None, (0, 0))
    assert runtime.gates.breakers.look(name) == before


def test_case_57_what_an_operator_keeps_open_stays_open_while_the_vendor_is_well(http, vendor, tell, runtime):
    peer = vendor(OK)
    name = http(peer.url)
    with runtime.sessions() as session:
        service = session.get(Service, name)
        give(session, runtime, service, Order(action="open", reason="maintenance"), actor="lin")
        session.commit()

    story = tell("http.request", ORDER, name)

    assert (story.code, peer.requests) == ("CIRCUIT_FORCED_OPEN", [])
    with runtime.sessions() as session:
        assert [one.actor for one in session.query(AuditEntry).filter_by(action="breaker.open")] == ["lin"]


def test_case_58_the_call_after_the_last_slot_goes_elsewhere(http, vendor, tell, runtime):
    slow, backup = vendor(HANG), vendor(OK)
    names = [http(slow.url), http(backup.url)]
    slots = runtime.gates.bulkhead.slots
    with ThreadPoolExecutor(slots) as pool:
        waiting = [pool.submit(runtime.hub.call, "http.request", READ, prefer=names[0]) for _ in range(slots)]
        while len(slow.requests) < slots:
            time.sleep(0.005)
        result = runtime.hub.call("http.request", ORDER, prefer=names)
        slow.let_go.set()
        [one.exception() for one in waiting]

    rows = runtime.log.call(result.call_id).attempts
    assert [(row.kind, row.code) for row in rows] == [("local", "BULKHEAD_FULL"), ("attempt", None)]
    assert (result.service_id, runtime.gates.bulkhead.taken(names[0])) == (names[1], 0)


def test_case_62_no_attempt_begins_with_less_than_half_a_second(http, vendor, tell):
    slow = vendor(HANG)
    name = http(slow.url, retry_policy=THRICE)

    story = tell("http.request", READ, name, deadline_ms=1400)

    assert (len(story.tries), len(slow.requests)) == (1, 1)
    assert story.tries[0].next == "stop"


def test_case_64_when_all_are_blocked_the_soonest_is_told(http, vendor, tell, runtime):
    names = [http(vendor(OK).url) for _ in range(2)]
    for name, seconds in zip(names, (600, 60), strict=True):
        with runtime.sessions() as session:
            wanted = Order(action="open", reason="maintenance", expires_in_s=seconds)
            give(session, runtime, session.get(Service, name), wanted, actor="lin")
            session.commit()

    story = tell("http.request", ORDER, *names)

    assert (story.code, story.end.status) == ("NO_PROVIDER_AVAILABLE", 503)
    assert 50_000 < story.end.retry_after_ms <= 60_000
    assert [row.code for row in story.call.attempts] == ["CIRCUIT_FORCED_OPEN"] * 2
