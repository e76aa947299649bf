"""Staff who sign in through their organisation's provider."""

from __future__ import annotations

import dataclasses
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select

from tests.people import make_user, sign_in
from tests.web.idp import CLIENT_ID, CLIENT_SECRET, Provider
from webapp.accounts import oidc
from webapp.models.audit import AuditEntry
from webapp.models.user import User
from webapp.oidcconfig import Provider as Settings

START = "/login/provider"


@pytest.fixture
def idp(clock):
    provider = Provider(clock)
    yield provider
    provider.stop()
    oidc._documents.clear()


@pytest.fixture
def config(config, idp):
    settings = Settings(
        idp.issuer,
        CLIENT_ID,
        CLIENT_SECRET,
        name="Example Ltd",
        domains=("example.com",),
        default_role="viewer",
        roles=(("admins", "admin"), ("support", "operator")),
    )
    return dataclasses.replace(config, oidc=settings, require_mfa=True)


def come(client, idp, start=START):
    """Go to the provider and come back."""
    return client.get(idp.authorize(client.get(start).location))


def is_in(client):
    return client.get("/account").status_code == 200


def person(runtime, email="lin@example.com"):
    with runtime.sessions() as session:
        return session.scalars(select(User).where(User.email == email)).one_or_none()


def test_a_person_of_the_organisation_is_let_in(client, idp, runtime):
    assert "Sign in with Example Ltd" in client.get("/login").text

    answer = come(client, idp, f"{START}?next=/settings/routes")

    assert (answer.status_code, answer.location) == (303, "/settings/routes")
    assert is_in(client)
    found = person(runtime)
    assert (found.role, found.name, found.password_hash) == ("viewer", "Lin", None)
    with runtime.sessions() as session:
        actions = [(entry.actor, entry.action) for entry in session.scalars(select(AuditEntry))]
    assert actions == [("oidc", "user.create"), ("lin@example.com", "sign_in")]


def test_they_are_known_again_even_under_a_new_address(app, idp, runtime):
    come(app.test_client(), idp)
    idp.person = idp.person | {"email": "lin.new@example.com"}

    come(app.test_client(), idp)

    with runtime.sessions() as session:
        assert len(session.scalars(select(User)).all()) == 1


def test_an_account_that_exists_is_linked_by_its_verified_address(app, client, idp, runtime):
    user = make_user(app, "operator", "lin@example.com")

    come(client, idp)

    assert person(runtime).user_id == user.user_id
    assert person(runtime).role == "viewer", "the provider decides on roles here"


def test_a_provider_that_does_not_decide_on_roles_leaves_them(app, client, idp, runtime):
    runtime.config = dataclasses.replace(
        runtime.config, oidc=dataclasses.replace(runtime.config.oidc, roles=(), default_role="member")
    )
    make_user(app, "operator", "lin@example.com")

    come(client, idp)

    assert person(runtime).role == "operator"


def test_who_has_no_role_there_is_not_let_in(client, idp, runtime):
    runtime.config = dataclasses.replace(
        runtime.config, oidc=dataclasses.replace(runtime.config.oidc, default_role=None)
    )

    assert come(client, idp).location == "/login"
    assert "You have no access here" in client.get("/login").text
    assert person(runtime) is None


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["admins"], "admin"),
        (["support"], "operator"),
        (["support", "admins"], "admin"),
        ("support", "operator"),
        (["x"], "viewer"),
        (7, "viewer"),
        (None, "viewer"),
    ],
)
def test_groups_decide_on_the_role(client, idp, runtime, groups, role):
    idp.person["groups"] = groups if not isinstance(groups, int) else [groups]

    come(client, idp)

    assert person(runtime).role == role


def test_the_role_follows_the_groups_at_each_sign_in_but_the_last_owner_stays(app, idp, runtime):
    idp.person["groups"] = ["admins"]
    come(app.test_client(), idp)
    idp.person["groups"] = ["support"]
    come(app.test_client(), idp)
    assert person(runtime).role == "operator"
    with runtime.sessions() as session:
        session.scalars(select(User)).one().role = "owner"
        session.commit()

    come(app.test_client(), idp)

    assert person(runtime).role == "owner"


def test_no_second_step_is_asked_of_them_here(client, idp):
    idp.person["groups"] = ["admins"]

    come(client, idp)

    assert client.get("/settings/users").status_code == 200


@pytest.mark.parametrize(
    "bent",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": ["patch bay", "other"], "azp": "other"},
        {"aud": None},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"iat": 9_999_999_999},
        {"sub": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"email": "lin@evil.example"},
        {"email": "lin@sub.example.com"},
        {"email": None},
        {"email": "no address"},
    ],
    ids=str,
)
def test_a_token_that_does_not_fit_opens_nothing(client, idp, runtime, bent):
    idp.bent = bent

    answer = come(client, idp)

    assert answer.location == "/login"
    assert not is_in(client)
    assert person(runtime) is None


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256", "kid": "one"}])
def test_unsigned_tokens_and_shared_secrets_are_refused(client, idp, header):
    idp.header = header

    assert come(client, idp).location == "/login"
    assert not is_in(client)


def test_a_key_the_provider_does_not_publish_is_refused(client, idp):
    idp.key = RSAKey.generate_key(2048, {"kid": "one"})

    assert come(client, idp).location == "/login"


def test_a_new_key_of_the_provider_is_found(app, idp, clock):
    come(app.test_client(), idp)
    idp.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
    idp.published, idp.header = [idp.key], {"alg": "RS256", "kid": "two"}
    clock.advance(61)
    client = app.test_client()

    come(client, idp)

    assert is_in(client)
    assert idp.requests.count("keys") == 2


def test_the_way_back_works_once_and_on_the_same_browser(app, client, idp):
    way = idp.authorize(client.get(START).location)
    stranger = app.test_client()

    assert stranger.get(way).location == "/login"
    assert not is_in(stranger)
    assert client.get(way).location == "/"
    again = client.get(way)
    assert again.location == "/login"


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=x&code=x", "?error=access_denied&state=x", "?state=%00"]
)
def test_an_invented_way_back_opens_nothing(client, idp, query):
    client.get(START)

    assert client.get(f"{START}/back{query}").location == "/login"


def test_it_may_not_take_for_ever(client, idp, clock):
    way = idp.authorize(client.get(START).location)
    clock.advance(600)

    assert client.get(way).location == "/login"


def test_another_issuer_in_the_answer_is_refused(client, idp):
    way = idp.authorize(client.get(START).location).partition("&iss=")[0]

    assert client.get(f"{way}&iss=https://evil.example").location == "/login"


def test_a_disabled_person_stays_out(app, client, idp, runtime):
    come(client, idp)
    with runtime.sessions() as session:
        session.scalars(select(User)).one().is_active = False
        session.commit()
    other = app.test_client()

    assert come(other, idp).location == "/login"
    assert not is_in(other)
    assert not is_in(client)


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_it_leads_to_our_own_pages_only(client, idp, target):
    assert come(client, idp, f"{START}?next={target}").location == "/"


def test_a_provider_that_does_not_answer_is_said_plainly(client, idp):
    idp.status = 500
    assert come(client, idp).location == "/login"
    assert "not completed" in client.get("/login").text
    idp.issuer += "/elsewhere"
    oidc._documents.clear()

    assert client.get(START).location == "/login"
    assert "does not answer as it should" in client.get("/login").text


def test_confirming_asks_the_provider_again(client, idp, clock):
    idp.person["groups"] = ["admins"]
    come(client, idp)
    clock.advance(600)
    question = client.get("/settings/users/new").location
    assert "Sign in again with Example Ltd" in client.get(question).text
    assert 'name="password"' not in client.get(question).text
    location = client.get(f"{START}?next=/settings/users/new").location
    asked = parse_qs(urlsplit(location).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])

    assert client.get(idp.authorize(location)).location == "/settings/users/new"

    assert client.get("/settings/users/new").status_code == 200


@pytest.mark.parametrize("auth_time", [None, 1])
def test_a_provider_that_did_not_ask_again_confirms_nothing(client, idp, clock, auth_time):
    idp.person["groups"] = ["admins"]
    come(client, idp)
    clock.advance(600)
    idp.bent = {"auth_time": auth_time}

    assert come(client, idp).location == "/login"
    assert client.get("/settings/users/new").location.startswith("/confirm")


def test_somebody_else_at_the_provider_does_not_confirm_for_me(client, idp, clock):
    come(client, idp)
    idp.person = idp.person | {"sub": "43", "email": "mei@example.com"}

    assert come(client, idp).status_code == 403


def test_without_a_provider_there_is_no_door(app, runtime):
    runtime.config = dataclasses.replace(runtime.config, oidc=None)
    client = app.test_client()

    assert client.get(START).status_code == 404
    assert START not in client.get("/login").text
    assert sign_in(client, make_user(app, "viewer", "v@example.com"))
