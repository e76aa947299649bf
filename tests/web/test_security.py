"""What every answer says to browsers, and which requests are refused."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import event
from werkzeug.exceptions import abort

from tests.people import PASSWORD, form_token, values_for
from webapp.web.access import public
from webapp.web.security import HEADERS, safe_next


def addresses(app):
    """One address for every route that can be read."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if "GET" in rule.methods:
            yield adapter.build(rule.endpoint, values_for(rule), method="GET")


def assert_safe(answer, address):
    for name, value in HEADERS.items():
        assert answer.headers.get(name) == value, (address, name)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy, address
    assert "require-trusted-types-for 'script'" in policy, address
    assert "unsafe" not in policy, address
    assert "Cache-Control" in answer.headers, address


def test_every_route_says_the_same_to_strangers(app, client):
    for address in addresses(app):
        with client.get(address) as answer:
            assert_safe(answer, address)


def test_every_route_says_the_same_to_its_owner(app, owner_client):
    for address in addresses(app):
        with owner_client.get(address) as answer:
            assert_safe(answer, address)
            if answer.mimetype == "text/html" and "/static/" not in address:
                assert answer.headers["Cache-Control"] == "no-store", address


def test_no_page_of_the_dashboard_opens_for_strangers(app, client):
    for address in addresses(app):
        if address.startswith(("/settings", "/logs")) or address == "/":
            answer = client.get(address)
            assert answer.status_code == 303, address
            assert answer.location.startswith("/login"), address


def test_the_policy_is_exactly_ours_with_a_fresh_nonce(client):
    policies = [client.get("/login").headers["Content-Security-Policy"] for _ in range(2)]

    nonces = [re.search(r"'nonce-([\w-]{22,})'", policy)[1] for policy in policies]
    assert nonces[0] != nonces[1]
    assert policies[0].replace(nonces[0], "N") == (
        "default-src 'none'; script-src 'nonce-N'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types htmx"
    )


def test_pages_carry_the_nonce_of_their_policy(client):
    answer = client.get("/login")

    nonce = re.search(r"'nonce-([\w-]+)'", answer.headers["Content-Security-Policy"])[1]
    assert set(re.findall(r'nonce="([^"]+)"', answer.text)) <= {nonce}


def test_https_is_remembered_for_a_year_and_only_over_https(client):
    assert "Strict-Transport-Security" not in client.get("/login").headers
    over_https = client.get("/login", base_url="https://localhost")
    assert over_https.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def forms(client):
    return {"csrf_token": form_token(client), "theme": "dark", "next": "/login"}


def test_a_form_without_its_token_is_refused(client):
    form_token(client)

    answer = client.post("/preferences", data={"theme": "dark"})

    assert answer.status_code == 400
    assert "out of date" in answer.text


def test_the_token_of_somebody_else_is_refused(app, client):
    stolen = form_token(app.test_client())
    form_token(client)

    assert client.post("/preferences", data={"theme": "dark", "csrf_token": stolen}).status_code == 400


def test_the_token_of_a_visitor_is_worthless_after_signing_in(client, admin):
    before = form_token(client, "/login")
    client.post("/login", data={"csrf_token": before, "email": admin.email, "password": PASSWORD})

    assert client.post("/preferences", data={"theme": "dark", "csrf_token": before}).status_code == 400
    assert client.post("/preferences", data=forms(client)).status_code == 303


def test_the_token_may_come_in_the_header_of_htmx(client):
    token = form_token(client)

    answer = client.post("/preferences", data={"theme": "dark"}, headers={"X-CSRFToken": token})

    assert answer.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": ""},
    ],
)
def test_other_sites_are_refused_even_with_the_token(client, headers):
    answer = client.post("/preferences", data=forms(client), headers=headers)

    assert answer.status_code == 403
    assert "another site" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Origin": "HTTP://LOCALHOST"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_our_own_pages_are_not(client, headers):
    assert client.post("/preferences", data=forms(client), headers=headers).status_code == 303


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/", "/"),
        ("/logs?q=a b", "/logs?q=a b"),
        ("/logs?q=密码", "/logs?q=密码"),
        ("//evil.example", None),
        ("///evil.example", None),
        ("/\\evil.example", None),
        ("\\\\evil.example", None),
        ("/ok\\..\\evil", None),
        ("https://evil.example", None),
        ("javascript:alert(1)", None),
        ("evil", None),
        ("/\tevil", None),
        ("/\nevil", None),
        ("/\x00", None),
        ("/\x7f", None),
        ("/\u2028", None),
        (" //evil.example", None),
        ("", None),
        (None, None),
    ],
)
def test_only_our_own_addresses_are_followed(target, kept):
    assert safe_next(target) == kept


@pytest.fixture
def failing(app):
    """An application with a page for every way to fail."""

    @app.get("/failing/<int:status>")
    @public
    def fail(status):
        abort(status)

    @app.get("/crashing")
    @public
    def crash():
        raise ZeroDivisionError("the-inside-story")

    app.testing = False
    return app.test_client()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 413, 418, 429, 500, 503])
def test_every_error_is_a_page_with_our_headers(failing, status):
    answer = failing.get(f"/failing/{status}")

    assert answer.status_code == status
    assert_safe(answer, status)
    assert "<h1>" in answer.text
    assert "Traceback" not in answer.text


def test_errors_speak_the_language_of_the_reader(failing):
    answer = failing.get("/failing/404", headers={"Accept-Language": "zh-CN"})

    assert '<html lang="zh-CN"' in answer.text


def test_a_crash_shows_a_number_that_is_in_the_log_and_nothing_of_the_inside(failing, caplog):
    answer = failing.get("/crashing")

    assert answer.status_code == 500
    number = re.search(r"<code>([0-9a-f]{12})</code>", answer.text)[1]
    assert f"Trace {number}" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "the-inside-story" not in answer.text


def test_htmx_gets_a_notice_for_the_banner_instead_of_a_page(failing):
    answer = failing.get("/failing/409", headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#banner"
    assert "<html" not in answer.text
    assert "Somebody else was faster" in answer.text


def test_the_methods_that_are_allowed_are_named(client):
    answer = client.get("/logout")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_too_large_a_form_is_refused_before_it_is_read(client):
    headers = {"X-CSRFToken": form_token(client)}

    assert client.post("/preferences", data={"theme": "x" * 2_000_000}, headers=headers).status_code == 413


def test_an_unreachable_database_is_said_plainly(runtime, admin_client):
    def refuse(dialect, *_connection):
        raise dialect.dbapi.OperationalError("the server is gone")

    runtime.engine.dispose()
    event.listen(runtime.engine, "do_connect", refuse)
    try:
        answer = admin_client.get("/")
    finally:
        event.remove(runtime.engine, "do_connect", refuse)

    assert answer.status_code == 503
    assert "cannot work right now" in answer.text
