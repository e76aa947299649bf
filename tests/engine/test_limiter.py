"""How fast a service may be called: an operator's limit, and what the service itself says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import FixedClock
from webapp.engine import pace
from webapp.engine.limiter import Limiter
from webapp.engine.vendor_limits import VendorLimits, read_limits
from webapp.state import Rate
from webapp.state.memory import MemoryStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIMIT = {"per_second": 10, "burst": 2}


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def limiter(clock):
    return Limiter(MemoryStore(clock), clock)


def test_without_a_limit_nobody_waits(limiter):
    assert [limiter.take("a", None, 10) for _ in range(100)] == [(True, 0.0)] * 100


def test_a_short_wait_is_waited_and_a_long_one_refused(limiter):
    answers = [limiter.take("a", LIMIT, 20) for _ in range(14)]

    assert [round(wait, 1) for admitted, wait in answers if admitted] == [
        0,
        0,
        *[n / 10 for n in range(1, 11)],
    ]
    assert answers[12:] == [(False, pytest.approx(1.1, abs=1e-3))] * 2


def test_time_for_the_attempt_is_kept(limiter):
    limiter.take("a", {"per_second": 1, "burst": 1}, 20)

    assert limiter.take("a", {"per_second": 1, "burst": 1}, 1.2) == (False, 1.0)
    assert limiter.take("a", {"per_second": 1, "burst": 1}, 1.6) == (True, 1.0)


def test_an_attempt_that_was_not_made_is_given_back(limiter):
    limit = {"per_second": 0.01, "burst": 1}
    limiter.take("a", limit, 20)

    limiter.give_back("a", limit)

    assert limiter.take("a", limit, 20) == (True, 0.0)


def test_a_service_that_asks_for_peace_gets_it(limiter, clock):
    limiter.hear("a", VendorLimits(retry_after_s=30), throttled=True, limit=None)

    assert limiter.take("a", None, 20) == (False, 30.0)
    assert limiter.cool_s("a") == 30
    assert limiter.take("b", None, 20) == (True, 0.0)
    clock.advance(29.5)
    assert limiter.take("a", None, 20) == (True, 0.5), "a short rest is waited"
    clock.advance(1)
    assert limiter.take("a", None, 20) == (True, 0.0)


def test_a_shorter_rest_does_not_end_a_longer_one():
    doc = pace.cooled(pace.cooled(None, 1000, 60), 1010, 5)

    assert pace.cool_s(doc, 1010) == 50


def test_a_rest_is_an_hour_at_most_and_a_clock_set_back_ends_it():
    doc = pace.cooled(None, 1_000_000, 1e9)

    assert pace.cool_s(doc, 1_000_000) == 3600
    assert pace.cool_s(doc, 900_000) == 0


def test_nothing_left_means_rest_until_the_reset(limiter):
    limiter.hear("a", VendorLimits(remaining=0, reset_s=12), throttled=False, limit=None)

    assert limiter.take("a", None, 20) == (False, 12.0)


def test_a_complaint_without_a_time_slows_down_and_minutes_speed_up(limiter, clock):
    seen = []
    for _ in range(8):
        limiter.hear("a", VendorLimits(), throttled=True, limit=LIMIT)
        doc, now = limiter._look("a")
        seen.append(round(pace.share(doc, now), 3))
    assert seen[:3] == [0.7, 0.49, 0.343]
    assert seen[-1] == 0.1
    assert pace.rate_of(LIMIT, doc, now) == Rate(1.0, 1)

    clock.advance(5 * 60)
    assert pace.share(*limiter._look("a")) == pytest.approx(0.6)
    clock.advance(60 * 60)
    assert pace.rate_of(LIMIT, *limiter._look("a")) == Rate(10.0, 2)


def test_what_is_left_is_spread_over_the_time_to_the_reset(limiter, clock):
    limiter.hear("a", VendorLimits(remaining=6, reset_s=60), throttled=False, limit=LIMIT)

    doc, now = limiter._look("a")
    assert pace.rate_of(LIMIT, doc, now) == Rate(0.1, 1)
    assert pace.rate_of(None, doc, now) is None
    clock.advance(61)
    assert pace.rate_of(LIMIT, *limiter._look("a")) == Rate(10.0, 2)


def test_a_service_with_room_is_not_written_about(limiter):
    limiter.hear("a", VendorLimits(remaining=1000, reset_s=1), throttled=False, limit=LIMIT)

    assert limiter._look("a")[0] is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, VendorLimits()),
        ({"retry-after": "2"}, VendorLimits(retry_after_s=2)),
        ({"Retry-After-Ms": "1500"}, VendorLimits(retry_after_s=1.5)),
        ({"Retry-After": "86400"}, VendorLimits(retry_after_s=3600)),
        ({"RateLimit": '"default";r=0;t=30'}, VendorLimits(remaining=0, reset_s=30)),
        ({"RateLimit": '"hour";r=900;t=3000, "burst";r=1;t=2'}, VendorLimits(remaining=900, reset_s=3000)),
        ({"RateLimit": '"hour";r=900;t=100, "burst";r=1;t=2'}, VendorLimits(remaining=1, reset_s=2)),
        ({"RateLimit": "limit=10, remaining=0, reset=7"}, VendorLimits(remaining=0, reset_s=7)),
        ({"ratelimit-remaining": "3", "ratelimit-reset": "9"}, VendorLimits(remaining=3, reset_s=9)),
        (
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 40)},
            VendorLimits(remaining=0, reset_s=40),
        ),
        (
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((int(NOW.timestamp()) + 40) * 1000)},
            VendorLimits(remaining=0, reset_s=40),
        ),
        ({"X-Should-Retry": "false"}, VendorLimits(should_retry=False)),
        ({"Stripe-Should-Retry": "TRUE"}, VendorLimits(should_retry=True)),
        ({"X-Should-Retry": "perhaps"}, VendorLimits()),
    ],
)
def test_headers(headers, expected):
    assert read_limits(headers, NOW) == expected


@pytest.mark.parametrize("value", ["abc", "-5", "1e309", "NaN", "", "inf", "0x10", "1 second"])
def test_junk_is_ignored(value):
    headers = {"Retry-After": value, "RateLimit": f'"a";r={value};t={value}', "X-RateLimit-Reset": value}

    assert read_limits(headers, NOW).wait_s == 0


def test_dates_are_measured_against_the_clock_of_the_vendor():
    theirs = NOW + timedelta(minutes=10)
    headers = {
        "Date": format_datetime(theirs, usegmt=True),
        "Retry-After": format_datetime(theirs + timedelta(seconds=20), usegmt=True),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(theirs.timestamp()) + 30),
    }

    said = read_limits(headers, NOW)

    assert (said.retry_after_s, said.reset_s, said.wait_s) == (20, 30, 20)


def test_a_success_may_say_when_to_ask_for_its_result_without_stopping_anyone():
    assert read_limits({"Retry-After": "60"}, NOW, failed=False).wait_s == 0


NAMES = st.sampled_from(
    [
        "Retry-After",
        "Retry-After-Ms",
        "RateLimit",
        "RateLimit-Remaining",
        "X-RateLimit-Reset",
        "Date",
        "X-Should-Retry",
    ]
)


@given(
    headers=st.dictionaries(
        NAMES, st.one_of(st.text(max_size=60), st.floats().map(str), st.integers().map(str))
    )
)
def test_no_header_raises_or_asks_for_more_than_an_hour(headers):
    said = read_limits(headers, NOW)

    assert 0 <= said.wait_s <= 3600
    assert said.reset_s is None or 0 <= said.reset_s <= 3600
    assert said.remaining is None or said.remaining >= 0
    assert said.rate is None or said.rate >= 0
