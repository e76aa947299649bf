"""“Confirm that it is you” before what is sensitive, ten minutes after it was last shown."""

from __future__ import annotations

import pytest

from tests.codes import code_of, enrol
from tests.people import PASSWORD, values_for
from webapp.accounts.roles import Verb
from webapp.web.access import declared_access

TEN_MINUTES = 600

# Every route that touches people, tokens, keys or second steps.
ASKED = {
    "users.invite",
    "users.change_role",
    "users.disable",
    "users.enable",
    "users.sign_out",
    "users.reset_factor",
    "users.reset_password",
    "tokens.create",
    "tokens.revoke",
    "second_factor.add",
    "second_factor.codes",
    "second_factor.remove",
    "my_sessions.end",
    "my_sessions.end_others",
}


def test_what_is_sensitive_asks(app):
    asking = {name for name, view in app.view_functions.items() if getattr(view, "asks_again", False)}

    assert asking >= ASKED


def test_whatever_changes_people_tokens_keys_or_secrets_asks(app):
    strict = {Verb.USER_MANAGE, Verb.TOKEN_MANAGE, Verb.KEY_MANAGE, Verb.SECRET_WRITE}
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if declared_access(view) in strict and "POST" in rule.methods:
            assert getattr(view, "asks_again", False), rule.endpoint


def test_signing_in_counts_for_ten_minutes(admin_client, clock):
    clock.advance(TEN_MINUTES - 1)
    assert admin_client.get("/settings/users/new").status_code == 200

    clock.advance(1)

    assert admin_client.get("/settings/users/new").location == "/confirm?next=/settings/users/new"


def test_the_question_leads_back(admin_client, clock):
    clock.advance(TEN_MINUTES)
    page = admin_client.get("/confirm?next=/settings/users/new")
    assert "Confirm that it is you" in page.text

    answer = admin_client.post("/confirm", data={"password": PASSWORD, "next": "/settings/users/new"})

    assert (answer.status_code, answer.location) == (303, "/settings/users/new")
    assert admin_client.get("/settings/users/new").status_code == 200


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_it_leads_nowhere_else(admin_client, clock, target):
    clock.advance(TEN_MINUTES)

    assert admin_client.post("/confirm", data={"password": PASSWORD, "next": target}).location == "/"


def test_an_answer_that_comes_too_late_changes_nothing(admin_client, clock, viewer):
    path = f"/settings/users/{viewer.user_id}/role"
    clock.advance(TEN_MINUTES)

    answer = admin_client.post(
        path,
        data={"role": "operator"},
        headers={"Referer": f"http://localhost/settings/users/{viewer.user_id}"},
    )

    assert answer.location == f"/confirm?next=/settings/users/{viewer.user_id}"
    assert "Nothing was changed yet" in admin_client.get(answer.location).text
    assert "Viewer" in admin_client.get(f"/settings/users/{viewer.user_id}").text


def test_a_form_sent_by_htmx_stays_as_it_is_under_the_question(admin_client, clock, token):
    clock.advance(TEN_MINUTES)
    htmx = {"HX-Request": "true", "HX-Current-URL": "http://localhost/settings/tokens/new"}

    answer = admin_client.post("/settings/tokens/new", data={"name": "Shop"}, headers=htmx)

    assert answer.status_code == 403
    assert answer.headers["HX-Retarget"] == "#banner"
    assert answer.headers["HX-Reselect"] == "#step-up"
    assert 'id="step-up"' in answer.text
    assert "<html" not in answer.text
    done = admin_client.post("/confirm", data={"password": PASSWORD, "inline": "1"}, headers=htmx)
    assert done.status_code == 200
    assert "send the form again" in done.text


def test_a_service_is_saved_without_it_unless_a_secret_is_touched(admin_client, clock):
    new = "/settings/integrations/new/EMAIL_PROVIDER_SENDGRID"
    form = {
        "name": "Mail",
        "config-from_email": "a@example.com",
        "config-api_key": "SG.0123456789abcdef",
        "timeout": "10",
        "attempts": "3",
        "first_wait": "0.2",
        "longest_wait": "5",
        "health_interval": "60",
    }
    clock.advance(TEN_MINUTES)

    assert admin_client.post(new, data=form).location.startswith("/confirm")
    assert "Mail" not in admin_client.get("/settings/integrations").text.replace("Email", "")
    admin_client.post("/confirm", data={"password": PASSWORD})
    made = admin_client.post(new, data=form)
    assert made.status_code == 303, made.text
    clock.advance(TEN_MINUTES)
    del form["config-api_key"]
    kept = admin_client.post(f"{made.location}/edit", data=form | {"revision": "1", "name": "Post"})
    assert not kept.location.startswith("/confirm")
    cleared = admin_client.post(
        f"{made.location}/edit", data=form | {"revision": "2", "clear": "config-api_key"}
    )
    assert cleared.location.startswith("/confirm")


def test_a_code_is_as_good_as_the_password(admin_client, clock):
    seed, _ = enrol(admin_client, clock)
    clock.advance(TEN_MINUTES)

    assert (
        admin_client.post("/confirm", data={"code": code_of(seed, clock), "password": ""}).status_code == 303
    )
    clock.advance(TEN_MINUTES)
    used = admin_client.post("/confirm", data={"code": code_of(seed, clock, -20)})
    assert used.status_code == 422


def test_guessing_is_slowed_down(admin_client, clock):
    clock.advance(TEN_MINUTES)
    for _ in range(5):
        answer = admin_client.post("/confirm", data={"password": "guess"})
        assert answer.status_code == 422
    answer = admin_client.post("/confirm", data={"password": PASSWORD})

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"


def test_the_session_goes_on_under_a_new_id(app, admin_client, clock):
    before = admin_client.get_cookie("pb").value
    clock.advance(TEN_MINUTES)

    admin_client.post("/confirm", data={"password": PASSWORD})

    assert admin_client.get_cookie("pb").value != before
    thief = app.test_client()
    thief.set_cookie("pb", before)
    assert thief.get("/account").location.startswith("/login")


def test_a_second_tab_is_asked_as_well_and_free_afterwards(admin_client, clock):
    clock.advance(TEN_MINUTES)
    for path in ("/settings/users/new", "/settings/tokens/new"):
        assert admin_client.get(path).location.startswith("/confirm")
    admin_client.post("/confirm", data={"password": PASSWORD})

    for path in ("/settings/users/new", "/settings/tokens/new"):
        assert admin_client.get(path).status_code == 200


def test_it_is_asked_of_those_who_may_only(viewer_client, clock):
    clock.advance(TEN_MINUTES)

    assert viewer_client.get("/settings/users/new").status_code == 403


def test_strangers_are_not_asked(app, client):
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.endpoint in ASKED and "GET" in rule.methods:
            assert client.get(adapter.build(rule.endpoint, values_for(rule))).location.startswith("/login")
    assert client.get("/confirm").location.startswith("/login")
