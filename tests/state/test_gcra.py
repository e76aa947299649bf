"""No window ever holds more than the burst and what the rate earns in it; who waits as told may start."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.kit import FixedClock
from webapp.state.gcra import Rate, take
from webapp.state.memory import MemoryStore
from webapp.state.sqlite import SqliteState

RATES = st.builds(Rate, st.floats(0.01, 1000), st.integers(1, 50))
SMALL = 1e-6


@settings(max_examples=200, deadline=None)
@given(rate=RATES, steps=st.lists(st.tuples(st.floats(0, 5), st.sampled_from([0, 0.5, 1])), max_size=50))
def test_bound(rate, steps):
    now, arrival, started = 1000.0, None, []
    for pause, patience in steps:
        now += pause
        after, wait = take(arrival, now, rate, 1, patience)
        if after is not None:
            arrival = after
            started.append(now + wait)
    started.sort()
    # The same as looking at every pair: the n-th start is never earlier than the rate allows after any other.
    credit = [number - rate.per_second * at for number, at in enumerate(started, start=1)]
    lowest = float("inf")
    for place, value in enumerate(credit):
        lowest = min(lowest, value)
        assert value - lowest + 1 <= rate.burst + 1e-3, place


@settings(max_examples=200, deadline=None)
@given(rate=RATES, before=st.lists(st.floats(0, 2), max_size=40), cost=st.integers(1, 100))
def test_liveness(rate, before, cost):
    now, arrival = 1000.0, None
    for pause in before:
        now += pause
        after, _ = take(arrival, now, rate, 1, 0)
        arrival = after if after is not None else arrival
    after, wait = take(arrival, now, rate, cost, 0)
    if after is None:
        assert wait > 0
        after, wait = take(arrival, now + wait + SMALL, rate, cost, 0)
        assert after is not None


@given(rate=RATES, ahead=st.floats(0, 1e9))
def test_a_clock_that_was_set_back_blocks_nobody_for_long(rate, ahead):
    _, wait = take(1000.0 + ahead, 1000.0, rate, 1, 0)

    assert wait <= 2 * (rate.window_s + 1) + rate.interval_s


def test_a_refusal_takes_nothing():
    store, rate = MemoryStore(FixedClock()), Rate(1, burst=1)
    assert store.take("a", rate) == 0

    assert [store.take("a", rate) for _ in range(5)] == [1.0] * 5
    assert store.take("a", rate, patience_s=1) == 1.0, "reserved"
    assert store.take("a", rate, patience_s=1) == 2.0, "refused"


def test_what_is_given_back_can_be_taken_again():
    store, rate = MemoryStore(FixedClock()), Rate(1, burst=2)
    store.take("a", rate, cost=2)
    assert store.take("a", rate) > 0

    store.give_back("a", rate)

    assert store.take("a", rate) == 0
    store.give_back("b", rate)
    assert store.read(["b"])[0] == [None]


def test_each_store_keeps_the_bound(store, prefix):
    rate = Rate(0.001, burst=5)

    waits = [store.take(f"{prefix}limit", rate) for _ in range(8)]

    assert waits[:5] == [0] * 5
    assert min(waits[5:]) > 900
    store.give_back(f"{prefix}limit", rate)
    assert store.take(f"{prefix}limit", rate) == pytest.approx(0, abs=0.01)


def test_a_share_of_a_limit_lets_one_call_start():
    assert Rate(10, burst=2).scaled(0.1) == Rate(1, burst=1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=RATES,
    steps=st.lists(st.tuples(st.floats(-3, 5), st.integers(1, 4), st.sampled_from([0, 0.5, 1])), max_size=30),
)
def test_one_statement_says_the_same_as_the_arithmetic(rate, steps, tmp_path_factory):
    clock = FixedClock()
    files = SqliteState(tmp_path_factory.mktemp("state") / "state.db", clock)
    memory = MemoryStore(clock)
    for pause, cost, patience in steps:
        clock.advance(pause)
        waits = [store.take("a", rate, cost=cost, patience_s=patience) for store in (files, memory)]
        assert waits[0] == pytest.approx(waits[1], abs=1e-4)
    files.close()
