"""Waits between tries: jitter, what the vendor asks for, and the time that is left."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import Effect, Fault
from webapp.engine.classify import of_fault
from webapp.engine.retry import Plan, Policy, pause, plan

REFUSED = of_fault(Fault("x", code="CONNECT_REFUSED", effect=Effect.NONE))
PLENTY = {"here": 1, "in_call": 1, "remaining_s": 20.0, "others": 0, "rng": random.Random(1)}


def throttled(retry_after=None):
    return of_fault(Fault("x", code="VENDOR_RATE_LIMITED", effect=Effect.REJECTED, retry_after=retry_after))


@given(st.integers(1, 10), st.integers())
def test_jitter_is_full_and_capped(tried, seed):
    wait = pause(REFUSED, Policy(), tried, random.Random(seed))

    assert 0 <= wait <= min(5.0, 0.2 * 2 ** (tried - 1))


@given(st.integers(1, 10), st.integers())
def test_a_complaint_without_a_time_waits_at_least_half(tried, seed):
    wait = pause(throttled(), Policy(), tried, random.Random(seed))

    assert 0.5 * min(20, 2 ** (tried - 1)) <= wait <= min(20, 2 ** (tried - 1))


@given(st.floats(0, 5), st.integers())
def test_never_earlier_than_asked(asked, seed):
    assert pause(throttled(asked), Policy(), 1, random.Random(seed)) >= asked


def test_a_key_in_progress_gets_a_second():
    busy = of_fault(Fault("x", code="VENDOR_IDEMPOTENCY_IN_PROGRESS", effect=Effect.UNKNOWN))

    assert pause(busy, Policy(), 1, random.Random(1)) >= 1


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"here": 3}, "attempts"),
        ({"in_call": 4}, "attempts"),
        ({"remaining_s": 0.4}, "time"),
        ({"remaining_s": 2.9, "others": 2}, "time"),
    ],
)
def test_what_forbids_a_retry(how, why):
    assert plan(REFUSED, Policy(), **PLENTY | how) == Plan(None, why)
    assert plan(REFUSED, Policy(), **PLENTY).wait_s is not None


def test_a_long_wait_is_left_to_the_caller():
    assert plan(throttled(3600), Policy(), **PLENTY) == Plan(None, "retry_after")
    assert plan(throttled(2), Policy(), **PLENTY).wait_s >= 2


@given(
    st.fixed_dictionaries(
        {
            "here": st.integers(1, 6),
            "in_call": st.integers(0, 5),
            "remaining_s": st.floats(0, 45),
            "others": st.integers(0, 5),
        }
    ),
    st.integers(1, 5),
    st.integers(),
)
def test_a_wait_always_leaves_time_for_the_attempt(how, attempts, seed):
    found = plan(REFUSED, Policy(attempts=attempts), **how, rng=random.Random(seed))

    if found.wait_s is not None:
        assert how["remaining_s"] - found.wait_s >= max(0.5, 1.5 * how["others"])
        assert how["here"] < attempts
        assert how["in_call"] < 4


def test_a_policy_as_it_is_stored():
    assert Policy.of(None) == Policy(3, 0.2, 5.0)
    assert Policy.of({"max_attempts": 1, "base_ms": 50, "max_ms": 100}) == Policy(1, 0.05, 0.1)
