"""API tokens on their page: made with what they may do, shown once, revoked at once."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from webapp.models.audit import AuditEntry
from webapp.models.token import ApiToken

PAGE = "/settings/tokens"
TEXT = re.compile(r"pb_[a-z2-7]{8}_[A-Za-z0-9_-]{43}[0-9a-f]{8}")
FORM = {"name": "Shop", "scopes": ["services:read", "calls:write"], "days": "30", "networks": ""}


def make(client, **changes):
    return client.post(f"{PAGE}/new", data=FORM | changes)


def use(client, text, address="127.0.0.1", path="/integrations/services"):
    environ = {"REMOTE_ADDR": address}
    return client.get(path, headers={"Authorization": f"Bearer {text}"}, environ_base=environ).status_code


def test_a_token_is_shown_once_and_works(app, admin_client, runtime, clock):
    answer = make(admin_client)
    text = TEXT.search(answer.text)[0]

    assert use(app.test_client(), text) == 200
    assert use(app.test_client(), text, path="/integrations/logs") == 403
    page = admin_client.get(PAGE).text
    assert not TEXT.search(page)
    assert "Shop" in page
    assert "calls:write" in page
    with runtime.sessions() as session:
        row = session.scalars(select(ApiToken)).one()
        assert (row.created_by, row.last_used_ip, row.networks) == ("admin@example.com", "127.0.0.1", None)
        assert (row.expires_at - row.created_at).days == 30
        entries = [str(entry.detail) for entry in session.scalars(select(AuditEntry))]
    assert text not in str(entries)


def test_it_ends_by_itself(app, admin_client, clock):
    text = TEXT.search(make(admin_client, days="7").text)[0]
    clock.advance(7 * 24 * 3600)

    assert use(app.test_client(), text) == 401


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ("203.0.113.0/24", "203.0.113.9", 200),
        ("203.0.113.0/24", "::ffff:203.0.113.9", 200),
        ("203.0.113.7", "203.0.113.7", 200),
        ("203.0.113.0/24\r\n2001:db8::/32", "2001:db8::1", 200),
        ("203.0.113.0/24", "198.51.100.1", 403),
        ("203.0.113.0/24", "127.0.0.1", 403),
        ("0.0.0.0/0", "2001:db8::1", 403),
    ],
)
def test_it_may_be_bound_to_networks(app, admin_client, networks, address, status):
    text = TEXT.search(make(admin_client, networks=networks).text)[0]

    assert use(app.test_client(), text, address) == status


def test_a_forged_forwarding_header_does_not_move_the_caller(app, admin_client):
    text = TEXT.search(make(admin_client, networks="203.0.113.0/24").text)[0]
    headers = {"Authorization": f"Bearer {text}", "X-Forwarded-For": "203.0.113.9"}

    assert app.test_client().get("/integrations/services", headers=headers).status_code == 403


def test_revoking_ends_it_at_once(app, admin_client):
    text = TEXT.search(make(admin_client).text)[0]

    answer = admin_client.post(f"{PAGE}/{text[3:11]}/revoke", follow_redirects=True)

    assert "Revoked" in answer.text
    assert use(app.test_client(), text) == 401


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "Give the token a name"),
        ({"name": "x" * 121}, "Give the token a name"),
        ({"scopes": []}, "at least one scope"),
        ({"scopes": ["secret:reveal"]}, "There is no scope secret:reveal"),
        ({"days": "9999"}, "Not a valid choice"),
        ({"days": "x"}, "Invalid Choice"),
        ({"networks": "everywhere"}, "everywhere is not a network"),
        ({"networks": " ".join(f"10.0.0.{n}" for n in range(21))}, "At most 20 networks"),
    ],
)
def test_bad_input_is_explained_and_makes_nothing(admin_client, runtime, changes, message):
    answer = make(admin_client, **changes)

    assert answer.status_code == 422
    assert message in answer.text
    with runtime.sessions() as session:
        assert session.scalars(select(ApiToken)).all() == []


def test_fields_that_are_not_on_the_form_are_refused(admin_client):
    assert make(admin_client, created_by="owner@example.com").status_code == 422
    assert make(admin_client, name=["a", "b"]).status_code == 400


def test_an_unknown_token_is_not_found(admin_client):
    assert admin_client.post(f"{PAGE}/aaaaaaaa/revoke").status_code == 404


def test_what_was_chosen_stays_when_something_is_wrong(admin_client):
    page = make(admin_client, name="").text

    assert re.search(r'value="calls:write" checked', page)
    assert not re.search(r'value="logs:read" checked', page)
