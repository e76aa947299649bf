from __future__ import annotations

import pytest
from sqlalchemy import select

from webapp.accounts import alarm, throttle
from webapp.accounts.throttle import Attempt
from webapp.models.audit import AuditEntry
from webapp.models.session import Throttle

LIN = Attempt("lin@example.com", "203.0.113.7")


def fail(runtime, attempt, times):
    for _ in range(times):
        throttle.note_failure(runtime, attempt)


def test_four_failures_cost_nothing(runtime):
    fail(runtime, LIN, 4)

    assert throttle.wait_seconds(runtime, LIN) == 0


def test_each_failure_beyond_doubles_the_wait_up_to_a_minute(runtime, clock):
    fail(runtime, LIN, 4)
    waits = []
    for _ in range(9):
        fail(runtime, LIN, 1)
        waits.append(throttle.wait_seconds(runtime, LIN))
        clock.advance(60)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_wait_ends(runtime, clock):
    fail(runtime, LIN, 7)
    assert throttle.wait_seconds(runtime, LIN) == 4

    clock.advance(4)

    assert throttle.wait_seconds(runtime, LIN) == 0


def test_an_hour_later_it_starts_anew(runtime, clock):
    fail(runtime, LIN, 12)
    clock.advance(3600)

    fail(runtime, LIN, 1)

    assert throttle.wait_seconds(runtime, LIN) == 0


def test_a_success_forgets_the_failures_of_the_account(runtime):
    fail(runtime, LIN, 5)
    throttle.note_success(runtime, LIN)

    assert throttle.wait_seconds(runtime, LIN) == 0


def test_a_stranger_cannot_slow_down_a_browser_that_was_signed_in_before(runtime):
    fail(runtime, Attempt("lin@example.com", "198.51.100.9"), 15)

    assert throttle.wait_seconds(runtime, Attempt("lin@example.com", "203.0.113.7")) > 0
    assert (
        throttle.wait_seconds(runtime, Attempt("lin@example.com", "203.0.113.7", from_known_browser=True))
        == 0
    )


def test_one_network_may_fail_twenty_times_in_five_minutes(runtime, clock):
    for number in range(20):
        assert throttle.wait_seconds(runtime, Attempt(f"{number}@example.com", "203.0.113.7")) == 0
        fail(runtime, Attempt(f"{number}@example.com", "203.0.113.7"), 1)

    assert throttle.wait_seconds(runtime, Attempt("another@example.com", "203.0.113.7")) == 300
    assert throttle.wait_seconds(runtime, Attempt("another@example.com", "203.0.113.8")) == 0
    clock.advance(300)
    assert throttle.wait_seconds(runtime, Attempt("another@example.com", "203.0.113.7")) == 0


def test_addresses_are_not_kept_as_typed(runtime):
    fail(runtime, Attempt("my password by mistake", "203.0.113.7"), 1)

    with runtime.sessions() as session:
        assert not any("password" in row.key for row in session.query(Throttle))


def test_old_rows_are_swept(runtime, clock):
    fail(runtime, LIN, 1)
    clock.advance(25 * 3600)
    fail(runtime, Attempt("other@example.com", "198.51.100.9"), 1)

    with runtime.sessions() as session:
        assert session.query(Throttle).count() == 2


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_a_household_is_one_network(address, network):
    assert throttle.network_of(address) == network


def mistype(runtime, number, address="203.0.113.9"):
    throttle.note_failure(runtime, Attempt(f"p{number}@example.com", address))


def test_many_accounts_with_few_tries_each_ring_once_an_hour(runtime, clock, session, caplog):
    for number in range(alarm.ACCOUNTS - 1):
        mistype(runtime, number, f"198.51.100.{number}")
        mistype(runtime, number, f"198.51.100.{number}")
    assert alarm.ringing(session, runtime) is None

    mistype(runtime, alarm.ACCOUNTS)
    mistype(runtime, alarm.ACCOUNTS + 1)

    session.rollback()
    assert alarm.ringing(session, runtime).accounts == alarm.ACCOUNTS
    assert "Sign-ins to 20 accounts failed" in caplog.text
    rung = select(AuditEntry).where(AuditEntry.action == "sign_in.alarm")
    assert [entry.detail for entry in session.scalars(rung)] == [{"accounts": 20, "minutes": 60}]
    clock.advance(60 * 60)
    assert alarm.ringing(session, runtime) is None


def test_who_mistypes_and_then_comes_in_does_not_count(runtime, session):
    for number in range(alarm.ACCOUNTS * 2):
        mistype(runtime, number)
        throttle.note_success(runtime, Attempt(f"p{number}@example.com", "203.0.113.9"))

    assert alarm.ringing(session, runtime) is None
