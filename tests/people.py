"""People for tests: users of each role, and browsers they have signed in with through the real page.

A browser made here sends the token of its session with every request, as htmx does in a page; take it away
with `client.environ_base.pop("HTTP_X_CSRFTOKEN")` to play a forger.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import IntegerConverter, Rule

from webapp.accounts import tokens, users
from webapp.accounts.passwords import Cost
from webapp.accounts.roles import Role
from webapp.extensions import KEY
from webapp.models.user import User
from webapp.runtime import Runtime

PASSWORD = "lantern quarry velvet moss"


def make_user(app: Flask, role: str, email: str = "", password: str = PASSWORD) -> User:
    """Add a person; hashing is cheap here and nowhere else."""
    app.config["PASSWORD_COST"] = Cost(memory=8, passes=1, lanes=1)
    runtime: Runtime = app.extensions[KEY]
    with app.app_context(), runtime.sessions() as session:
        user = users.create_user(
            session,
            runtime,
            email=email or f"{role}@example.com",
            name=role.title(),
            role=role,
            password=password,
            actor="tests",
        )
        session.commit()
        return user


def form_token(client: FlaskClient, path: str = "/preferences", base_url: str = "http://localhost") -> str:
    """Read the token of this browser's session off a page; every page has one, the refusal of a GET too."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path, base_url=base_url).text)
    assert found, f"{path} has no form token"
    return found[1]


def sign_in(client: FlaskClient, user: User, password: str = PASSWORD) -> FlaskClient:
    """Sign in through the page, and from then on send the token of the new session."""
    client.environ_base.pop("HTTP_X_CSRFTOKEN", None)
    form = {"csrf_token": form_token(client, "/login"), "email": user.email, "password": password}
    answer = client.post("/login", data=form)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    client.environ_base["HTTP_X_CSRFTOKEN"] = form_token(client)
    return client


def values_for(rule: Rule) -> dict[str, object]:
    """Fill the gaps of a route with something that does not exist."""
    numbers = {name for name in rule.arguments if isinstance(rule._converters[name], IntegerConverter)}
    return {name: 1 if name in numbers else "none" for name in rule.arguments}


@pytest.fixture
def owner(app: Flask) -> User:
    return make_user(app, Role.OWNER)


@pytest.fixture
def admin(app: Flask) -> User:
    return make_user(app, Role.ADMIN)


@pytest.fixture
def operator(app: Flask) -> User:
    return make_user(app, Role.OPERATOR)


@pytest.fixture
def viewer(app: Flask) -> User:
    return make_user(app, Role.VIEWER)


@pytest.fixture
def member(app: Flask) -> User:
    return make_user(app, Role.MEMBER)


@pytest.fixture
def owner_client(app: Flask, owner: User) -> FlaskClient:
    return sign_in(app.test_client(), owner)


@pytest.fixture
def admin_client(app: Flask, admin: User) -> FlaskClient:
    return sign_in(app.test_client(), admin)


@pytest.fixture
def operator_client(app: Flask, operator: User) -> FlaskClient:
    return sign_in(app.test_client(), operator)


@pytest.fixture
def viewer_client(app: Flask, viewer: User) -> FlaskClient:
    return sign_in(app.test_client(), viewer)


@pytest.fixture
def member_client(app: Flask, member: User) -> FlaskClient:
    return sign_in(app.test_client(), member)


@pytest.fixture
def token(app: Flask) -> Callable[..., dict[str, str]]:
    """Make API tokens: `token("services:read", "logs:read")` is the header to send; without scopes, all."""
    runtime: Runtime = app.extensions[KEY]

    def make(*scopes: str) -> dict[str, str]:
        with runtime.sessions() as session:
            _, text = tokens.issue(
                session, runtime, name="tests", scopes=scopes or ["all"], created_by="tests"
            )
            session.commit()
        return {"Authorization": f"Bearer {text}"}

    return make
