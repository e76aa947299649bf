"""Searching the call log: every filter, pages that stay stable, counters."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from webapp.ids import id_at
from webapp.log.entries import Bodies
from webapp.log.filters import FilterInvalid, LogFilter, encode_cursor

START = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def add(runtime):
    """Adds one finished attempt, a minute after the one before; returns its id."""
    numbers = count(1)

    def add(**values):
        number = next(numbers)
        at = START + timedelta(minutes=number)
        row = {
            "log_id": id_at(at),
            "call_id": number * 10,
            "service_id": "s-1",
            "service_type": "EMAIL_PROVIDER_SMTP",
            "request_timestamp": at,
            "response_timestamp": at,
            "duration_ms": 100,
            "request_endpoint": "POST https://api.example.com/send",
            "outcome": "succeeded",
            "is_success": True,
            "kind": "attempt",
        }
        runtime.log.insert_begin(row | values)
        return row["log_id"]

    return add


@pytest.fixture
def found(runtime):
    """The ids that a search given as in the URL finds."""

    def search(**given):
        return [item.log_id for item in runtime.log.search(LogFilter.parse(given)).items]

    return search


FILTERS = [
    ({"service_id": "s-2"}, {"service_id": "s-2"}),
    ({"service_type": "SMS_PROVIDER_TWILIO"}, {"service_type": "SMS_PROVIDER_TWILIO"}),
    ({"operation": "sms.send"}, {"operation": "sms.send"}),
    ({"outcome": "unknown"}, {"outcome": "unknown"}),
    ({"code": "READ_TIMEOUT"}, {"error_code": "READ_TIMEOUT"}),
    ({"response_status_code": 503}, {"status": "503"}),
    ({"response_status_code": 404}, {"status": "4xx"}),
    ({"response_status_code": 404}, {"status": "500,4XX"}),
    ({"duration_ms": 900}, {"min_duration_ms": "500"}),
    ({"integration_point": "signup.welcome_mail"}, {"integration_point": "signup.welcome_mail"}),
    ({"correlation_id": "signup-42"}, {"correlation_id": "signup-42"}),
    ({"call_id": 7504180281704876811}, {"call_id": "7504180281704876811"}),
    ({"request_endpoint": "POST https://other.example/Senden"}, {"q": "other.EXAMPLE/senden"}),
    ({"error_message": "余额不足,请充值"}, {"q": "余额"}),
    ({"code": "VENDOR_RATE_LIMITED"}, {"q": "rate_limited"}),
]


@pytest.mark.parametrize(("values", "given"), FILTERS)
def test_each_filter_finds_its_row_only(add, found, values, given):
    add()
    wanted = add(**values)
    add()

    assert found(**given) == [wanted]


def test_filters_together_must_all_hold(add, found):
    add(outcome="failed", service_id="s-2")
    wanted = add(outcome="failed")
    add()

    assert found(outcome="failed", service_id="s-1") == [wanted]


@pytest.mark.parametrize("sign", ["%", "_"])
def test_a_sign_of_sql_stands_for_nothing(found, sign):
    with pytest.raises(FilterInvalid):
        found(q=sign)


def test_a_range_of_time_excludes_its_end(add, found):
    first, second, _third = add(), add(), add()

    assert found(**{"from": "2026-01-02T03:01:00Z", "to": "2026-01-02T03:03:00Z"}) == [second, first]
    assert found(**{"from": "2026-01-02T11:01:00+08:00", "to": "2026-01-02T03:02:00"}) == [first]


def test_a_recipient_is_found_by_its_hash_only(runtime, add, found):
    wanted = add(
        recipient_hash=runtime.log.hash_recipient("Lin@Example.com"), recipient_mask="L***@Example.com"
    )
    add(recipient_hash=runtime.log.hash_recipient("wei@example.com"))

    assert found(recipient=" lin@example.com ") == [wanted]
    assert "lin" not in runtime.log.hash_recipient("lin@example.com")


BAD = [
    {"outcome": "fine"},
    {"status": "6xx"},
    {"status": "4"},
    {"from": "yesterday"},
    {"to": "2026-13-01"},
    {"min_duration_ms": "-1"},
    {"min_duration_ms": "1e3"},
    {"call_id": "99999999999999999999"},
    {"q": "x" * 201},
    {"service_id": "a\x00b"},
]


@pytest.mark.parametrize("given", BAD)
def test_a_parameter_that_makes_no_sense_is_named(given):
    with pytest.raises(FilterInvalid) as caught:
        LogFilter.parse(given)

    assert [error.field for error in caught.value.errors] == list(given)


def test_pages_stay_stable_while_rows_are_added(runtime, add):
    ids = [add() for _ in range(5)]

    first = runtime.log.search(LogFilter(), limit=2)
    add()
    second = runtime.log.search(LogFilter(), limit=2, cursor=first.next_cursor)
    last = runtime.log.search(LogFilter(), limit=2, cursor=second.next_cursor)

    assert [[item.log_id for item in page.items] for page in (first, second, last)] == [
        ids[:2:-1],
        [ids[2], ids[1]],
        [ids[0]],
    ]
    assert last.next_cursor is None


@pytest.mark.parametrize(
    "cursor", ["x", "", "é", base64.urlsafe_b64encode(b"l-1").decode(), encode_cursor(2**63)]
)
def test_a_foreign_cursor_is_refused(runtime, cursor):
    if not cursor:
        assert runtime.log.search(LogFilter(), cursor=cursor).items == ()
        return
    with pytest.raises(FilterInvalid):
        runtime.log.search(LogFilter(), cursor=cursor)


def test_bodies_come_back_as_they_went(runtime, add):
    log_id = add(outcome="pending", response_timestamp=None)
    bodies = Bodies({"X": "***"}, '{"a": "数"}', {"Y": "1"}, None)

    runtime.log.insert_end(log_id, {"outcome": "succeeded", "response_timestamp": START}, bodies)

    assert runtime.log.bodies(log_id) == bodies
    assert runtime.log.bodies(log_id + 1) is None
    assert runtime.log.get(log_id).outcome == "succeeded"
    assert runtime.log.get(log_id + 1) is None


def test_an_entry_as_json_has_text_ids_and_utc_times(runtime, add):
    shown = runtime.log.get(add(call_id=7504180281704876811)).to_dict()

    assert shown["call_id"] == "7504180281704876811"
    assert shown["request_timestamp"] == "2026-01-02T03:01:00.000Z"


def test_counters_of_a_service(runtime, add, clock):
    clock.at = START + timedelta(hours=2)
    for duration in range(1, 21):
        add(duration_ms=duration)
    for _ in range(2):
        add(is_success=False, outcome="failed", code="READ_TIMEOUT", duration_ms=5000)
    add(is_success=False, outcome="failed", code="CONNECT_REFUSED")
    add(kind="local", is_success=False, outcome="failed", code="NO_PROVIDER_AVAILABLE", service_id=None)
    add(outcome="pending", is_success=None)
    add(service_id="s-2")

    stats = runtime.log.stats("s-1", 24)

    assert (stats.calls, stats.succeeded, stats.capped) == (23, 20, False)
    assert stats.p95_ms == pytest.approx(5000, rel=0.05)
    assert stats.success_rate == pytest.approx(20 / 23)
    assert runtime.log.stats("s-1", 1).calls == 0
    assert runtime.log.stats("s-3", 24).success_rate is None
    assert [(error.code, error.count) for error in runtime.log.top_errors("s-1")] == [
        ("READ_TIMEOUT", 2),
        ("CONNECT_REFUSED", 1),
    ]
    assert runtime.log.success_rates() == {"s-1": (23, 20), "s-2": (1, 1)}


@pytest.mark.parametrize(
    ("attempt", "ends"),
    [
        ("unknown", ("unknown", "UNKNOWN")),
        ("succeeded", ("succeeded", "DONE")),
        ("failed", ("failed", "NONE")),
        (None, ("failed", "NONE")),
    ],
)
def test_a_call_whose_process_died_takes_the_word_of_its_attempts(runtime, add, clock, attempt, ends):
    clock.at = START
    runtime.log.open_call(
        {"call_id": 10, "created_at": START, "operation": "email.send", "outcome": "pending"}
    )
    if attempt:
        add(outcome=attempt, call_id=10)
    clock.advance(3600)

    runtime.log.close_orphans(timedelta(minutes=2))

    assert (runtime.log.call(10).outcome, runtime.log.call(10).effect) == ends
