"""What people's access adds to the list of what ends: one line for each provider, the first of all its links."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.people import make_user, sign_in
from webapp.models.link import Link
from webapp.models.user import User
from webapp.registry import expiry, services
from webapp.registry.reminders import remind


@pytest.fixture
def accounts(runtime, session):
    """A provider that accounts are linked at; nothing is asked of it here."""
    made = services.create(
        session, runtime, name="Accounts", service_type="OAUTH_PROVIDER_GITHUB", actor="test", origin="cli",
        configurations={"client_id": "patchbay", "client_secret": "a-secret-of-ours"}, is_enabled=True,
    )  # fmt: skip
    session.commit()
    return made.service_id


@pytest.fixture
def link(session, accounts, clock):
    """Adds the link of another person each time; ends are given in days from now."""
    count = iter(range(100))

    def make(*, again=None, access=None, **members):
        number = next(count)
        person = User(email=f"p{number}@example.com", name="P", role="member")
        session.add(person)
        session.flush()
        ends = {
            name: clock.now() + timedelta(days=days)
            for name, days in (("refresh_expires_at", again), ("expires_at", access))
            if days is not None
        }
        values = (
            {"can_refresh": again is not None, "account_id": str(number), "account_label": "a"}
            | ends
            | members
        )
        session.add(Link(user_id=person.user_id, service_id=accounts, **values))
        session.commit()

    return make


def found(session, clock):
    return [one for one in expiry.endings(session, clock.now()) if one.kind == "link"]


def test_the_first_to_end_stands_for_all(session, link, clock, accounts):
    link(again=90, access=0.04)
    link(again=20, access=0.04)
    link(access=40)

    (ending,) = found(session, clock)
    assert (ending.service_id, ending.service_name, ending.days_left(clock.now())) == (
        accounts,
        "Accounts",
        20,
    )
    assert ending.state(clock.now()) == "soon"


@pytest.mark.parametrize(
    "members",
    [
        {"access": 0.04},
        {"can_refresh": True, "access": 0.04},
        {"again": -1},
        {"again": 5, "state": "ended"},
        {"again": 5, "state": "needs_sign_in"},
        {},
    ],
    ids=["short", "renews itself", "over", "ended", "asked already", "for ever"],
)
def test_what_nobody_has_to_be_ready_for_is_not_listed(session, link, clock, members):
    link(**members)

    assert found(session, clock) == []


def test_nobody_is_reminded_of_the_access_of_others(session, runtime, link):
    link(again=5)

    assert remind(session, runtime) == []


def test_it_stands_on_the_page_and_in_the_api(app, client, link, token, accounts):
    link(again=5)

    page = sign_in(app.test_client(), make_user(app, "viewer")).get("/settings/expirations").text
    items = client.get("/integrations/expirations", headers=token()).json["items"]
    (item,) = (one for one in items if one["kind"] == "link")

    assert "First linked account to sign in again" in page
    assert f"/settings/integrations/{accounts}/links" in page
    assert (item["kind"], item["service_id"], item["days_left"], item["reminded"]) == (
        "link",
        accounts,
        5,
        None,
    )
