"""Passkeys in a real Chromium with a virtual authenticator: made, used for everything, used after the password."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.people import PASSWORD, make_user
from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View

pytestmark = pytest.mark.browser
PLATFORM = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def plug_in(page):
    """Give the browser a device with a finger already on it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": PLATFORM})
    return session, made["authenticatorId"]


def by_password(page, email):
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form").first.get_by_role("button").click()


@pytest.fixture
def named(live_server):
    """The same server by its name: browsers have no passkeys for bare addresses."""
    return live_server.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_a_passkey_from_the_first_to_the_last_day(visit, app, named, view):
    make_user(app, "viewer", "lin@example.com")
    page = visit("/login", view, role="")
    session, device = plug_in(page)
    page.goto(f"{named}/login")
    check_page(page)
    by_password(page, "lin@example.com")
    page.wait_for_url(lambda url: "/login" not in url)

    page.goto(f"{named}/account/passkeys")
    check_page(page)
    page.locator("main .button-primary").click()
    page.locator("input[name=name]").fill("Phone")
    check_page(page)
    page.locator("form[data-passkey] button").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    assert len(session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]) == 1
    page.goto(f"{named}/account/passkeys")
    expect(page.locator(".lines strong")).to_have_text("Phone")
    check_page(page)

    page.context.clear_cookies()
    page.goto(f"{named}/login")
    page.locator("form[data-passkey] button").click()
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{named}/account")
    expect(page.locator("#signing-in")).to_contain_text("Phone")
    check_page(page)

    page.context.clear_cookies()
    page.goto(f"{named}/login")
    by_password(page, "lin@example.com")
    page.wait_for_url("**/login/code**")
    check_page(page)
    page.locator("form[data-passkey] button").click()
    page.wait_for_url(lambda url: "/login" not in url)

    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.context.clear_cookies()
    page.goto(f"{named}/login")
    page.locator("form[data-passkey] button").click()
    expect(page.locator("[data-passkey-failed]")).to_be_visible()
    check_page(page)


def test_without_javascript_the_password_still_opens(visit, app, named):
    make_user(app, "viewer", "lin@example.com")
    page = visit("/login", role="", javascript=False)
    page.goto(f"{named}/login")
    expect(page.locator("form[data-passkey]")).to_be_hidden()
    by_password(page, "lin@example.com")

    page.goto(f"{named}/account/passkeys/add")
    expect(page.locator("[data-passkey-missing]")).to_be_visible()
