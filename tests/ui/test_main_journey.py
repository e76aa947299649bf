"""The main job from the set-up link to the log, against a real mail server, in a real browser."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.adapters.conftest import (  # noqa: F401 - fixtures
    PASSWORD,
    USERNAME,
    localhost_certificate,
    mail_server,
    mailbox,
)
from tests.kit.faulty import certificate, closed_port
from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from webapp.accounts import setup

pytestmark = pytest.mark.browser

VIEWS = [View(), View(PHONE, "dark", "zh-CN")]
NEW = "/settings/integrations/new/EMAIL_PROVIDER_SMTP"


@pytest.fixture
def setup_link(app, runtime):
    from tests.people import Cost

    app.config["PASSWORD_COST"] = Cost(memory=8, passes=1, lanes=1)
    with app.app_context(), runtime.sessions() as session:
        token = setup.issue(session, runtime)
        session.commit()
    return f"/setup/{token}"


@pytest.fixture
def server(mail_server):
    return mail_server()


def become_owner(page):
    page.fill("input[name=name]", "Lin")
    page.fill("input[name=email]", "lin@example.com")
    page.fill("input[name=password]", "lantern quarry velvet moss")
    page.locator("main button[type=submit], .auth button[type=submit]").last.click()
    page.wait_for_url("**/settings/integrations")


def fill(page, server, ca, password=PASSWORD, host="localhost", port=None):
    page.fill("#name", "Mail")
    values = {
        "host": host,
        "port": str(port or server.port),
        "username": USERNAME,
        "password": password,
        "from_address": "no-reply@example.com",
    }
    for name, value in values.items():
        page.fill(f"#f-{name}", value)
    page.select_option("#f-security", "starttls")
    if not page.locator("#f-ca_bundle").is_visible():
        page.locator("#group-advanced > summary").click()
    page.fill("#f-ca_bundle", ca)


def verdict(page):
    page.locator("#test-now").click()
    result = page.locator("#test-result .verdict")
    expect(result).to_be_visible(timeout=20_000)
    return page.locator("#test-result").inner_text()


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_from_the_set_up_link_to_the_mail_in_the_log(
    app,
    runtime,
    visit,
    setup_link,
    server,
    mailbox,
    localhost_certificate,
    view,
):
    ca = localhost_certificate[1]
    page = visit(setup_link, view, role="")
    check_page(page)
    become_owner(page)
    page.goto(NEW)
    fill(page, server, ca)
    assert verdict(page)
    expect(page.locator("#test-result .verdict")).to_have_class("verdict tone-ok")
    check_page(page)

    page.locator("#service-form .button-primary").click()
    page.wait_for_url("**/settings/integrations/*-*")
    address = page.url
    check_page(page)
    page.locator("#test-now").click()
    expect(page.locator("#test-result .verdict")).to_have_class("verdict tone-ok")
    page.goto(address)
    page.locator(".banner form button[type=submit]").first.click()
    page.wait_for_load_state()

    params = {"to": "user@example.com", "subject": "Welcome!", "text": "Hello…"}
    sent = app.test_cli_runner().invoke(
        args=["call", "email.send", "--prefer", "EMAIL_PROVIDER_SMTP", "--params", json.dumps(params)]
    )
    assert sent.exit_code == 0, sent.output
    assert [envelope.rcpt_tos for envelope in mailbox.mails] == [["user@example.com"]]

    page.goto("/logs")
    check_page(page)
    link = page.locator("#results a[data-open]").first
    number = link.get_attribute("data-open")
    link.click()
    expect(page.locator("[data-drawer] .attempt")).to_have_count(1)
    check_page(page)
    page.goto(f"/logs/{number}")
    expect(page.locator("h1")).to_have_text("email.send")
    expect(page.locator(".attempt")).to_have_count(1)
    check_page(page)
    assert PASSWORD not in page.content()


@pytest.mark.parametrize("wrong", ["password", "port", "certificate"])
def test_what_is_wrong_is_said_with_its_remedy(
    visit,
    server,
    localhost_certificate,
    tmp_path,
    wrong,
):
    page = visit(NEW)
    ca = certificate(tmp_path, "localhost")[1] if wrong == "certificate" else localhost_certificate[1]
    changes = {"password": {"password": "wrong horse"}, "port": {"port": closed_port()}, "certificate": {}}
    fill(page, server, ca, **changes[wrong])

    said = verdict(page)
    code = {"password": "VENDOR_AUTH_REJECTED", "port": "CONNECT_REFUSED", "certificate": "TLS_CERT_INVALID"}
    assert code[wrong] in said
    expect(page.locator("#test-result .remedy").last).to_be_visible()
    check_page(page)


def test_the_same_without_javascript(
    app,
    visit,
    setup_link,
    server,
    mailbox,
    localhost_certificate,
):
    page = visit(setup_link, role="", javascript=False)
    become_owner(page)
    page.goto(NEW)
    fill(page, server, localhost_certificate[1])
    page.locator("#service-form .button-primary").click()
    page.wait_for_url("**/settings/integrations/*-*")
    address = page.url
    page.locator("#test-now").click()
    expect(page.locator(".verdict")).to_have_class("verdict tone-ok")
    page.goto(address)
    page.locator(".banner form button[type=submit]").first.click()
    with app.app_context():
        from webapp import hub

        hub.call(
            "email.send", {"to": "user@example.com", "subject": "Hi", "text": "Hello"}, prefer="EMAIL_SERVICE"
        )
    assert len(mailbox.mails) == 1

    page.goto("/logs?outcome=succeeded")
    page.locator("#results a[data-open]").first.click()
    expect(page.locator(".attempt")).to_have_count(1)
