"""The main job in a real browser: add a service, test it, enable it, find it again; with and without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import SENDGRID, URL, add, add_at
from webapp.models import Route, ServiceHealth
from webapp.sandbox import credentials
from webapp.sandbox.server import serve_in_thread

pytestmark = pytest.mark.browser


@pytest.fixture
def sandbox():
    server = serve_in_thread()
    server.address = f"http://127.0.0.1:{server.port}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def furnished(app, runtime, sandbox):
    """Services in several states, a route and some traffic; answers the id of the one that works."""
    works = add_at(runtime, sandbox.address, "Mail (sandbox)", is_enabled=True, sandbox=True)
    refused = add(runtime, "Newsletter", is_enabled=True)
    add(
        runtime,
        "Web hook",
        service_type="HTTP_PROVIDER_GENERIC",
        configurations={"base_url": "https://a.example"},
    )
    now = runtime.clock.now()
    with runtime.sessions() as session:
        health = {"since": now, "checked_at": now, "latency_ms": 80}
        session.add(ServiceHealth(service_id=works, state="healthy", **health))
        session.add(ServiceHealth(service_id=refused, state="reauth", code="VENDOR_AUTH_REJECTED", **health))
        session.add(Route(name="EMAIL_PROVIDER_PRIMARY", contract="EMAIL_SERVICE", members=[works, refused]))
        session.commit()
    with app.app_context():
        mail = {"to": "a@example.com", "subject": "Hi", "text": "Hello"}
        runtime.hub.call("email.send", mail, prefer="EMAIL_PROVIDER_PRIMARY")
    return works


def fill(page, sandbox, key=credentials.SENDGRID_API_KEY, name="Sign-up mail"):
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("From address").fill("no-reply@example.com")
    page.get_by_label("API key", exact=True).fill(key)
    page.locator("#group-advanced > summary").click()
    page.get_by_label("Base address").fill(sandbox.address)


def test_a_service_is_added_tested_and_enabled(visit, sandbox):
    page = visit(URL)
    check_page(page)
    page.get_by_role("link", name="Browse the catalogue").click()
    check_page(page)
    page.get_by_role("link", name="Twilio SendGrid").click()
    fill(page, sandbox, name="")
    page.get_by_role("button", name="Save, disabled for now").click()

    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary.get_by_role("link")).to_have_text("Name: This field is required.")
    expect(page.get_by_label("API key", exact=True)).to_have_value(credentials.SENDGRID_API_KEY)
    check_page(page)

    page.get_by_label("Name", exact=True).fill("Sign-up mail")
    page.get_by_role("button", name="Test now").click()
    expect(page.locator("#test-result .verdict")).to_contain_text("Verified")
    expect(page.get_by_role("button", name="Test now")).to_be_focused()
    check_page(page)

    page.get_by_role("button", name="Save, disabled for now").click()
    expect(page.get_by_role("heading", name="Sign-up mail")).to_be_visible()
    expect(page.get_by_text("Next: test the connection")).to_be_visible()
    page.get_by_role("button", name="Test now").click()
    expect(page.locator("#test-result .verdict")).to_contain_text("Verified")
    page.reload()
    page.locator(".banner").get_by_role("button", name="Enable").click()
    expect(page.get_by_text("Sign-up mail is enabled.")).to_be_visible()
    check_page(page)


def test_a_wrong_key_leads_to_its_field(visit, sandbox):
    page = visit(f"{URL}/new/{SENDGRID}")
    fill(page, sandbox, key="SG.wrong-key-0000000")
    page.get_by_role("button", name="Test now").click()
    result = page.locator("#test-result")

    expect(result.locator(".verdict")).to_contain_text("Credentials refused")
    expect(result).to_contain_text("VENDOR_AUTH_REJECTED")
    result.get_by_role("link", name="Go to the field").click()
    expect(page.get_by_label("API key", exact=True)).to_be_in_viewport()
    check_page(page)


def test_replacing_a_secret_keeps_what_else_was_typed(visit, furnished):
    page = visit(f"{URL}/{furnished}/edit")
    page.get_by_label("Description").fill("Typed before")
    page.get_by_role("link", name="Replace").click()
    expect(page.get_by_label("API key", exact=True)).to_be_focused()
    expect(page.get_by_label("Description")).to_have_value("Typed before")
    check_page(page)
    page.get_by_role("link", name="Keep the stored value").click()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Mail (sandbox) was saved.")).to_be_visible()
    expect(page.locator("#about")).to_contain_text("Typed before")


def test_the_list_is_searched_as_one_types_and_the_address_keeps_it(visit, furnished):
    page = visit(URL)
    page.keyboard.press("/")
    page.keyboard.type("hook")
    expect(page.get_by_role("link", name="Newsletter")).to_have_count(0)
    expect(page).to_have_url(re.compile("q=hook"))
    page.reload()
    expect(page.get_by_role("link", name="Web hook")).to_be_visible()
    expect(page.get_by_role("link", name="Newsletter")).to_have_count(0)
    page.goto(URL)
    page.get_by_label("Choose Newsletter").check()
    expect(page.locator(".bulk")).to_contain_text("1 chosen")
    page.get_by_text("Actions for Newsletter").or_(page.get_by_label("Actions for Newsletter")).first.click()
    check_page(page)


def test_everything_works_without_javascript(visit, sandbox):
    page = visit(f"{URL}/new/{SENDGRID}", javascript=False)
    fill(page, sandbox)
    page.get_by_role("button", name="Save, disabled for now").click()
    page.get_by_role("button", name="Test now").click()
    expect(page.locator(".verdict")).to_contain_text("Verified")
    page.get_by_role("link", name="Back to the overview").click()
    page.locator(".banner").get_by_role("button", name="Enable").click()
    expect(page.get_by_text("Sign-up mail is enabled.")).to_be_visible()

    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name="Replace").click()
    page.get_by_label("API key", exact=True).fill("SG.the-next-key-000000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Sign-up mail was saved.")).to_be_visible()

    page.goto(URL)
    page.get_by_label("Choose Sign-up mail").check()
    page.locator(".bulk").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Disabled: 1.")).to_be_visible()


@pytest.mark.parametrize("tab", ["", "/edit"])
def test_pages_of_a_service_are_sound_everywhere(check_everywhere, furnished, tab):
    check_everywhere(f"{URL}/{furnished}{tab}")


def test_the_list_is_sound_everywhere(check_everywhere, furnished):
    check_everywhere(URL)


@pytest.mark.parametrize("tab", ["/health", "/history", "/disable", "/delete", "/edit?replace=api_key"])
def test_the_rest_is_sound_on_a_phone_in_the_dark(visit, furnished, tab):
    check_page(visit(f"{URL}/{furnished}{tab}", View(PHONE, "dark")))


def test_the_catalogue_is_sound_everywhere(check_everywhere, furnished):
    check_everywhere(f"{URL}/catalog")
