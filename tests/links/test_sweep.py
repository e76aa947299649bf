"""The leading process renews tokens before anybody needs them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.links.conftest import Journey, change, row_of, tokens_of
from webapp import links
from webapp.links import sweep
from webapp.models.link import Link, LinkAttempt, LinkUsage
from webapp.models.service import Service
from webapp.models.user import User
from webapp.monitor.scheduler import Monitor


@pytest.fixture
def monitor(runtime):
    made = Monitor(runtime)
    made.lead()
    yield made
    made.stop()


def turn(monitor):
    monitor.lead()
    return monitor.renew_links()


def test_what_is_due_is_renewed_before_it_ends(linked, runtime, clock, monitor, oidc_provider):
    oidc_provider.forget()
    assert turn(monitor) == 0
    clock.advance(55 * 60)

    assert turn(monitor) == 1
    link = row_of(runtime, linked.link_id)
    assert (link.generation, link.state) == (2, "active")
    assert link.expires_at > clock.now() + timedelta(minutes=55)
    assert oidc_provider.asked("POST /token") == 1
    assert turn(monitor) == 0


def test_only_the_leading_process_does_it(linked, runtime, clock, oidc_provider):
    oidc_provider.forget()
    clock.advance(55 * 60)

    assert Monitor(runtime).renew_links() == 0
    assert oidc_provider.asked("POST /token") == 0


def test_an_unused_link_is_only_kept_alive(linked, runtime, clock, monitor):
    change(runtime, linked.link_id, linked_at=clock.now() - timedelta(days=2))
    clock.advance(55 * 60)
    assert turn(monitor) == 1

    due = row_of(runtime, linked.link_id).refresh_due_at
    assert due == clock.now() + timedelta(days=30)
    clock.advance(3600)
    assert turn(monitor) == 0
    assert runtime.links.token(linked.user_id, linked.service_id).generation == 3


def test_who_has_to_sign_in_is_left_alone(linked, runtime, clock, monitor, oidc_provider):
    change(runtime, linked.link_id, state="needs_sign_in")
    clock.advance(7200)
    oidc_provider.forget()

    assert turn(monitor) == 0
    assert oidc_provider.asked("POST /token") == 0


def test_a_revoked_grant_is_found_without_anybody_calling(linked, runtime, clock, monitor, oidc_provider):
    oidc_provider.end_grant(tokens_of(runtime, linked.link_id).refresh)
    clock.advance(55 * 60)
    turn(monitor)
    assert row_of(runtime, linked.link_id).state == "active"
    clock.advance(61)
    turn(monitor)

    assert row_of(runtime, linked.link_id).state == "needs_sign_in"
    with runtime.sessions() as session:
        numbers = links.links_of_service(session, linked.service_id)
    assert (numbers.needs_sign_in, numbers.active) == (1, 0)
    assert [failure.code for failure in numbers.failures] == ["GRANT_REFUSED"]


def test_a_provider_that_only_fails_is_not_asked_for_everybody(
    linked, runtime, clock, monitor, oidc_provider
):
    with runtime.sessions() as session:
        link = session.get_one(Link, linked.link_id)
        for number in range(40):
            person = User(email=f"p{number}@example.com", name="p", role="member")
            session.add(person)
            session.flush()
            copy = {column.name: getattr(link, column.name) for column in Link.__table__.c}
            session.add(
                Link(
                    **copy
                    | {"link_id": f"{number:036x}", "user_id": person.user_id, "account_id": str(number)}
                )
            )
        session.commit()
    clock.advance(55 * 60)
    oidc_provider.forget()
    oidc_provider.disturb("/token", "503", times=999)

    assert turn(monitor) < 20


def test_what_is_over_is_forgotten(linked, runtime, clock, monitor):
    links.disconnect(runtime, linked.link_id, actor="test")
    linked.there()
    clock.advance(timedelta(days=91).total_seconds())
    assert sweep.forget_old(runtime) == 1

    with runtime.sessions() as session:
        left = [
            session.scalar(select(func.count()).select_from(table))
            for table in (Link, LinkAttempt, LinkUsage)
        ]
    assert left == [0, 0, 0]


def test_a_person_who_is_gone_takes_their_links_along(linked, runtime, user):
    other = Journey(runtime, user("kim"), linked.service_id)
    with runtime.sessions() as session:
        session.delete(session.get_one(User, linked.user_id))
        session.commit()

    assert row_of(runtime, linked.link_id) is None
    assert tokens_of(runtime, linked.link_id) is None
    assert other.whole("ann").outcome == "linked"


@pytest.mark.parametrize(
    "change_of", [{"is_enabled": False}, {"deleted_at": True}], ids=["disabled", "deleted"]
)
def test_the_links_of_a_service_that_is_switched_off_wait(
    linked, runtime, clock, monitor, oidc_provider, change_of
):
    with runtime.sessions() as session:
        service = session.get_one(Service, linked.service_id)
        for name, value in change_of.items():
            setattr(service, name, clock.now() if value is True else value)
        session.commit()
    clock.advance(55 * 60)
    oidc_provider.forget()

    assert turn(monitor) == 0
    assert oidc_provider.asked("POST /token") == 0
    with runtime.sessions() as session:
        assert not links.links_of(session, runtime, linked.user_id)[0].is_enabled
