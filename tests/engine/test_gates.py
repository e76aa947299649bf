"""What stands around an attempt, over real sockets: retries, waits, breaker, limiter, quota, bulkhead, budget."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import update

from adapters.kit import Stage
from tests.engine.conftest import MAIL
from tests.engine.vendor import HANG, RESET, answer, closed_port
from webapp.engine import PatchbayError
from webapp.engine.overrides import Order, give
from webapp.log.filters import LogFilter
from webapp.models.service import Service
from webapp.state import StateDown
from webapp.state.fallback import FallbackStore
from webapp.state.memory import MemoryStore

OK = answer(202, X_Message_Id="m-1")
SINGLE = {"max_attempts": 1}
READ = {"path": "/items"}


def keyed(**more):
    return {"method": "POST", "path": "/pay", "json": {}, "safety": "KEYED", **more}


@pytest.fixture
def send(runtime):
    """Send the mail; answers the result or the problem."""

    def call(prefer, operation="email.send", params=MAIL, **how):
        try:
            return runtime.hub.call(operation, params, prefer=prefer, **how)
        except PatchbayError as error:
            return error

    return call


def rows(runtime, call_id, kind=None):
    found = runtime.log.call(call_id).attempts
    return [row for row in found if kind in (None, row.kind)]


def follows(runtime, outcome):
    return [row.next for row in rows(runtime, outcome.call_id, "attempt")]


def all_free(runtime, *services):
    return [runtime.gates.bulkhead.taken(one) for one in services] == [0] * len(services)


# How often


def test_a_closed_port_is_tried_three_times(runtime, service, send):
    mail = service(f"http://127.0.0.1:{closed_port()}")

    error = send(mail)

    assert (error.code, error.effect, error.status) == ("CONNECT_REFUSED", "NONE", 502)
    assert follows(runtime, error) == ["retry", "retry", "stop"]
    assert all_free(runtime, mail)


def test_four_attempts_in_all_and_three_services(runtime, service, send):
    names = [service(f"http://127.0.0.1:{closed_port()}") for _ in range(4)]

    error = send(names)

    assert [row.service_id for row in rows(runtime, error.call_id)] == [names[0]] * 3 + [names[1]]
    assert follows(runtime, error) == ["retry", "retry", "failover", "stop"]
    assert [candidate["status"] for candidate in error.candidates] == [
        "failed",
        "failed",
        "not_needed",
        "not_needed",
    ]


def test_single_tries_reach_three_services_and_no_fourth(runtime, service, send):
    names = [service(f"http://127.0.0.1:{closed_port()}", retry_policy=SINGLE) for _ in range(4)]

    error = send(names)

    assert [row.service_id for row in rows(runtime, error.call_id)] == names[:3]


def test_a_keyed_operation_is_repeated_with_the_same_key(runtime, vendor, generic, send):
    peer = vendor([RESET, answer(200, {})])

    result = send(generic(peer.url), "http.request", keyed())

    assert (result.outcome, result.attempts) == ("succeeded", 2)
    keys = {
        line
        for request in peer.requests
        for line in request.split(b"\r\n")
        if line.startswith(b"Idempotency-Key")
    }
    assert len(keys) == 1
    assert len(keys.pop().split()[1]) == 32


def test_a_keyed_operation_never_leaves_the_service_that_may_have_done_it(runtime, vendor, generic, send):
    unsure, backup = vendor(RESET), vendor(answer(200, {}))

    error = send([generic(unsure.url), generic(backup.url)], "http.request", keyed())

    assert (error.code, error.cause_code) == ("AMBIGUOUS_OUTCOME", "CONNECTION_LOST")
    assert (len(unsure.requests), len(backup.requests)) == (3, 0)
    assert follows(runtime, error) == ["retry", "retry", "reconcile"]
    assert runtime.log.call(error.call_id).outcome == "unknown"


def test_a_doubt_is_not_ended_by_a_refusal(vendor, generic, send):
    peer = vendor([RESET, answer(400, {})])

    assert send(generic(peer.url), "http.request", keyed()).code == "AMBIGUOUS_OUTCOME"


def test_a_read_is_repeated_and_then_tried_elsewhere(runtime, vendor, generic, send):
    silent, backup = vendor(HANG), vendor(answer(200, {"a": 1}))
    names = [generic(silent.url, default_timeout_ms=1000), generic(backup.url)]

    result = send(names, "http.request", READ, deadline_ms=8000)

    assert result.service_id == names[1]
    assert follows(runtime, result) == ["retry", "retry", "failover", "done"]


def test_a_read_that_fails_everywhere_has_failed(runtime, vendor, generic, send):
    error = send(generic(vendor(answer(500)).url), "http.request", READ)

    assert error.code == "VENDOR_SERVER_ERROR"
    call = runtime.log.call(error.call_id)
    assert (call.outcome, {row.outcome for row in call.attempts}) == ("failed", {"failed"})


def test_an_unsafe_operation_after_five_hundred_is_not_repeated(vendor, service, send):
    peer = vendor(answer(500))

    error = send(service(peer.url))

    assert (error.code, error.cause_code, len(peer.requests)) == (
        "AMBIGUOUS_OUTCOME",
        "VENDOR_SERVER_ERROR",
        1,
    )


def test_unavailable_with_a_time_is_repeated_even_if_unsafe(vendor, service, send):
    peer = vendor([answer(503, Retry_After="0"), OK])

    assert send(service(peer.url)).attempts == 2


def test_the_vendor_may_forbid_another_try(vendor, generic, send):
    peer = vendor(answer(500, X_Should_Retry="false"))

    send(generic(peer.url), "http.request", READ)

    assert len(peer.requests) == 1


# Waits the vendor asks for


def test_retry_after_is_waited_and_holds_others_back(runtime, vendor, service, send):
    peer = vendor([answer(429, Retry_After="1"), OK])
    mail = service(peer.url)
    began = time.monotonic()

    result = send(mail)

    assert time.monotonic() - began >= 1.0
    assert result.attempts == 2
    first, second = rows(runtime, result.call_id)
    assert (second.request_timestamp - first.response_timestamp).total_seconds() >= 0.99
    assert runtime.gates.breakers.look(mail) is None or runtime.gates.breakers.look(mail)["state"] == "closed"


def test_other_calls_keep_away_while_a_service_rests(vendor, service, send):
    peer = vendor(answer(429, Retry_After="30"))
    mail = service(peer.url)
    send(mail)

    error = send(mail)

    assert (error.code, error.status, len(peer.requests)) == ("RATE_LIMITED_LOCAL", 429, 1)
    assert 28_000 < error.retry_after_ms <= 30_000


def test_a_wait_of_an_hour_is_not_waited(vendor, service, send):
    peer = vendor(answer(429, Retry_After="3600"))
    began = time.monotonic()

    error = send(service(peer.url))

    assert time.monotonic() - began < 5
    assert (error.code, error.retry_after_ms, error.retryable) == ("VENDOR_RATE_LIMITED", 3_600_000, True)
    assert len(peer.requests) == 1


def test_a_date_is_read_by_the_clock_of_the_vendor(vendor, service, send):
    theirs = datetime.now(UTC) + timedelta(minutes=10)
    until = format_datetime(theirs + timedelta(seconds=1), usegmt=True)
    peer = vendor([answer(429, Retry_After=until, Date=format_datetime(theirs, usegmt=True)), OK])
    began = time.monotonic()

    assert send(service(peer.url)).attempts == 2
    assert 1 <= time.monotonic() - began < 4


@pytest.mark.parametrize("value", ["abc", "-5", "1e309", "NaN"])
def test_junk_in_retry_after_is_ignored(vendor, service, send, value):
    peer = vendor([answer(429, Retry_After=value), OK])

    assert send(service(peer.url)).attempts == 2


def test_nothing_left_on_a_success_stops_the_next_call(runtime, vendor, service, send):
    peer = vendor(answer(202, RateLimit='"default";r=0;t=30'))
    mail = service(peer.url)
    assert send(mail).outcome == "succeeded"

    error = send(mail)

    assert error.code == "RATE_LIMITED_LOCAL"
    (row,) = rows(runtime, error.call_id)
    assert (row.kind, row.code, row.effect, row.service_id) == ("local", "RATE_LIMITED_LOCAL", "NONE", mail)
    assert len(peer.requests) == 1


# Breaker


def test_a_breaker_opens_and_calls_stay_away(runtime, vendor, service, send):
    peer = vendor(answer(500))
    mail = service(peer.url)
    for _ in range(5):
        assert send(mail).code == "AMBIGUOUS_OUTCOME"

    error = send(mail)

    assert (error.code, error.status, error.effect, error.retryable) == ("CIRCUIT_OPEN", 503, "NONE", True)
    assert 0 < error.retry_after_ms <= 33_000
    assert len(peer.requests) == 5
    (row,) = rows(runtime, error.call_id)
    assert (row.kind, row.code, row.next) == ("local", "CIRCUIT_OPEN", None)
    changes = [
        row for row in runtime.log.search(LogFilter(service_id=mail)).items if row.kind == "transition"
    ]
    assert [row.code for row in changes] == ["CIRCUIT_OPEN"]


def test_an_open_breaker_lets_the_backup_take_the_call(vendor, service, send):
    broken, backup = vendor(answer(500)), vendor()
    names = [service(broken.url), service(backup.url)]
    for _ in range(5):
        send(names)

    result = send(names)

    assert (result.service_id, result.attempts) == (names[1], 1)
    assert len(broken.requests) == 5


def test_an_opened_breaker_ends_the_retries(runtime, service, send):
    mail = service(f"http://127.0.0.1:{closed_port()}")
    send(mail)

    error = send(mail)

    assert follows(runtime, error) == ["retry", "retry"], "the fifth failure in a row opened it"
    assert error.code == "CONNECT_REFUSED"
    assert rows(runtime, error.call_id)[-1].code == "CIRCUIT_OPEN"
    assert runtime.log.call(error.call_id).candidates[0]["stopped_by"] == "CIRCUIT_OPEN"


def test_it_recovers_with_two_probes(runtime, vendor, service, send):
    peer = vendor(answer(500))
    mail = service(peer.url)
    for _ in range(5):
        send(mail)
    peer.does = OK
    pass_time(runtime, mail, 40)

    assert [send(mail).outcome for _ in range(3)] == ["succeeded"] * 3
    assert runtime.gates.breakers.look(mail)["state"] == "closed"


def pass_time(runtime, key, seconds):
    """As if the breaker had been opened so much earlier."""

    def earlier(doc, _now):
        return doc | {"until": doc["until"] - seconds}, None

    runtime.state.update(f"breaker:{key}", earlier)
    runtime.gates.breakers.forget_all()


def test_a_connection_test_votes_and_may_end_the_pause(runtime):
    passed = [Stage.ok("tcp", "Connected."), Stage.ok("authentication", "Accepted.")]
    refused = [Stage.failed("tcp", "Refused.", code="CONNECT_REFUSED")]
    gates = runtime.gates
    for _ in range(5):
        gates.checked("s", refused)
    assert gates.breakers.look("s")["state"] == "open"

    gates.checked("s", passed)
    assert gates.breakers.look("s")["state"] == "open", "the pause is not over"
    pass_time(runtime, "s", 40)
    gates.checked("s", passed[:1])
    assert gates.breakers.look("s")["state"] == "open", "an open port proves nothing"
    gates.checked("s", passed)
    gates.checked("s", [Stage.failed("authentication", "Refused.", code="VENDOR_AUTH_REJECTED")])
    assert gates.breakers.look("s")["state"] == "half_open", "credentials say nothing about it"
    gates.checked("s", passed)
    assert gates.breakers.look("s")["state"] == "closed"


def test_what_says_nothing_about_the_service_does_not_open_it(runtime, vendor, service, send):
    mail = service(vendor(answer(401)).url)
    for _ in range(12):
        assert send(mail).code == "VENDOR_AUTH_REJECTED"

    assert (runtime.gates.breakers.look(mail) or {"state": "closed"})["state"] == "closed"


def order(runtime, service_id, action, **more):
    with runtime.sessions() as session:
        service = session.get(Service, service_id)
        give(session, runtime, service, Order(action=action, reason="maintenance", **more), actor="lin")
        session.commit()


def test_forced_open_stays_open_until_it_is_released(runtime, vendor, service, send):
    peer = vendor()
    mail = service(peer.url)
    order(runtime, mail, "open")

    error = send(mail)
    assert (error.code, error.retry_after_ms, peer.requests) == ("CIRCUIT_FORCED_OPEN", None, [])

    order(runtime, mail, "reset")
    assert send(mail).outcome == "succeeded"


def test_forced_open_may_expire(runtime, vendor, service, send):
    mail = service(vendor().url)
    order(runtime, mail, "open", expires_in_s=60)
    assert 50_000 < send(mail).retry_after_ms <= 60_000
    with runtime.sessions() as session:
        stored = session.get(Service, mail)
        past = (runtime.clock.now() - timedelta(seconds=1)).isoformat()
        stored.breaker_override = {**stored.breaker_override, "until": past}
        session.commit()

    assert send(mail).outcome == "succeeded"


def test_forced_closed_lets_every_call_through(runtime, vendor, service, send):
    peer = vendor(answer(500))
    mail = service(peer.url)
    order(runtime, mail, "close")

    for _ in range(12):
        assert send(mail).code == "AMBIGUOUS_OUTCOME"

    assert len(peer.requests) == 12


# Bulkhead, limiter, quota, budget


def test_the_call_after_the_last_slot_is_refused_and_goes_elsewhere(runtime, vendor, service, send):
    slow, backup = vendor(HANG), vendor()
    names = [service(slow.url), service(backup.url)]
    slots = runtime.gates.bulkhead.slots
    with ThreadPoolExecutor(slots) as pool:
        waiting = [pool.submit(send, names[0], deadline_ms=4000) for _ in range(slots)]
        while len(slow.requests) < slots:
            time.sleep(0.01)
        refused, elsewhere = send(names[0]), send(names)
        slow.let_go.set()
        [one.result() for one in waiting]

    assert (refused.code, refused.status) == ("BULKHEAD_FULL", 503)
    assert elsewhere.service_id == names[1]
    assert all_free(runtime, *names)


def test_a_limit_makes_calls_wait_or_refuses_them(vendor, service, send):
    peer = vendor()
    mail = service(peer.url, rate_limit={"per_second": 2, "burst": 1})
    began = time.monotonic()

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: send(mail), range(6)))

    took = time.monotonic() - began
    assert len(peer.requests) <= 1 + 2 * took
    codes = [one.code for one in outcomes if isinstance(one, PatchbayError)]
    assert set(codes) == {"RATE_LIMITED_LOCAL"}
    assert all(one.retry_after_ms > 0 for one in outcomes if isinstance(one, PatchbayError))


def test_a_quota_is_spent_and_refused_until_its_window_ends(runtime, vendor, service, send):
    peer = vendor()
    mail = service(peer.url, quotas={"calls": {"day": 2}})

    assert [send(mail).outcome for _ in range(2)] == ["succeeded"] * 2
    error = send(mail)

    assert (error.code, error.status, len(peer.requests)) == ("QUOTA_EXHAUSTED_LOCAL", 429, 2)
    assert 0 < error.retry_after_ms <= 86_400_000


def test_money_is_counted_by_the_price_of_the_operation(vendor, service, send):
    mail = service(vendor().url, quotas={"money": {"month": 0.1}, "prices": {"email.send": 0.04}})

    assert [getattr(send(mail), "code", None) for _ in range(3)] == [None, None, "QUOTA_EXHAUSTED_LOCAL"]


def test_one_recipient_has_a_quota_of_its_own(vendor, service, send):
    mail = service(vendor().url, quotas={"recipient_calls": {"hour": 1}})

    assert send(mail).outcome == "succeeded"
    assert send(mail).code == "QUOTA_EXHAUSTED_LOCAL"
    assert send(mail, params={**MAIL, "to": ["wang@example.com"]}).outcome == "succeeded"


def test_what_never_reached_the_service_is_not_counted(runtime, service, send):
    mail = service(f"http://127.0.0.1:{closed_port()}", retry_policy=SINGLE, quotas={"calls": {"day": 1}})

    assert [send(mail).code for _ in range(3)] == ["CONNECT_REFUSED"] * 3


def test_an_empty_budget_suppresses_retries(runtime, vendor, generic, send):
    api = generic(vendor(answer(500)).url)
    while runtime.gates.budget.spend(api):
        pass

    error = send(api, "http.request", READ)

    assert (error.code, error.retry_suppressed_by) == ("VENDOR_SERVER_ERROR", "budget")
    assert error.to_problem()["retry_suppressed_by"] == "budget"
    assert follows(runtime, error) == ["stop"]


# When shared state is away


class Away(MemoryStore):
    def read(self, *_):
        raise StateDown("away")

    def update(self, *_, **__):
        raise StateDown("away")

    def forget(self, *_):
        raise StateDown("away")


def test_calls_go_on_while_the_store_is_down(runtime, vendor, service, send, caplog):
    runtime.state = FallbackStore(Away(runtime.clock), runtime.clock, processes=4)
    mail = service(vendor().url, rate_limit={"per_second": 1000, "burst": 100}, quotas={"calls": {"day": 10}})

    assert send(mail).outcome == "succeeded"
    assert "STATE_STORE_DEGRADED" in caplog.text


def test_a_strict_quota_refuses_while_the_store_is_down(runtime, vendor, service, send):
    runtime.state = FallbackStore(Away(runtime.clock), runtime.clock, processes=4)
    peer = vendor()
    mail = service(peer.url, quotas={"calls": {"day": 10}, "strict": True})

    error = send(mail)

    assert (error.code, error.effect, peer.requests) == ("STATE_STORE_UNAVAILABLE", "NONE", [])


def test_a_breaker_of_one_process_works_while_the_store_is_down(runtime, vendor, service, send):
    runtime.state = FallbackStore(Away(runtime.clock), runtime.clock, processes=4)
    mail = service(vendor(answer(500)).url)
    for _ in range(5):
        send(mail)

    assert send(mail).code == "CIRCUIT_OPEN"


# Time


def test_no_attempt_begins_with_less_than_half_a_second(runtime, vendor, generic, send):
    slow = vendor(HANG)

    error = send(generic(slow.url, default_timeout_ms=1000), "http.request", READ, deadline_ms=1400)

    assert error.code == "READ_TIMEOUT"
    assert (len(slow.requests), follows(runtime, error)) == (1, ["stop"])


@pytest.mark.parametrize("deadline_ms", [600, 1000, 1500])
def test_a_call_ends_in_time_whatever_happens(vendor, generic, send, deadline_ms):
    names = [
        generic(vendor(HANG).url),
        generic(f"http://127.0.0.1:{closed_port()}"),
        generic(vendor(RESET).url),
    ]
    began = time.monotonic()

    send(names, "http.request", READ, deadline_ms=deadline_ms)

    assert time.monotonic() - began <= deadline_ms / 1000 + 1


def test_a_service_disabled_between_attempts_is_not_tried_again(runtime, service, send):
    mail = service(f"http://127.0.0.1:{closed_port()}", retry_policy={"base_ms": 2000, "max_ms": 2000})

    class Sure(random.Random):
        def uniform(self, _low, high):
            return high / 4

    runtime.gates.rng = Sure()

    def disable():
        with runtime.sessions() as session:
            session.execute(update(Service).where(Service.service_id == mail).values(is_enabled=False))
            session.commit()

    timer = threading.Timer(0.2, disable)
    timer.start()
    error = send(mail)
    timer.join()

    assert (error.code, error.cause_code) == ("CONFIG_DISABLED", "CONNECT_REFUSED")
    assert [row.kind for row in rows(runtime, error.call_id)] == ["attempt", "local"]


def test_when_all_are_blocked_the_soonest_is_told(runtime, vendor, service, send):
    names = [service(vendor().url) for _ in range(2)]
    order(runtime, names[0], "open", expires_in_s=600)
    order(runtime, names[1], "open", expires_in_s=60)

    error = send(names)

    assert (error.code, error.status) == ("NO_PROVIDER_AVAILABLE", 503)
    assert 50_000 < error.retry_after_ms <= 60_000
    assert [row.code for row in rows(runtime, error.call_id)] == ["CIRCUIT_FORCED_OPEN"] * 2
    assert [candidate["code"] for candidate in error.candidates] == ["CIRCUIT_FORCED_OPEN"] * 2
