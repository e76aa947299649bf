"""Of two processes on one database one leads, and the other takes over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from webapp.models.health import Lease
from webapp.monitor.lease import TTL_S, LeaderLease
from webapp.runtime import Runtime


@pytest.fixture
def other(config, clock, runtime):
    """A second process' runtime on the same database."""
    other = Runtime.create(config, clock)
    yield other
    other.close()


@pytest.fixture
def leases(runtime, other, clock):
    return LeaderLease(runtime.engine, clock), LeaderLease(other.engine, clock)


def test_only_one_holds_it(leases):
    first, second = leases

    assert (first.take(), second.take()) == (True, False)
    assert (first.held, second.held) == (True, False)
    assert (first.take(), second.take()) == (True, False)


def test_it_is_handed_over_at_once(leases):
    first, second = leases
    first.take()

    first.release()

    assert not first.held
    assert second.take()


def test_it_falls_to_the_other_when_its_holder_dies(leases, runtime, clock):
    first, second = leases
    first.take()
    with runtime.engine.begin() as connection:
        connection.execute(update(Lease).values(until=clock.now() - timedelta(seconds=1)))
    clock.advance(TTL_S + 1)

    assert not first.held
    assert second.take()
    assert not first.take()


def test_a_holder_stops_acting_before_its_lease_ends(leases, clock):
    first, _ = leases
    first.take()
    clock.advance(TTL_S - 1)

    assert not first.held


def test_releasing_what_another_holds_changes_nothing(leases):
    first, second = leases
    first.take()

    second.release()

    assert not second.take()
