"""Tokens are renewed ahead of their end, by one thread of one process, and nothing is given up in doubt."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from adapters.kit import FixedClock
from tests.links.conftest import change, row_of, tokens_of
from webapp.links import LinkUnusable, renewing
from webapp.models.service import Service


@pytest.fixture
def near_end(linked, runtime):
    """A link whose token ends in a minute."""
    now = runtime.clock.now()
    change(
        runtime,
        linked.link_id,
        expires_at=now + timedelta(minutes=1),
        refreshed_at=now - timedelta(minutes=59),
    )
    return linked


@pytest.fixture
def over(linked, runtime):
    """A link whose token has ended."""
    change(runtime, linked.link_id, expires_at=runtime.clock.now() - timedelta(minutes=1))
    return linked


def token(journey):
    return journey.runtime.links.token(journey.user_id, journey.service_id)


def unusable(journey):
    with pytest.raises(LinkUnusable) as caught:
        token(journey)
    return caught.value


def test_a_token_that_lasts_is_not_renewed(linked, oidc_provider):
    oidc_provider.forget()

    assert token(linked).access_token.get_secret_value() == tokens_of(linked.runtime, linked.link_id).access
    assert oidc_provider.asked("POST /token") == 0


def test_it_is_renewed_ahead_of_its_end_and_rotates(near_end, runtime, oidc_provider):
    before = tokens_of(runtime, near_end.link_id)
    found = token(near_end)
    after = tokens_of(runtime, near_end.link_id)

    assert found.access_token.get_secret_value() == after.access != before.access
    assert after.refresh != before.refresh
    assert oidc_provider.is_live(after.access)
    link = row_of(runtime, near_end.link_id)
    assert (link.generation, link.lease_until, link.failures, link.state) == (2, None, 0, "active")
    assert link.expires_at - runtime.clock.now() > timedelta(minutes=59)


def test_renewal_after_renewal_works(linked, runtime, oidc_provider):
    for _ in range(3):
        change(runtime, linked.link_id, expires_at=runtime.clock.now())
        assert oidc_provider.is_live(token(linked).access_token.get_secret_value())
    assert row_of(runtime, linked.link_id).generation == 4


def test_threads_renew_once(over, oidc_provider, runtime):
    oidc_provider.forget()
    found, begin = [], threading.Barrier(20)

    def ask():
        begin.wait()
        found.append(token(over).access_token.get_secret_value())

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert oidc_provider.asked("POST /token") == 1
    assert set(found) == {tokens_of(runtime, over.link_id).access}
    assert len(found) == 20


@pytest.mark.parametrize("kind", ["500", "503", "429", "garbage", "hangup", "404"])
def test_an_outage_is_not_a_revocation(over, oidc_provider, runtime, clock, kind):
    before = tokens_of(runtime, over.link_id)
    oidc_provider.disturb("/token", kind, times=9)
    told = unusable(over)
    unusable(over)

    link = row_of(runtime, over.link_id)
    assert (told.code, link.state, link.refusals) == ("LINK_UNAVAILABLE", "active", 0)
    assert told.retry_after_s > 0
    assert link.failures == 1
    assert link.lease_until is None
    assert tokens_of(runtime, over.link_id) == before
    oidc_provider.recover()
    clock.advance(31)
    if kind == "hangup":  # the provider may have rotated before it hung up
        return
    assert oidc_provider.is_live(token(over).access_token.get_secret_value())
    assert row_of(runtime, over.link_id).failures == 0


def test_silence_ends_by_itself(over, oidc_provider, runtime):
    with runtime.sessions() as session:
        session.get_one(Service, over.service_id).default_timeout_ms = 300
        session.commit()
    oidc_provider.disturb("/token", "silence")

    assert unusable(over).code == "LINK_UNAVAILABLE"
    assert row_of(runtime, over.link_id).state == "active"


def test_an_outage_is_tried_again_ever_more_rarely(over, oidc_provider, runtime, clock):
    oidc_provider.disturb("/token", "503", times=99)
    waits = []
    for _ in range(8):
        unusable(over)
        link = row_of(runtime, over.link_id)
        waits.append((link.refresh_due_at - clock.now()).total_seconds())
        clock.advance(waits[-1] + 1)
        change(runtime, over.link_id, expires_at=clock.now() - timedelta(seconds=1))

    assert waits == sorted(waits)
    assert waits[0] == 30
    assert waits[-1] == 1800


def test_a_token_that_still_works_is_used_through_an_outage(near_end, oidc_provider, runtime):
    oidc_provider.disturb("/token", "503", times=9)
    before = tokens_of(runtime, near_end.link_id).access

    assert token(near_end).access_token.get_secret_value() == before
    assert row_of(runtime, near_end.link_id).failures == 1


def test_one_refusal_is_not_believed(over, oidc_provider, runtime):
    oidc_provider.end_grant(tokens_of(runtime, over.link_id).refresh)

    assert unusable(over).code == "LINK_UNAVAILABLE"
    link = row_of(runtime, over.link_id)
    assert (link.state, link.refusals, link.failure) == ("active", 1, "GRANT_REFUSED")
    assert tokens_of(runtime, over.link_id) is not None


def test_a_second_refusal_a_minute_later_asks_for_the_person(over, oidc_provider, runtime, clock):
    oidc_provider.end_grant(tokens_of(runtime, over.link_id).refresh)
    unusable(over)
    oidc_provider.forget()
    clock.advance(30)
    assert unusable(over).code == "LINK_UNAVAILABLE"
    assert oidc_provider.asked("POST /token") == 0
    clock.advance(31)

    assert unusable(over).code == "LINK_NEEDS_SIGN_IN"
    assert row_of(runtime, over.link_id).state == "needs_sign_in"
    assert tokens_of(runtime, over.link_id) is not None
    assert over.whole("ann").outcome == "renewed"
    assert row_of(runtime, over.link_id).state == "active"
    assert oidc_provider.is_live(token(over).access_token.get_secret_value())


def test_a_refusal_of_the_client_is_not_the_fault_of_the_person(over, oidc_provider, runtime, clock):
    oidc_provider.disturb("/token", "401", times=99, body={"error": "invalid_client"})
    for _ in range(3):
        assert unusable(over).code == "LINK_UNAVAILABLE"
        clock.advance(3600)

    link = row_of(runtime, over.link_id)
    assert (link.state, link.failure, link.refusals) == ("active", "VENDOR_AUTH_REJECTED", 0)


def test_a_token_without_renewal_ends(linked, runtime):
    change(runtime, linked.link_id, can_refresh=False, expires_at=runtime.clock.now())

    assert unusable(linked).code == "LINK_NEEDS_SIGN_IN"
    assert row_of(runtime, linked.link_id).state == "needs_sign_in"


def test_who_comes_second_reads_again(over, runtime, oidc_provider):
    """The lease of another process: nothing is sent, and what it brings is used."""
    now = runtime.clock.now()
    change(runtime, over.link_id, lease_until=now + timedelta(seconds=60), lease_by="of another process")
    oidc_provider.forget()

    assert renewing.renew(runtime, over.link_id, 1) == "busy"
    assert oidc_provider.asked("POST /token") == 0
    assert unusable(over).code == "LINK_UNAVAILABLE"  # twenty seconds later
    change(runtime, over.link_id, expires_at=now + timedelta(hours=1), generation=2)
    assert token(over).generation == 2


def test_the_lease_of_a_dead_process_ends(over, runtime, clock):
    change(runtime, over.link_id, lease_until=clock.now() + renewing.LEASE, lease_by="of a dead process")
    clock.advance(61)

    assert token(over).generation == 2


def test_a_lease_lasts_longer_than_any_request():
    from webapp.links.provider import REQUEST_MS

    assert renewing.LEASE.total_seconds() * 1000 >= 2 * REQUEST_MS


def test_a_link_that_was_ended_meanwhile_does_not_come_back(over, runtime, oidc_provider):
    """The person disconnects elsewhere while the new token is on its way: it is given back."""
    oidc_provider.disturb("/token", "hold")
    told = []
    thread = threading.Thread(target=lambda: told.append(unusable(over).code))
    thread.start()
    oidc_provider.wait_for("POST /token", 2)
    change(runtime, over.link_id, state="ended", ended_at=runtime.clock.now())
    before = tokens_of(runtime, over.link_id)
    oidc_provider.recover()
    thread.join()

    assert told == ["LINK_MISSING"]
    assert tokens_of(runtime, over.link_id) == before
    assert oidc_provider.asked("POST /token/revocation") == 1


def test_a_database_that_is_away_for_a_moment_costs_nobody_a_link(over, runtime):
    tries = []

    def away_twice(_connection, _cursor, statement, *_rest):
        if statement.startswith("UPDATE link_tokens"):
            tries.append(statement)
            if len(tries) < 3:
                raise OperationalError(statement, {}, Exception("the database is away"))

    event.listen(runtime.engine, "before_cursor_execute", away_twice)
    assert token(over).generation == 2
    assert len(tries) == 3


def test_links_are_renewed_at_different_times():
    from adapters.kit.accounts import Grant

    now = FixedClock().now()
    grant = Grant("a", "r", expires_in=3600)
    due = {
        renewing.lifetimes(now, grant, used_at=now, link_id=f"x{number:04x}")["refresh_due_at"]
        for number in range(0, 65536, 4096)
    }

    assert len(due) == 16
    assert max(due) <= now + timedelta(minutes=55)
    assert min(due) >= now + timedelta(minutes=52)
