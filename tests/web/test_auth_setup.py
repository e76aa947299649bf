"""The first visit: a link that makes the owner, once."""

from __future__ import annotations

import dataclasses

import pytest

from tests.codes import enrol
from tests.people import PASSWORD, form_token, make_user
from webapp.accounts import setup
from webapp.accounts.passwords import Cost
from webapp.models.session import SetupToken
from webapp.models.user import User

FORM = {"name": "Lin", "email": "lin@example.com", "password": PASSWORD, "locale": "en"}


@pytest.fixture
def link(app, runtime):
    app.config["PASSWORD_COST"] = Cost(memory=8, passes=1, lanes=1)
    with runtime.sessions() as session:
        token = setup.issue(session, runtime)
        session.commit()
    return f"/setup/{token}"


def send(client, link, **changes):
    return client.post(link, data={"csrf_token": form_token(client, link), **FORM, **changes})


def people(runtime):
    with runtime.sessions() as session:
        return [(user.email, user.role) for user in session.query(User)]


def test_the_link_makes_the_owner_and_signs_them_in(client, runtime, link):
    answer = send(client, link)

    assert (answer.status_code, answer.location) == (303, "/")
    assert people(runtime) == [("lin@example.com", "owner")]
    assert client.get("/").location == "/settings/integrations"


def test_the_owner_sets_up_a_second_step_before_anything_else(app, client, clock, link, runtime):
    runtime.config = dataclasses.replace(runtime.config, require_mfa=True)

    answer = send(client, link)

    page = client.get(answer.location, follow_redirects=True)
    assert page.request.path == "/account/second-step/add"
    client.environ_base["HTTP_X_CSRFTOKEN"] = form_token(client)
    enrol(client, clock)
    assert client.get("/").location == "/settings/integrations"


def test_it_works_once(app, client, runtime, link):
    form = {"csrf_token": form_token(client, link), **FORM}
    other = app.test_client()
    other_form = {"csrf_token": form_token(other, link), **FORM, "email": "second@example.com"}

    assert client.post(link, data=form).status_code == 303
    answer = other.post(link, data=other_form)

    assert answer.status_code == 410
    assert "has an owner already" in answer.text
    assert people(runtime) == [("lin@example.com", "owner")]


def test_it_expires_after_half_an_hour(client, clock, runtime, link):
    form = {"csrf_token": form_token(client, link), **FORM}
    clock.advance(30 * 60)

    answer = client.post(link, data=form)

    assert answer.status_code == 410
    assert "flask --app wsgi init" in answer.text
    assert people(runtime) == []


def test_it_is_useless_once_there_is_an_owner(app, client, runtime, link):
    make_user(app, "owner", "first@example.com")

    assert client.get(link).status_code == 410
    with runtime.sessions() as session, pytest.raises(setup.SetupRefused):
        setup.issue(session, runtime)


def test_a_new_link_ends_the_old_one(client, runtime, link):
    with runtime.sessions() as session:
        setup.issue(session, runtime)
        session.commit()

    assert client.get(link).status_code == 410


@pytest.mark.parametrize("token", ["x", "0" * 43, "../login", "%00"])
def test_an_invented_link_reads_like_a_spent_one(client, link, token):
    assert client.get(f"/setup/{token}").status_code in {404, 410}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"email": "lin"}, "Enter an email address"),
        ({"email": "lin@example.com\r\nBcc: x@example.com"}, "Enter an email address"),
        ({"email": ""}, "Enter an email address"),
        ({"name": ""}, "Enter a name"),
        ({"name": "x" * 121}, "Enter a name"),
        ({"name": "Lin\x00"}, "Enter a name"),
        ({"password": "short"}, "at least 12"),
        ({"password": "lin@example.com"}, "easy to guess"),
        ({"password": "x" * 129}, "at most 128"),
        ({"locale": "tlh"}, "Not a valid choice"),
    ],
)
def test_bad_input_is_explained_and_saves_nothing(client, runtime, link, changes, message):
    answer = send(client, link, **changes)

    assert answer.status_code == 422
    assert message in answer.text
    assert people(runtime) == []
    assert client.get(link).status_code == 200


def test_everything_wrong_is_said_at_once(client, link):
    answer = send(client, link, email="", name="", password="x")

    assert "There are 3 problems" in answer.text


def test_only_a_hash_of_the_link_is_stored(runtime, link):
    with runtime.sessions() as session:
        stored = session.query(SetupToken).one()

    assert stored.token_hash not in link
    assert len(stored.token_hash) == 64


def test_the_sign_in_page_says_that_an_owner_is_missing(app, client):
    assert "no owner yet" in client.get("/login").text

    make_user(app, "owner")

    assert "no owner yet" not in client.get("/login").text


def test_roles_cannot_be_smuggled_in(client, runtime, link):
    for extra in ("role", "user_id", "is_active"):
        assert send(client, link, **{extra: "member"}).status_code == 422

    assert people(runtime) == []
