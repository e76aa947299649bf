"""Retries stay the smaller part of the load of a service in trouble."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import FixedClock
from webapp.engine.budget import Budget


def test_a_storm_gets_twenty_retries_and_six_a_minute_more():
    clock = FixedClock()
    budget = Budget(clock)
    retries = 0
    for _ in range(3000):
        retries += budget.spend("a")
        clock.advance(0.02)

    assert 25 <= retries <= 26
    assert budget.spend("b")


def test_first_successes_earn_a_tenth():
    budget = Budget(FixedClock())
    while budget.spend("a"):
        pass

    for _ in range(9):
        budget.earn("a")
    assert not budget.has("a")
    budget.earn("a")
    budget.earn("a")

    assert budget.has("a")
    assert budget.spend("a")
    assert not budget.spend("a")


def test_nobody_earns_more_than_a_full_purse():
    budget = Budget(FixedClock())
    budget.earn("a")
    budget.spend("a")
    for _ in range(1000):
        budget.earn("a")

    assert sum(budget.spend("a") for _ in range(100)) == 20


@given(st.lists(st.tuples(st.sampled_from(["retry", "success"]), st.floats(0, 3)), max_size=300))
def test_retries_never_exceed_the_budget(trace):
    clock = FixedClock()
    budget = Budget(clock)
    retries = successes = 0
    for what, pause in trace:
        clock.advance(pause)
        if what == "retry":
            retries += budget.spend("a")
        else:
            successes += 1
            budget.earn("a")
        assert retries <= 20 + 0.1 * successes + 0.1 * clock.monotonic() + 1e-6
