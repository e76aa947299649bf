"""Every route says who may use it."""

from __future__ import annotations

import pytest

from tests.people import form_token, make_user, sign_in, values_for
from webapp.accounts.roles import Role, Verb, allowed
from webapp.accounts.tokens import SCOPES
from webapp.web.access import PUBLIC, SIGNED_IN, declared_access

# What a visitor needs to come in, and what tells nothing: the description of the API and the probes.
OPEN_PAGES = {
    "staff.start",
    "staff.back",
    "auth.login",
    "auth.code",
    "passkeys.sign_in",
    "passkeys.second_step",
    "join.welcome",
    "setup.start",
    "preferences.save",
    "styleguide.index",
    "badges.image",
    "badges.data",
    "status.index",
    "prometheus.index",
}
OPEN_API = {"api_reference.openapi", "api_reference.docs", "probes.healthz", "probes.readyz"}


def pages(app):
    return {name: view for name, view in app.view_functions.items() if declared_access(view) is not None}


def scoped(app):
    return {name: view.scope for name, view in app.view_functions.items() if hasattr(view, "scope")}


def test_every_endpoint_declares_who_may_use_it(app):
    undeclared = set(app.view_functions) - set(pages(app)) - set(scoped(app))

    assert undeclared == OPEN_API


def test_what_is_declared_exists(app):
    assert set(scoped(app).values()) <= set(SCOPES)
    assert {declared_access(view) for view in pages(app).values()} <= {PUBLIC, SIGNED_IN, *Verb}


def test_the_list_of_open_pages_is_short_and_known(app):
    open_now = {name for name, view in pages(app).items() if declared_access(view) == PUBLIC}

    assert open_now <= OPEN_PAGES


def requests_to(app, *, marks):
    """Every address and method of the routes that declare one of these, filled with what does not exist."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        mark = declared_access(app.view_functions[rule.endpoint])
        if mark in marks:
            for method in sorted(rule.methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
                yield method, adapter.build(rule.endpoint, values_for(rule), method=method), mark


@pytest.mark.parametrize("role", Role)
def test_every_page_opens_for_exactly_the_roles_that_may(app, client, role):
    sign_in(client, make_user(app, role))

    for method, address, verb in requests_to(app, marks=set(Verb)):
        if method == "GET" or not allowed(role, verb):
            with client.open(address, method=method) as answer:
                assert (answer.status_code == 403) == (not allowed(role, verb)), (method, address, role)


def test_nothing_but_the_open_pages_answers_a_stranger(app, client):
    client.environ_base["HTTP_X_CSRFTOKEN"] = form_token(client, "/login")

    for method, address, _ in requests_to(app, marks={SIGNED_IN, *Verb}):
        with client.open(address, method=method) as answer:
            assert answer.status_code == 303, (method, address)
            assert answer.location.startswith("/login"), (method, address)


def test_nothing_changes_without_the_token_of_the_form(app, owner_client):
    owner_client.environ_base.pop("HTTP_X_CSRFTOKEN")

    for method, address, _ in requests_to(app, marks={SIGNED_IN, PUBLIC, *Verb}):
        if method != "GET":
            with owner_client.open(address, method=method) as answer:
                assert answer.status_code == 400, (method, address)


def test_nothing_changes_for_another_site(app, owner_client):
    for method, address, _ in requests_to(app, marks={SIGNED_IN, PUBLIC, *Verb}):
        if method != "GET":
            for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
                with owner_client.open(address, method=method, headers=headers) as answer:
                    assert answer.status_code == 403, (method, address)


def api_requests(app):
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        scope = scoped(app).get(rule.endpoint)
        if scope:
            for method in sorted(rule.methods - {"OPTIONS", "HEAD"}):
                yield method, adapter.build(rule.endpoint, values_for(rule), method=method), scope


def test_every_route_of_the_api_needs_its_scope(app, client, token):
    headers = {scope: token(*(other for other in SCOPES if other != scope)) for scope in SCOPES}

    for method, address, scope in api_requests(app):
        with client.open(address, method=method, json={}) as answer:
            assert answer.status_code == 401, (method, address)
        with client.open(address, method=method, json={}, headers=headers[scope]) as answer:
            assert answer.status_code == 403, (method, address, scope)


def test_the_api_does_not_look_at_cookies(app, owner_client):
    for method, address, _ in api_requests(app):
        with owner_client.open(address, method=method, json={}) as answer:
            assert answer.status_code == 401, (method, address)
