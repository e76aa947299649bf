"""Signing in and out, through the pages."""

from __future__ import annotations

import re

import pytest

from tests.people import PASSWORD, form_token, make_user, sign_in
from webapp.accounts import sessions, users
from webapp.models.audit import AuditEntry
from webapp.models.session import UserSession
from webapp.models.user import User

MINUTE = 60


def attempt(client, email, password=PASSWORD, **form):
    token = form_token(client, "/login")
    return client.post("/login", data={"csrf_token": token, "email": email, "password": password, **form})


def cookie(client, name="pb"):
    found = client.get_cookie(name)
    return found.value if found else None


def is_signed_in(client):
    return client.get("/").status_code == 303 and "/login" not in client.get("/").location


def test_the_right_password_opens_the_start_page(client, admin):
    answer = attempt(client, "admin@example.com")

    assert (answer.status_code, answer.location) == (303, "/")
    assert client.get("/").location == "/settings/integrations"


def test_the_address_may_be_spelled_in_capitals(client, admin):
    assert attempt(client, "  Admin@Example.COM ").status_code == 303


def test_a_wrong_password_and_an_unknown_address_read_the_same(client, admin, app):
    def body(email):
        browser = app.test_client()
        text = attempt(browser, email, "not this one at all").get_data(as_text=True)
        return [
            line
            for line in text.splitlines()
            if not {"csrf", "nonce", "challenge", email}
            & set(re.findall(r"csrf|nonce|challenge|" + re.escape(email), line))
        ]

    make_user(app, "viewer", "gone@example.com")
    with app.app_context(), app.extensions["patchbay"].sessions() as session:
        gone = users.find_by_email(session, "gone@example.com")
        users.disable(session, app.extensions["patchbay"], gone, actor="tests")
        session.commit()

    assert body("admin@example.com") == body("nobody@example.com") == body("gone@example.com")
    assert "do not belong together" in " ".join(body("admin@example.com"))


def test_the_refusal_keeps_the_address_and_never_the_password(client, admin):
    answer = attempt(client, "admin@example.com", "my-typed-password")

    assert answer.status_code == 422
    assert "admin@example.com" in answer.text
    assert "my-typed-password" not in answer.text


def test_a_disabled_person_stays_out(app, client, runtime, admin):
    with app.app_context(), runtime.sessions() as session:
        users.disable(session, runtime, session.get_one(User, admin.user_id), actor="tests")
        session.commit()

    assert attempt(client, admin.email).status_code == 422


def test_the_session_is_new_after_signing_in(client, admin):
    client.get("/login")
    client.set_cookie("pb", "planted-by-somebody-else")

    attempt(client, admin.email)

    assert cookie(client) != "planted-by-somebody-else"
    assert is_signed_in(client)
    assert cookie(client, "pb-guest") is None


def test_signing_in_again_ends_the_session_before(app, client, runtime, admin):
    sign_in(client, admin)
    first = cookie(client)
    client.environ_base.pop("HTTP_X_CSRFTOKEN")
    form = {"csrf_token": form_token(client), "email": admin.email, "password": PASSWORD}

    assert client.post("/login", data=form).status_code == 303
    assert cookie(client) != first
    with runtime.sessions() as session:
        assert [row.id_hash for row in session.query(UserSession)] == [sessions.digest(cookie(client))]


def test_a_cookie_is_worthless_after_signing_out(app, admin_client):
    stolen = cookie(admin_client)

    answer = admin_client.post("/logout")

    assert (answer.status_code, answer.location) == (303, "/login")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    thief = app.test_client()
    thief.set_cookie("pb", stolen)
    assert thief.get("/").location == "/login"
    assert "You are signed out." in admin_client.get("/login").text


def test_signing_out_is_a_post(admin_client):
    assert admin_client.get("/logout").status_code == 405
    assert is_signed_in(admin_client)


def test_half_an_hour_of_silence_ends_a_session(clock, admin_client):
    clock.advance(29 * MINUTE)
    assert is_signed_in(admin_client)
    clock.advance(29 * MINUTE)
    assert is_signed_in(admin_client)

    clock.advance(30 * MINUTE)

    assert not is_signed_in(admin_client)


def test_twelve_hours_end_a_session_however_busy(clock, admin_client):
    for _ in range(36):
        clock.advance(20 * MINUTE - 1)
        assert is_signed_in(admin_client)

    clock.advance(MINUTE)

    assert not is_signed_in(admin_client)


def test_a_new_password_ends_every_session(app, runtime, admin, admin_client):
    with app.app_context(), runtime.sessions() as session:
        user = session.get_one(User, admin.user_id)
        users.set_password(session, runtime, user, "gravel sonnet tundra kite", actor="tests")
        session.commit()

    assert not is_signed_in(admin_client)
    assert attempt(app.test_client(), admin.email).status_code == 422
    assert attempt(app.test_client(), admin.email, "gravel sonnet tundra kite").status_code == 303


def test_shutting_a_person_out_ends_their_sessions(app, runtime, admin, admin_client):
    with app.app_context(), runtime.sessions() as session:
        users.disable(session, runtime, session.get_one(User, admin.user_id), actor="tests")
        session.commit()

    assert not is_signed_in(admin_client)


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/settings/integrations?q=mail", "/settings/integrations?q=mail"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/%0d%0aX: y", "/%0d%0aX:%20y"),
        ("/\r\nX-Evil: y", "/"),
        ("", "/"),
    ],
)
def test_next_leads_only_to_our_own_pages(client, admin, target, goes_to):
    answer = attempt(client, admin.email, next=target)

    assert answer.location == goes_to
    assert "X-Evil" not in answer.headers


def test_an_encoded_double_slash_in_the_address_is_no_way_out(client, admin):
    assert 'name="next" value="/"' in client.get("/login?next=%2f%2fevil.example").text


def test_a_page_that_needs_sign_in_is_reached_after_it(app, client, admin):
    away = client.get("/settings/integrations?q=mail")
    assert away.status_code == 303

    page = client.get(away.location)
    answer = attempt(client, admin.email, next="/settings/integrations?q=mail")

    assert 'value="/settings/integrations?q=mail"' in page.text
    assert answer.location == "/settings/integrations?q=mail"


def test_htmx_is_sent_to_the_sign_in_page_as_a_whole(client):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/settings/integrations?q=mail"}

    answer = client.get("/settings/integrations", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/settings/integrations?q%3Dmail"
    assert answer.text == ""


def test_guessing_is_slowed_down_and_the_right_password_waits_too(clock, client, admin):
    for _ in range(5):
        assert attempt(client, admin.email, "wrong again and again").status_code == 422

    answer = attempt(client, admin.email)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "wait 1" in answer.text

    clock.advance(1)
    assert attempt(client, admin.email).status_code == 303


def test_guesses_of_a_stranger_do_not_keep_the_owner_of_the_account_out(app, client, admin):
    sign_in(client, admin)
    client.post("/logout")
    client.environ_base.pop("HTTP_X_CSRFTOKEN")
    stranger = app.test_client()
    for _ in range(6):
        attempt(stranger, admin.email, "guessing")

    assert attempt(stranger, admin.email).status_code == 429
    assert attempt(client, admin.email).status_code == 303


def test_an_unknown_address_is_slowed_down_just_the_same(client, admin):
    for _ in range(5):
        attempt(client, "nobody@example.com")

    assert attempt(client, "nobody@example.com").status_code == 429


def test_sign_ins_are_audited_without_what_was_typed(runtime, client, admin):
    attempt(client, "oops-my-password", "x")
    attempt(client, admin.email, "wrong")
    attempt(client, admin.email)

    with runtime.sessions() as session:
        entries = (
            session.query(AuditEntry).filter(AuditEntry.action.like("sign_in%")).order_by(AuditEntry.seq)
        )
        seen = [(entry.action, entry.actor) for entry in entries]
    assert seen == [("sign_in.failed", "unknown"), ("sign_in.failed", admin.email), ("sign_in", admin.email)]


def test_only_a_hash_of_the_cookie_is_stored(runtime, admin_client):
    with runtime.sessions() as session:
        row = session.query(UserSession).one()

    assert row.id_hash == sessions.digest(cookie(admin_client))
    assert row.ip == "127.0.0.1"


def test_visitors_leave_nothing_in_the_database(runtime, client):
    for _ in range(3):
        client.get("/login")

    with runtime.sessions() as session:
        assert session.query(UserSession).count() == 0


def test_the_cookies_cannot_be_read_by_scripts_and_insist_on_https_over_https(app, admin):
    client, https = app.test_client(), "https://localhost"
    form = {"csrf_token": form_token(client, "/login", https), "email": admin.email, "password": PASSWORD}
    answer = client.post("/login", data=form, base_url=https)

    cookies = {line.split("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}
    session = cookies["__Host-pb"]
    assert "Secure" in session
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session
    assert "Path=/" in session
    assert "Domain" not in session


def test_a_signed_in_person_need_not_see_the_sign_in_page(admin_client):
    assert admin_client.get("/login").location == "/"


@pytest.mark.parametrize("role", ["viewer", "operator", "admin", "owner"])
def test_the_start_page_leads_to_the_integrations(app, client, role):
    sign_in(client, make_user(app, role))

    assert client.get("/").location == "/settings/integrations"


def test_a_member_is_told_which_role_would_open_the_page(member_client):
    assert member_client.get("/").location == "/my"
    answer = member_client.get("/settings")

    assert answer.status_code == 403
    assert "“Member”" in answer.text
    assert "“Viewer”" in answer.text
    assert "/logout" in answer.text
